//! The rate limit on refusals.

use chrono::TimeDelta;

use test_kit::app::{API_KEY, Answer, Client, ORIGIN, TestApp, answer};

const LIMIT: (&str, &str) = ("LINKGATE_REFUSALS_PER_MINUTE", "5");

async fn wrong_token(client: &Client) -> Answer {
    let path = "/v1/attempts/att_00000000000000000000000000000000";
    answer(client.get(path).bearer_auth("a.b.c").header("Origin", ORIGIN)).await
}

async fn malformed_link(client: &Client) -> Answer {
    answer(client.get("/v/nonsense").header("Accept", "text/html")).await
}

async fn redeem(client: &Client, key: &str) -> Answer {
    answer(client.post("/v1/tickets/redeem").bearer_auth(key).json(&serde_json::json!({ "ticket": "x" })))
        .await
}

#[tokio::test]
async fn a_network_is_told_of_so_many_wrong_tokens_a_minute_and_right_ones_are_served() {
    let app = TestApp::with(&[LIMIT]).await;
    let client = app.browser();
    let attempt = client.sign_in("ann@example.com").await;
    for _ in 0..5 {
        wrong_token(&client).await.expect_problem(401, "attempt_token_invalid");
    }
    let refused = wrong_token(&app.browser_at("203.0.113.99")).await;
    refused.expect_problem(429, "rate_limited");
    assert_eq!(refused.header("retry-after"), "60");
    assert_eq!(refused.header("access-control-allow-origin"), ORIGIN, "the page can read it");
    attempt.status().await.expect(200);
    wrong_token(&app.browser_at("198.51.100.1")).await.expect_problem(401, "attempt_token_invalid");
    app.advance(TimeDelta::minutes(1));
    wrong_token(&client).await.expect_problem(401, "attempt_token_invalid");
    assert!(app.metrics().await.contains("linkgate_limited_total{limit=\"refusals\"} 1\n"));
}

#[tokio::test]
async fn a_network_is_told_of_so_many_malformed_links_a_minute_and_good_ones_open() {
    let app = TestApp::with(&[LIMIT]).await;
    let client = app.browser();
    client.sign_in("ann@example.com").await;
    for _ in 0..5 {
        malformed_link(&client).await.expect_page(400);
    }
    let refused = malformed_link(&client).await;
    refused.expect_page(429).shows(&["Too many requests"]);
    assert_eq!(refused.header("retry-after"), "60");
    client.open(&app.link("ann@example.com")).await.expect_page(200);
}

#[tokio::test]
async fn api_keys_cannot_be_tried_one_after_the_other() {
    let app = TestApp::with(&[LIMIT]).await;
    let client = app.browser();
    redeem(&client, API_KEY).await.expect_problem(410, "ticket_invalid");
    for _ in 0..4 {
        redeem(&client, "a-wrong-api-key").await.expect_problem(401, "api_key_invalid");
    }
    for key in ["another-wrong-api-key", API_KEY] {
        redeem(&client, key).await.expect_problem(429, "rate_limited");
    }
    // Sign-ins from that network still work.
    client.sign_in("ann@example.com").await.status().await.expect(200);
    app.advance(TimeDelta::minutes(1));
    redeem(&client, API_KEY).await.expect_problem(410, "ticket_invalid");
}
