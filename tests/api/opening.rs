//! Opening a link changes nothing, however often; showing the code consumes nothing; wrong codes end the attempt.

use futures_util::future::join_all;
use reqwest::Method;

use test_kit::app::{Attempt, Client, TestApp, answer};

const FAR: &str = "198.51.100.9";

/// An attempt, its link, and an opener that has to relay a code.
async fn across(app: &TestApp) -> (Attempt, String, Client) {
    let attempt = app.browser().sign_in("ann@example.com").await;
    (attempt, app.link("ann@example.com"), app.browser_at(FAR))
}

fn another(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

#[tokio::test]
async fn fifty_openings_at_once_change_nothing() {
    let app = TestApp::start().await;
    let (attempt, link, _) = across(&app).await;
    let before = attempt.status().await.body;
    let scanners: Vec<Client> = (0..50)
        .map(|n| if n % 5 == 0 { attempt.client.clone() } else { app.browser_at(&format!("192.0.2.{n}")) })
        .collect();
    let opened = join_all(scanners.iter().map(|scanner| scanner.open(&link))).await;
    for page in &opened {
        page.expect_page(200);
    }
    let described = join_all(scanners.iter().map(|scanner| scanner.describe(&link))).await;
    assert!(described.iter().all(|answer| answer.expect(200).body["status"] == "pending"));
    assert_eq!(attempt.status().await.body, before);
    assert_eq!(
        app.metric("linkgate_attempts_ended_total{purpose=\"sign_in\",outcome=\"verified\"}").await,
        0.0
    );
    let done = attempt.client.decide(&link, "approve", &opened[0].confirmation()).await;
    assert_eq!(done.redirected("__linkgate_status").as_deref(), Some("verified"));
}

#[tokio::test]
async fn head_answers_like_get_without_a_body_and_changes_nothing() {
    let app = TestApp::start().await;
    let (attempt, link, scanner) = across(&app).await;
    for client in [&attempt.client, &scanner] {
        for accept in ["text/html", "application/json"] {
            let get = answer(client.get(&link).header("Accept", accept)).await;
            let head = answer(client.request(Method::HEAD, &link).header("Accept", accept)).await;
            assert_eq!(head.expect(200).raw, "");
            assert_eq!(head.header("content-type"), get.header("content-type"));
        }
    }
    assert_eq!(attempt.status().await.body["status"], "pending");
}

#[tokio::test]
async fn pages_of_links_may_be_kept_framed_or_indexed_by_nobody() {
    let app = TestApp::start().await;
    let (_, link, opener) = across(&app).await;
    let page = opener.open(&link).await;
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-robots-tag", "noindex"),
        ("server", ""),
    ] {
        assert_eq!(page.header(name), value, "{name}");
    }
    let csp = page.header("content-security-policy");
    for directive in
        ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self' https://app.example.com"]
    {
        assert!(csp.contains(directive), "{csp}");
    }
    page.hides(&["src=\"http", "href=\"http", "url(http"]);
}

#[tokio::test]
async fn the_code_is_shown_as_often_as_asked_for_and_consumes_nothing() {
    let app = TestApp::start().await;
    let (attempt, link, opener) = across(&app).await;
    let page = opener.open(&link).await;
    let show = async { opener.decide(&link, "approve", &page.confirmation()).await };
    let (told, first) = app.told(&attempt, "pending", show).await;
    assert_eq!(told.body["status"], "awaiting_code");
    assert_eq!(told.body["code_tries_left"], 5);
    assert!(told.body["signed_in"].is_null() && told.body["session_id"].is_null());
    let code = first.relay_code();
    assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()));

    let again = opener.decide(&link, "approve", &page.confirmation()).await;
    assert_eq!(again.relay_code(), code);
    // Another device, and a scanner that presses buttons, get the same code and do no harm.
    let scanner = app.browser_at("192.0.2.1");
    assert_eq!(scanner.press(&link, "approve").await.relay_code(), code);
    assert_eq!(scanner.describe(&link).await.body["status"], "awaiting_code");
    assert_eq!(attempt.status().await.body["status"], "awaiting_code");
    assert_eq!(attempt.enter_code(&code).await.expect(200).body["status"], "verified");
}

#[tokio::test]
async fn the_requester_may_still_open_the_link_itself_after_the_code_was_shown() {
    let app = TestApp::start().await;
    let (attempt, link, opener) = across(&app).await;
    let code = opener.press(&link, "approve").await.relay_code();
    let done = attempt.client.press(&link, "approve").await;
    assert_eq!(done.redirected("__linkgate_status").as_deref(), Some("verified"));
    assert_eq!(attempt.status().await.body["signed_in"], "both");
    attempt.enter_code(&code).await.expect_problem(409, "attempt_over");
}

#[tokio::test]
async fn five_wrong_codes_fail_the_attempt() {
    let app = TestApp::start().await;
    let (attempt, link, opener) = across(&app).await;
    let code = opener.press(&link, "approve").await.relay_code();
    for left in [4, 3, 2, 1] {
        let wrong = attempt.enter_code(&another(&code)).await;
        assert_eq!(wrong.expect_problem(422, "code_incorrect").body["code_tries_left"], left);
        assert_eq!(attempt.status().await.body["code_tries_left"], left);
    }
    let last = async { attempt.enter_code(&another(&code)).await };
    let (told, last) = app.told(&attempt, "awaiting_code", last).await;
    assert_eq!(last.expect_problem(422, "code_incorrect").body["code_tries_left"], 0);
    assert_eq!(told.body["status"], "failed");
    assert_eq!(told.body["failure"], "too_many_codes");

    attempt.enter_code(&code).await.expect_problem(409, "attempt_over");
    attempt.redeem().await.expect_problem(409, "attempt_not_verified");
    attempt.resend().await.expect_problem(409, "attempt_over");
    opener.describe(&link).await.expect_problem(410, "link_canceled");
    opener.decide_json(&link, "here", &page_free_confirmation()).await.expect_problem(410, "link_canceled");
    assert_eq!(attempt.status().await.body["failure"], "too_many_codes");
}

/// A confirmation of the right form with an invalid signature.
fn page_free_confirmation() -> String {
    "A".repeat(43)
}

#[tokio::test]
async fn the_right_code_after_wrong_ones_verifies_and_may_be_repeated() {
    let app = TestApp::start().await;
    let (attempt, link, opener) = across(&app).await;
    let code = opener.press(&link, "approve").await.relay_code();
    for _ in 0..4 {
        attempt.enter_code(&another(&code)).await.expect_problem(422, "code_incorrect");
    }
    let right = attempt.enter_code(&code).await;
    assert_eq!(right.expect(200).body["status"], "verified");
    let repeated = attempt.enter_code(&code).await;
    assert_eq!(repeated.expect(200).body, right.body, "a lost answer is no loss");
    attempt.enter_code(&another(&code)).await.expect_problem(409, "attempt_over");
    // The code consumed the nonce.
    opener.describe(&link).await.expect_problem(410, "link_already_used");
    attempt.client.describe(&link).await.expect_problem(410, "link_already_used");
}

#[tokio::test]
async fn a_code_before_it_is_shown_is_wrong_and_costs_no_try() {
    let app = TestApp::start().await;
    let (attempt, link, opener) = across(&app).await;
    for _ in 0..6 {
        let early = attempt.enter_code("123456").await;
        assert_eq!(early.expect_problem(422, "code_incorrect").body["code_tries_left"], 5);
    }
    assert_eq!(attempt.status().await.body["status"], "pending");
    let code = opener.press(&link, "approve").await.relay_code();
    attempt.enter_code(&code).await.expect(200);
}

#[tokio::test]
async fn what_is_no_code_costs_no_try() {
    let app = TestApp::start().await;
    let (attempt, link, opener) = across(&app).await;
    opener.press(&link, "approve").await;
    for code in ["", "12345", "1234567", "12345a", "１２３４５６"] {
        attempt.enter_code(code).await.expect_problem(400, "invalid_request");
    }
    assert_eq!(attempt.status().await.body["code_tries_left"], 5);
}

#[tokio::test]
async fn the_code_of_one_attempt_is_wrong_for_another() {
    let app = TestApp::start().await;
    let (ann, link, opener) = across(&app).await;
    let attacker = app.browser_at("192.0.2.9").sign_in("ann@example.com").await;
    let attackers_link = app.link("ann@example.com");
    let code = opener.press(&link, "approve").await.relay_code();
    opener.press(&attackers_link, "approve").await;
    attacker.enter_code(&code).await.expect_problem(422, "code_incorrect");
    ann.enter_code(&code).await.expect(200);
    attacker.redeem().await.expect_problem(409, "attempt_not_verified");
}

#[tokio::test]
async fn a_victim_who_presses_every_button_of_an_attackers_link_signs_the_attacker_in_with_none() {
    let app = TestApp::start().await;
    let attacker = app.browser_at("192.0.2.9").sign_in("victim@example.com").await;
    let link = app.link("victim@example.com");
    let victim = app.browser_at(FAR);
    let code_page = victim.press(&link, "approve").await;
    victim.decide(&link, "approve", &code_page.confirmation()).await.expect_page(200);
    attacker.redeem().await.expect_problem(409, "attempt_not_verified");
    victim.decide(&link, "here", &code_page.confirmation()).await.expect(303);
    attacker.redeem().await.expect_problem(409, "signed_in_elsewhere");
    answer(attacker.client.get("/v1/session")).await.expect_problem(401, "session_required");
}
