//! Consent phishing across devices (RFC 10027): an attacker starts attempts for the victim's address and waits; the
//! victim opens the link and presses every button.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::json;

use test_kit::app::{Answer, Attempt, Client, REDIRECT, TestApp, answer};
use test_kit::fleet::Fleet;

const ATTACKER: &str = "attacker-secret-0123456789abcd";
const HOME: &str = "203.0.113.7";
const OTHER_NETWORK: &str = "198.51.100.9";

/// Every button, in every order that may matter.
const PRESSES: [&[&str]; 10] = [
    &["approve"],
    &["approve", "approve", "approve"],
    &["deny"],
    &["here"],
    &["approve", "deny"],
    &["approve", "here"],
    &["deny", "approve", "here"],
    &["here", "approve", "deny"],
    &["here", "deny", "approve"],
    &["approve", "here", "deny"],
];

/// The result for the attacker: the status, and whether it got a session or a proof.
async fn spoils(attempt: &Attempt) -> (String, bool) {
    let status = attempt.status().await;
    let text = status.expect(200).raw.clone();
    assert!(!text.contains("relay_code") && !text.contains("confirmation"), "{text}");
    let redeemed = attempt.redeem().await;
    if !redeemed.status.is_success() {
        redeemed.expect(409);
        assert!(redeemed.body["session_token"].is_null() && redeemed.body["renewal_token"].is_null());
        assert!(redeemed.set_cookie("linkgate-session").is_none());
    }
    (status.text("status"), redeemed.status.is_success())
}

/// The victim presses these buttons, on linkgate's pages or on an application's own.
async fn press(victim: &Client, link: &str, presses: &[&str], on_pages: bool) {
    for decision in presses {
        let seen = if on_pages { victim.open(link).await } else { victim.describe(link).await };
        let has_confirmation =
            seen.raw.contains("name=\"confirmation\"") || seen.body["confirmation"].is_string();
        if !seen.status.is_success() || !has_confirmation {
            continue;
        }
        let confirmation = seen.confirmation();
        let answer = if on_pages {
            victim.decide(link, decision, &confirmation).await
        } else {
            victim.decide_json(link, decision, &confirmation).await
        };
        assert!(!answer.status.is_server_error(), "{decision}: {}", answer.raw);
    }
}

/// Runs one attack; returns whether the attacker got anything.
async fn attack(app: &TestApp, purpose: &str, number: usize, near: bool, on_pages: bool) -> bool {
    let email = format!("victim{number}.{purpose}.{on_pages}@example.com");
    // From another network and client each time: limits must not be what stops the attacker.
    let home = format!("203.0.{number}.7");
    let victim_ip = if near { format!("203.0.{number}.99") } else { OTHER_NETWORK.to_owned() };
    let attacker = app.script_at(&format!("{ATTACKER}{number}"), &home);
    let body = json!({ "email_address": email, "purpose": purpose, "redirect_url": REDIRECT });
    let attempt = if purpose == "verify_email" {
        // The application starts it for its signed-in user: the attacker, who claims the victim's address.
        let mut body = body;
        body["sub"] = "attacker".into();
        body["client"] = json!({ "ip": home });
        attacker.start_with_key(body).await
    } else {
        attacker.start(body).await
    };
    // The attacker has neither the link nor the victim's browser.
    let link = app.link(&email);
    let victim = app.browser_at(&victim_ip);
    press(&victim, &link, PRESSES[number], on_pages).await;
    let (status, got) = spoils(&attempt).await;
    assert!(!got || status == "verified");
    // A guessed code does not help.
    let guessed = attempt.enter_code("000000").await;
    assert!(!guessed.status.is_success() || got, "one in a million: {}", guessed.raw);
    got
}

#[tokio::test]
async fn pressing_everything_gives_an_attacker_nothing_but_under_approve_and_in_the_same_network() {
    // By policy, and by whether the victim is in the attacker's network: whether pressing "Yes, sign in" gives the
    // attacker a session. No other button does.
    let gives_up = [
        (("adaptive", true), true),
        (("adaptive", false), false),
        (("approve", true), true),
        (("approve", false), true),
        (("relay_code", true), false),
        (("relay_code", false), false),
        (("same_client", true), false),
        (("same_client", false), false),
    ];
    for ((policy, near), gives) in gives_up {
        let app = TestApp::with(&[("LINKGATE_CROSS_DEVICE", policy)]).await;
        for purpose in ["sign_in", "sign_up", "verify_email"] {
            for (number, presses) in PRESSES.iter().enumerate() {
                for on_pages in [true, false] {
                    let got = attack(&app, purpose, number, near, on_pages).await;
                    // The first effective press counts. `verify_email` has no "here", and neither has a client without
                    // cookies, which cannot hold a session.
                    let effective = presses
                        .iter()
                        .find(|press| **press != "here" || (purpose != "verify_email" && on_pages));
                    let expected = gives && effective == Some(&"approve");
                    assert_eq!(
                        got, expected,
                        "{policy}, near: {near}, {purpose}, {presses:?}, on pages: {on_pages}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_victim_that_signs_in_where_it_opened_the_link_signs_in_nobody_else() {
    let app = TestApp::with(&[("LINKGATE_CROSS_DEVICE", "relay_code")]).await;
    let attempt = app.script_at(ATTACKER, HOME).sign_in("ann@example.com").await;
    let victim = app.browser_at(OTHER_NETWORK);
    let done = victim.press(&app.link("ann@example.com"), "here").await;
    assert!(done.set_cookie("linkgate-session").is_some());
    let status = attempt.status().await;
    assert_eq!((&status.body["status"], &status.body["signed_in"]), (&"verified".into(), &"opener".into()));
    attempt.redeem().await.expect_problem(409, "signed_in_elsewhere");
    // The attacker's knowledge of the session is worth nothing.
    let session = status.text("session_id");
    for token in [session.as_str(), &attempt.token, &attempt.id] {
        let renewed = attempt.client.post("/v1/session/token").json(&json!({ "renewal_token": token }));
        answer(renewed).await.expect_problem(401, "session_required");
        let cookie = attempt.client.get("/v1/session").header("Cookie", format!("linkgate-session={token}"));
        answer(cookie).await.expect_problem(401, "session_required");
    }
}

/// An attempt whose opener has seen the relay code, and the code.
async fn shown(app: &TestApp, email: &str) -> (Attempt, String) {
    let attempt = app.script_at(ATTACKER, HOME).sign_in(email).await;
    let page = app.browser_at(OTHER_NETWORK).press(&app.link(email), "approve").await;
    (attempt, page.relay_code())
}

/// Other codes.
fn wrong_codes(right: &str) -> impl Iterator<Item = String> + use<> {
    let right: u32 = right.parse().unwrap();
    (1..1_000_000).map(move |step| format!("{:06}", (right + step * 7919) % 1_000_000))
}

#[tokio::test]
async fn five_wrong_codes_end_the_attempt_and_the_right_one_comes_too_late() {
    let app = TestApp::start().await;
    let (attempt, code) = shown(&app, "ann@example.com").await;
    for (wrong, left) in wrong_codes(&code).zip([4, 3, 2, 1, 0]) {
        let refused = attempt.enter_code(&wrong).await;
        assert_eq!(refused.expect_problem(422, "code_incorrect").body["code_tries_left"], left);
    }
    attempt.enter_code(&code).await.expect_problem(409, "attempt_over");
    let status = attempt.status().await;
    assert_eq!(
        (&status.body["status"], &status.body["failure"]),
        (&"failed".into(), &"too_many_codes".into())
    );
    assert_eq!(spoils(&attempt).await, ("failed".to_owned(), false));
    attempt.resend().await.expect_problem(409, "attempt_over");

    // Four wrong codes do not end it: the tries are counted.
    let (attempt, code) = shown(&app, "bob@example.com").await;
    for wrong in wrong_codes(&code).take(4) {
        attempt.enter_code(&wrong).await.expect_problem(422, "code_incorrect");
    }
    attempt.enter_code(&code).await.expect(200);
}

#[tokio::test]
async fn a_code_that_nobody_was_shown_cannot_be_guessed_and_costs_no_try() {
    let app = TestApp::start().await;
    let attempt = app.script_at(ATTACKER, HOME).sign_in("ann@example.com").await;
    for guess in 0..20 {
        let refused = attempt.enter_code(&format!("{:06}", guess * 50_000)).await;
        assert_eq!(refused.expect_problem(422, "code_incorrect").body["code_tries_left"], 5);
    }
    assert_eq!(attempt.status().await.body["status"], "pending");
}

#[tokio::test]
async fn a_new_mail_brings_no_new_tries_and_makes_the_old_code_worthless() {
    let app = TestApp::start().await;
    let (attempt, old) = shown(&app, "ann@example.com").await;
    for wrong in wrong_codes(&old).take(3) {
        attempt.enter_code(&wrong).await.expect_problem(422, "code_incorrect");
    }
    app.advance(chrono::TimeDelta::seconds(30));
    attempt.resend().await.expect(200);
    let page = app.browser_at(OTHER_NETWORK).press(&app.link("ann@example.com"), "approve").await;
    let new = page.relay_code();
    assert_ne!(old, new, "one in a million");
    let refused = attempt.enter_code(&old).await;
    assert_eq!(refused.expect_problem(422, "code_incorrect").body["code_tries_left"], 1);
    let refused = attempt.enter_code(&wrong_codes(&new).next().unwrap()).await;
    assert_eq!(refused.expect_problem(422, "code_incorrect").body["code_tries_left"], 0);
    attempt.enter_code(&new).await.expect_problem(409, "attempt_over");
}

#[tokio::test]
async fn the_code_of_one_attempt_is_worth_nothing_for_another() {
    let app = TestApp::start().await;
    let (mine, my_code) = shown(&app, "attacker@example.com").await;
    let (theirs, their_code) = shown(&app, "ann@example.com").await;
    assert_ne!(my_code, their_code, "one in a million");
    theirs.enter_code(&my_code).await.expect_problem(422, "code_incorrect");
    // The token of one attempt cannot enter codes for another.
    let other = answer(
        mine.client
            .post(&format!("/v1/attempts/{}/code", theirs.id))
            .bearer_auth(&mine.token)
            .json(&json!({ "code": their_code })),
    );
    other.await.expect_problem(404, "attempt_not_found");
    mine.enter_code(&my_code).await.expect(200);
}

/// The number of guesses by answer.
fn tally(answers: &[Answer]) -> BTreeMap<String, usize> {
    let mut tally = BTreeMap::new();
    for answer in answers {
        let left = answer.body["code_tries_left"].as_u64();
        let what = match answer.body["code"].as_str() {
            Some("code_incorrect") => format!("wrong, {} left", left.unwrap()),
            Some(code) => code.to_owned(),
            None => "verified".to_owned(),
        };
        *tally.entry(what).or_default() += 1;
    }
    tally
}

/// Of 50 simultaneous guesses, five are judged.
#[track_caller]
fn assert_five_were_heard(answers: &[Answer]) {
    let expected: BTreeMap<String, usize> = [
        ("attempt_over", 45),
        ("wrong, 0 left", 1),
        ("wrong, 1 left", 1),
        ("wrong, 2 left", 1),
        ("wrong, 3 left", 1),
        ("wrong, 4 left", 1),
    ]
    .map(|(what, count)| (what.to_owned(), count))
    .into();
    assert_eq!(tally(answers), expected);
}

#[tokio::test]
async fn of_fifty_guesses_at_once_five_are_heard() {
    let app = TestApp::start().await;
    let (attempt, code) = shown(&app, "ann@example.com").await;
    let guesses: Vec<String> = wrong_codes(&code).take(50).collect();
    let answers = join_all(guesses.iter().map(|guess| attempt.enter_code(guess))).await;
    assert_five_were_heard(&answers);
    attempt.enter_code(&code).await.expect_problem(409, "attempt_over");
    assert_eq!(spoils(&attempt).await, ("failed".to_owned(), false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_guesses_at_once_on_two_replicas_and_redis_five_are_heard() {
    let fleet = Fleet::with(2, &[]).await;
    for round in 0..5 {
        let at = |number: usize, ip: &str, secret: &str| {
            let builder = reqwest::Client::builder();
            Client::new(&fleet.replicas[number].url(), ip, builder, Some(secret.to_owned()))
        };
        let requesters = [at(0, HOME, ATTACKER), at(1, HOME, ATTACKER)];
        let email = format!("ann{round}@example.com");
        let attempt = requesters[round % 2].sign_in(&email).await;
        let mails = fleet.smtp.received();
        let mail = mails.iter().rfind(|mail| mail.rcpt_to == [email.clone()]).unwrap();
        let link = test_kit::app::link_of(&mail.message);
        let path = link[link.find("/v/").unwrap()..].to_owned();
        let victim = at(1, OTHER_NETWORK, "victim-secret-0123456789abcdef");
        let confirmation = victim.describe(&path).await.confirmation();
        let code = victim.decide_json(&path, "approve", &confirmation).await.relay_code();

        let guesses: Vec<String> = wrong_codes(&code).take(50).collect();
        let answers = join_all(guesses.iter().enumerate().map(|(number, guess)| {
            let path = format!("/v1/attempts/{}/code", attempt.id);
            let request = requesters[number % 2].post(&path).bearer_auth(&attempt.token);
            answer(request.json(&json!({ "code": guess })))
        }));
        assert_five_were_heard(&answers.await);
        attempt.enter_code(&code).await.expect_problem(409, "attempt_over");
        assert_eq!(spoils(&attempt).await, ("failed".to_owned(), false));
    }
}
