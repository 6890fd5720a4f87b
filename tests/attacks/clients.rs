//! Attackers who hold a link or an attempt token, but not the secret of the client that started the attempt.

use reqwest::header::HeaderValue;
use serde_json::{Value, json};

use test_kit::app::{Answer, Attempt, Client, TestApp, answer};
use test_kit::requests::{OTHER_SECRET, SECRET, plain, token_of};
use test_kit::smith::part;

const FAR: &str = "198.51.100.9";

/// Everything public about the client of this attempt, and guesses of its secret derived from that.
async fn guesses(app: &TestApp, attempt: &Attempt, link: &str) -> Vec<String> {
    let claims = part(&token_of(link), 1);
    let cfp = claims["cfp"].as_str().unwrap();
    let public = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
    let described = app.browser_at(FAR).describe(link).await;
    let flipped: String = SECRET.chars().rev().collect();
    vec![
        cfp.to_owned(),
        format!("{cfp}{cfp}"),
        public("aid"),
        public("jti"),
        format!("{}{}", public("jti"), public("aid")),
        public("em"),
        public("net"),
        attempt.id.clone(),
        attempt.id.replace("att_", ""),
        attempt.token.split('.').nth(2).unwrap().to_owned(),
        described.confirmation(),
        OTHER_SECRET.to_owned(),
        flipped,
        SECRET.to_ascii_uppercase(),
        SECRET.to_ascii_lowercase(),
        SECRET[..SECRET.len() - 1].to_owned(),
        format!("{SECRET}A"),
        format!("A{SECRET}"),
        format!("{}A", &SECRET[..SECRET.len() - 1]),
        SECRET.repeat(2),
        "A".repeat(22),
        "0".repeat(43),
        "client_00000000000000000000000000000000".to_owned(),
        "undefined-undefined-undefined".to_owned(),
    ]
}

/// Texts that are too malformed to be a client secret.
fn malformed() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = ["", " ", "x", "*", "%", "null", "true", "[]", "{}", "a.b.c"]
        .map(|text| text.as_bytes().to_vec())
        .to_vec();
    all.extend([
        format!("{SECRET}, {OTHER_SECRET}").into_bytes(),
        format!("{OTHER_SECRET},{SECRET}").into_bytes(),
        format!("{SECRET};{SECRET}").into_bytes(),
        format!("\"{SECRET}\"").into_bytes(),
        format!("{SECRET}=").into_bytes(),
        format!("{SECRET}*").into_bytes(),
        format!("Bearer {SECRET}").into_bytes(),
        format!("linkgate-client={SECRET}").into_bytes(),
        SECRET.replace('v', "%76").into_bytes(),
        [SECRET.as_bytes(), b"\xff"].concat(),
        [SECRET.as_bytes(), "\u{2003}".as_bytes(), b"x"].concat(),
        SECRET.as_bytes()[..21].to_vec(),
        b"A".repeat(129),
        b"A".repeat(8000),
    ]);
    all
}

async fn redeem(client: &Client, attempt: &Attempt) -> Answer {
    answer(client.post(&format!("/v1/attempts/{}/redeem", attempt.id)).bearer_auth(&attempt.token)).await
}

#[tokio::test]
async fn no_guess_of_a_client_secret_makes_another_client_the_requester() {
    let app = TestApp::start().await;
    let attempt = app.script(SECRET).start(plain()).await;
    let link = app.link("ann@example.com");
    let all = guesses(&app, &attempt, &link).await;
    assert!(!all.contains(&SECRET.to_owned()));
    let confirmation = app.script(SECRET).describe(&link).await.confirmation();
    for guess in &all {
        let thief = app.script_at(guess, FAR);
        let described = thief.describe(&link).await;
        if described.status == 400 {
            // Too short for a secret.
            described.expect_problem(400, "invalid_request");
            continue;
        }
        assert_eq!(described.expect(200).body["opener"], "other_network", "{guess}");
        assert_eq!(described.body["confirm"], "relay_code", "{guess}");
        // Nor with the confirmation of the real client's page.
        thief.decide_json(&link, "approve", &confirmation).await.expect_problem(400, "invalid_request");
        redeem(&thief, &attempt).await.expect_problem(409, "attempt_not_verified");
        // Nor as a cookie.
        let browser = app.browser_at(FAR);
        let by_cookie = browser.get(&link).header("Cookie", format!("linkgate-client={guess}"));
        let page = answer(by_cookie.header("Accept", "text/html")).await;
        page.expect(200).hides(&["id=\"automatic\""]);
    }
    // Guesses do not lock the client out.
    assert_eq!(attempt.status().await.body["status"], "pending");
    app.script(SECRET).decide_json(&link, "approve", &confirmation).await.expect(200);
    // Also with the attempt token of a verified attempt, guesses fail.
    for guess in &all {
        let refused = redeem(&app.script_at(guess, FAR), &attempt).await;
        assert!(matches!(refused.status.as_u16(), 400 | 403), "{guess}: {}", refused.raw);
        assert!(refused.body["session_token"].is_null());
    }
    redeem(&app.browser_at(FAR), &attempt).await.expect_problem(403, "client_mismatch");
    redeem(&app.script(SECRET), &attempt).await.expect(200);
}

#[tokio::test]
async fn a_header_that_is_no_secret_is_refused_and_never_taken_for_the_cookies_client() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let cookie = format!("linkgate-client={SECRET}");
    let attempt = answer(browser.post("/v1/attempts").header("Cookie", &cookie).json(&plain())).await;
    attempt.expect(201);
    let link = app.link("ann@example.com");
    for bad in malformed() {
        let shown = String::from_utf8_lossy(&bad).into_owned();
        let value = HeaderValue::from_bytes(&bad).unwrap();
        for request in [
            browser.get(&link).header("Accept", "application/json"),
            browser.post("/v1/attempts").json(&plain()),
            browser.post("/v1/session/token"),
        ] {
            let answer =
                answer(request.header("Cookie", &cookie).header("Linkgate-Client", value.clone())).await;
            assert_eq!(answer.status.as_u16(), 400, "{shown}: {}", answer.raw);
            answer.expect_problem(400, "invalid_request");
        }
    }
    // Two headers are invalid, even with the right secret twice.
    let twice = browser.get(&link).header("Accept", "application/json");
    let twice = twice.header("Linkgate-Client", SECRET).header("Linkgate-Client", SECRET);
    answer(twice).await.expect_problem(400, "invalid_request");
    // The header takes precedence over a cookie: it was set deliberately.
    let other =
        browser.get(&link).header("Accept", "application/json").header("Linkgate-Client", OTHER_SECRET);
    let other = answer(other.header("Cookie", &cookie)).await;
    assert_eq!(other.expect(200).body["opener"], "same_network");
    let own = browser.get(&link).header("Accept", "application/json").header("Cookie", &cookie);
    assert_eq!(answer(own).await.expect(200).body["opener"], "same_client");
}

#[tokio::test]
async fn a_cookie_of_another_attempt_opens_that_attempt_alone() {
    let app = TestApp::start().await;
    let (victim, thief) = (app.browser(), app.browser_at(FAR));
    let theirs = thief.sign_in("mallory@example.com").await;
    let attempt = victim.sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    assert_eq!(thief.describe(&link).await.body["opener"], "other_network");
    thief.press(&link, "approve").await.expect_page(200).hides(&["id=\"automatic\""]);
    victim.press(&link, "approve").await.expect(303);
    redeem(&thief, &attempt).await.expect_problem(403, "client_mismatch");
    // Nor the token of one attempt with the id of the other.
    let crossed = thief.post(&format!("/v1/attempts/{}/redeem", attempt.id)).bearer_auth(&theirs.token);
    answer(crossed).await.expect_problem(404, "attempt_not_found");
    redeem(&victim, &attempt).await.expect(200);
}

#[tokio::test]
async fn a_session_is_of_no_use_without_the_secret_that_it_was_made_for() {
    let app = TestApp::start().await;
    let victim = app.browser();
    victim.sign_in("ann@example.com").await;
    victim.press(&app.link("ann@example.com"), "approve").await.expect(303);
    let jar = victim.cookies();
    let session = jar.split("; ").find(|cookie| cookie.starts_with("linkgate-session=")).unwrap();
    let renewal = session.split_once('=').unwrap().1;
    let cfp = part(renewal, 1)["cfp"].as_str().unwrap().to_owned();
    for jar in [
        session.to_owned(),
        format!("{session}; linkgate-client={OTHER_SECRET}"),
        format!("{session}; linkgate-client={cfp}"),
        format!("{session}; linkgate-client="),
        format!("{session}; linkgate-client=x"),
    ] {
        for request in [
            app.browser().get("/v1/session"),
            app.browser().post("/v1/session/token").header("Origin", &app.url),
            app.browser()
                .post("/v1/attempts")
                .header("Origin", &app.url)
                .json(&json!({ "email_address": "new@example.com", "purpose": "verify_email" })),
        ] {
            answer(request.header("Cookie", &jar)).await.expect_problem(401, "session_required");
        }
        let out = app.browser().request(reqwest::Method::DELETE, "/v1/session").header("Origin", &app.url);
        answer(out.header("Cookie", &jar)).await.expect(204);
    }
    for thief in [app.script(OTHER_SECRET), app.script(&cfp), app.browser()] {
        let token = thief.post("/v1/session/token").json(&json!({ "renewal_token": renewal }));
        answer(token).await.expect_problem(401, "session_required");
        answer(
            thief.request(reqwest::Method::DELETE, "/v1/session").json(&json!({ "renewal_token": renewal })),
        )
        .await
        .expect(204);
    }
    answer(victim.get("/v1/session")).await.expect(200);
}

#[tokio::test]
async fn a_confirmation_is_good_for_its_link_its_client_and_its_attempt_alone() {
    let app = TestApp::start().await;
    let (ann, mallory) = (app.browser(), app.browser());
    let attempt = ann.sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let theirs = mallory.sign_in("mallory@example.com").await;
    let their_link = app.link("mallory@example.com");
    let right = ann.open(&link).await.confirmation();
    let nobody = app.script(OTHER_SECRET).describe(&link).await.confirmation();
    let mut stolen = vec![
        ("another attempt's", mallory.open(&their_link).await.confirmation()),
        ("another attempt's, of the same client", ann.open(&their_link).await.confirmation()),
        ("another client's", mallory.open(&link).await.confirmation()),
        ("that of a client without a cookie", nobody),
        ("that of nobody", answer(app.browser().get(&link)).await.confirmation()),
        ("nothing", String::new()),
        ("zeros", "A".repeat(43)),
        ("cut", right[..42].to_owned()),
        ("longer", format!("{right}A")),
        ("padded", format!("{right}=")),
        ("other case", right.to_ascii_lowercase()),
        ("the link's nonce", part(&token_of(&link), 1)["jti"].as_str().unwrap().to_owned()),
    ];
    for at in [0, 21, 22, 41] {
        let other = if right.as_bytes()[at] == b'A' { "B" } else { "A" };
        stolen.push(("flipped", format!("{}{other}{}", &right[..at], &right[at + 1..])));
    }
    for (whose, confirmation) in &stolen {
        for decision in ["approve", "deny", "here"] {
            let form = ann.decide(&link, decision, confirmation).await;
            assert_eq!(form.status.as_u16(), 400, "{whose}: {}", form.raw);
            assert!(form.set_cookie("linkgate-session").is_none());
            let refused = ann.decide_json(&link, decision, confirmation).await;
            refused.expect_problem(400, "invalid_request");
        }
    }
    // The right confirmation works for no other client and no other link.
    mallory.decide(&link, "approve", &right).await.expect_page(400);
    ann.decide(&their_link, "approve", &right).await.expect_page(400);
    for waiting in [&attempt, &theirs] {
        assert_eq!(waiting.status().await.body["status"], "pending");
    }
    ann.decide(&link, "approve", &right).await.expect(303);
    assert_eq!(theirs.status().await.body["status"], Value::from("pending"));
}
