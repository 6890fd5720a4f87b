//! Mail scanners, link previews and prefetchers, which open links before the recipient does. None of them has the client
//! secret of the requester, unless it is the requester's own browser.

use futures_util::future::join_all;
use reqwest::Method;

use test_kit::app::{Answer, Attempt, Client, TestApp, answer};

const POLICIES: [&str; 4] = ["adaptive", "approve", "relay_code", "same_client"];
const FAR: &str = "198.51.100.9";
const NEAR: &str = "203.0.113.99";
const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0";

/// Headers of scanners, previews and prefetchers.
const LOOKS: [&[(&str, &str)]; 16] = [
    &[("Purpose", "prefetch")],
    &[("Purpose", "preview")],
    &[("Sec-Purpose", "prefetch")],
    &[
        ("Sec-Purpose", "prefetch;prerender"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Site", "cross-site"),
    ],
    &[("X-Moz", "prefetch")],
    &[("X-Purpose", "preview"), ("X-Preview", "1")],
    &[("User-Agent", "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)")],
    &[("User-Agent", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)")],
    &[("User-Agent", "WhatsApp/2.24.1 A")],
    &[("User-Agent", "TelegramBot (like TwitterBot)")],
    &[("User-Agent", "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5")],
    &[("User-Agent", "Mozilla/5.0 (compatible; Microsoft Safe Links)")],
    &[("User-Agent", "BarracudaCentral/1.0"), ("Accept", "*/*")],
    &[("User-Agent", CHROME), ("Accept", "application/json")],
    &[("User-Agent", ""), ("Accept", "image/avif,image/webp,*/*;q=0.8"), ("Range", "bytes=0-1023")],
    &[("User-Agent", CHROME), ("If-None-Match", "*"), ("Cache-Control", "only-if-cached")],
];

/// Opens a link as a scanner does, and asserts that it gets no session.
async fn look(scanner: &Client, method: Method, link: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = scanner.request(method, link).header("Accept", "text/html");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let seen = answer(request).await;
    assert!(seen.set_cookie("linkgate-session").is_none(), "{headers:?}");
    seen
}

/// The number of writes to the store.
async fn changes(app: &TestApp) -> f64 {
    let mut sum = 0.0;
    for verb in ["settle", "show_code", "enter_code", "replace_link", "cancel", "take_permit", "put_ticket"] {
        for outcome in ["ok", "unavailable"] {
            let name = "linkgate_store_operation_seconds_count";
            sum += app.metric(&format!("{name}{{operation=\"{verb}\",outcome=\"{outcome}\"}}")).await;
        }
    }
    sum
}

async fn is_signed_out(client: &Client) {
    answer(client.get("/v1/session")).await.expect_problem(401, "session_required");
}

/// The recipient opens the link in the browser that started, and is signed in there.
async fn own_click_works(attempt: &Attempt, link: &str) {
    let done = attempt.client.press(link, "approve").await;
    assert_eq!(done.redirected("__linkgate_status").as_deref(), Some("verified"));
    assert_eq!(attempt.status().await.body["signed_in"], "both");
    attempt.redeem().await.expect(200);
    answer(attempt.client.get("/v1/session")).await.expect(200);
}

#[tokio::test]
async fn head_requests_and_fifty_looks_at_once_change_nothing() {
    for policy in POLICIES {
        let app = TestApp::with(&[("LINKGATE_CROSS_DEVICE", policy)]).await;
        let attempt = app.browser().sign_in("ann@example.com").await;
        let link = app.link("ann@example.com");
        for ip in [NEAR, FAR] {
            let scanner = app.browser_at(ip);
            let head = look(&scanner, Method::HEAD, &link, &[]).await;
            assert!(head.expect(200).raw.is_empty());
            let looks = join_all((0..50).map(|number| {
                // Half of them keep their cookies.
                let scanner = if number % 2 == 0 { scanner.clone() } else { app.browser_at(ip) };
                let method = if number % 5 == 0 { Method::HEAD } else { Method::GET };
                let link = &link;
                async move { look(&scanner, method, link, &[]).await }
            }));
            for seen in looks.await {
                seen.expect(200).hides(&["<script>", "id=\"automatic\""]);
            }
            is_signed_out(&scanner).await;
        }
        assert_eq!(changes(&app).await.to_bits(), 0.0_f64.to_bits(), "{policy}");
        assert_eq!(attempt.status().await.body["status"], "pending", "{policy}");
        own_click_works(&attempt, &link).await;
        assert!(changes(&app).await > 0.0, "the counter counts");
    }
}

#[tokio::test]
async fn prefetchers_and_link_previews_may_open_a_link_as_often_as_they_like() {
    for policy in POLICIES {
        let app = TestApp::with(&[("LINKGATE_CROSS_DEVICE", policy)]).await;
        let attempt = app.browser().sign_in("ann@example.com").await;
        let link = app.link("ann@example.com");
        for headers in LOOKS {
            for method in [Method::HEAD, Method::GET, Method::GET] {
                let scanner = app.browser_at(FAR);
                look(&scanner, method, &link, headers).await.expect(200).hides(&["<script>"]);
                is_signed_out(&scanner).await;
            }
        }
        assert_eq!(changes(&app).await.to_bits(), 0.0_f64.to_bits(), "{policy}");
        own_click_works(&attempt, &link).await;
    }
}

#[tokio::test]
async fn a_prefetch_in_the_browser_that_asked_confirms_nothing() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    for headers in LOOKS {
        look(&attempt.client, Method::HEAD, &link, headers).await.expect(200);
        let page = look(&attempt.client, Method::GET, &link, headers).await;
        // The script does nothing on a page that is prerendered or in the background: see the browser tests.
        assert!(page.raw.contains("<script>") || headers.contains(&("Accept", "application/json")));
        is_signed_out(&attempt.client).await;
    }
    assert_eq!(changes(&app).await.to_bits(), 0.0_f64.to_bits());
    own_click_works(&attempt, &link).await;
}

/// The decisions that a press of a button alone would send: those of forms without a required checkbox.
fn pressable(page: &Answer) -> Vec<String> {
    let mut decisions = Vec::new();
    for form in page.raw.split("<form").skip(1) {
        let form = form.split("</form>").next().unwrap();
        if !form.contains("type=\"checkbox\" required") {
            let buttons = form.split("name=\"decision\" value=\"").skip(1);
            decisions.extend(buttons.map(|rest| rest.split('"').next().unwrap().to_owned()));
        }
    }
    decisions
}

#[tokio::test]
async fn a_scanner_that_presses_every_button_spoils_nothing_where_a_code_is_relayed() {
    for (policy, ips) in [("adaptive", &[FAR][..]), ("relay_code", &[NEAR, FAR])] {
        let app = TestApp::with(&[("LINKGATE_CROSS_DEVICE", policy)]).await;
        for ip in ips {
            let email = format!("ann{}@example.com", ip.replace('.', ""));
            let attempt = app.browser().sign_in(&email).await;
            let link = app.link(&email);
            let scanner = app.browser_at(ip);
            let mut page = scanner.open(&link).await;
            // On the page, and on the pages behind its buttons.
            for _ in 0..5 {
                let decisions = pressable(&page);
                page.shows(&["This wasn't me", "on this device instead"]);
                assert!(!decisions.contains(&"deny".to_owned()) && !decisions.contains(&"here".to_owned()));
                for decision in decisions {
                    page = scanner.decide(&link, &decision, &page.confirmation()).await;
                    page.expect_page(200);
                    assert!(page.set_cookie("linkgate-session").is_none());
                }
            }
            assert_eq!(attempt.status().await.body["status"], "awaiting_code", "{policy}");
            attempt.redeem().await.expect_problem(409, "attempt_not_verified");
            is_signed_out(&scanner).await;
            own_click_works(&attempt, &link).await;
        }
    }
}

#[tokio::test]
async fn under_approve_a_scanner_that_presses_the_button_signs_in_whoever_asked() {
    for (policy, ip) in [("approve", FAR), ("approve", NEAR), ("adaptive", NEAR)] {
        let app = TestApp::with(&[("LINKGATE_CROSS_DEVICE", policy)]).await;
        let attempt = app.browser().sign_in("ann@example.com").await;
        let link = app.link("ann@example.com");
        let scanner = app.browser_at(ip);
        let page = scanner.open(&link).await;
        assert_eq!(pressable(&page), ["approve", "deny"], "the session is never the scanner's for a press");
        scanner.decide(&link, "approve", &page.confirmation()).await;
        is_signed_out(&scanner).await;
        // The policy's known weakness: the recipient was not asked.
        assert_eq!(attempt.status().await.body["signed_in"], "requester");
        attempt.redeem().await.expect(200);
    }
}

#[tokio::test]
async fn under_same_client_nobody_else_has_a_button_to_press() {
    let app = TestApp::with(&[("LINKGATE_CROSS_DEVICE", "same_client")]).await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    for ip in [NEAR, FAR] {
        let page = app.browser_at(ip).open(&link).await;
        page.expect_page(200).hides(&["<form", "<button", "<script>"]);
    }
    own_click_works(&attempt, &link).await;
}
