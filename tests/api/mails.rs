//! The mails that are sent: both parts, their language, the length of the link.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use test_kit::app::{TestApp, answer, link_of};

struct Mail {
    headers: HeaderMap,
    text: String,
    html: String,
    link: String,
}

/// Starts an attempt with these options and this `Accept-Language`, and returns the mail.
async fn mail(app: &TestApp, options: Value, accept_language: Option<&str>) -> Mail {
    let mut body = json!({ "email_address": "ann@example.com", "purpose": "sign_in" });
    body.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let mut request = app.browser().post("/v1/attempts").json(&body);
    if let Some(languages) = accept_language {
        request = request.header("Accept-Language", languages);
    }
    answer(request).await.expect(201);
    newest(app)
}

fn newest(app: &TestApp) -> Mail {
    let message = app.smtp.received().pop().unwrap().message;
    let parsed = mailparse::parse_mail(&message).unwrap();
    let part = |kind: &str| {
        parsed.subparts.iter().find(|part| part.ctype.mimetype == kind).unwrap().get_body().unwrap()
    };
    let headers = parsed.headers.iter().map(|header| {
        (
            header.get_key().to_lowercase().parse().unwrap(),
            header.get_value().escape_default().to_string().parse().unwrap(),
        )
    });
    Mail {
        headers: headers.collect(),
        text: part("text/plain"),
        html: part("text/html"),
        link: link_of(&message),
    }
}

impl Mail {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

#[tokio::test]
async fn both_parts_say_who_asks_for_what_when_and_from_where() {
    let app = TestApp::start().await;
    let mail = mail(&app, json!({}), None).await;
    assert_eq!(app.smtp.received()[0].rcpt_to, ["ann@example.com"]);
    for part in [&mail.text, &mail.html] {
        for text in ["Example", "ann@example.com", "Firefox on Linux", "10 minutes", "This wasn", "12:00"] {
            assert!(part.contains(text), "no {text:?} in {part}");
        }
    }
    assert_eq!(mail.header("auto-submitted"), "auto-generated");
    assert!(mail.header("subject").contains("Example"));
    assert!(mail.header("to").contains("ann@example.com"));
}

#[tokio::test]
async fn the_message_goes_to_the_canonical_address() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in(" Ann@EXAMPLE.com ").await;
    assert_eq!(attempt.started["email_address"], " Ann@EXAMPLE.com ");
    assert_eq!(app.smtp.received()[0].rcpt_to, ["ann@example.com"]);
    attempt.client.press(&app.link("ann@example.com"), "approve").await.expect(303);
    assert_eq!(attempt.redeem().await.body["user"]["email_address"], "ann@example.com");
}

#[tokio::test]
async fn the_language_is_the_one_asked_for_then_the_browsers_then_the_default() {
    let german_default = TestApp::with(&[("LINKGATE_DEFAULT_LOCALE", "de")]).await;
    let english_default = TestApp::start().await;
    for (app, locale, accept_language, german) in [
        (&english_default, None, None, false),
        (&german_default, None, None, true),
        (&english_default, None, Some("fr, de-AT;q=0.8, en;q=0.5"), true),
        (&german_default, None, Some("en-GB, de;q=0.9"), false),
        (&german_default, None, Some("fr"), true),
        (&english_default, Some("de"), Some("en"), true),
        (&german_default, Some("en-US"), Some("de"), false),
        (&english_default, Some("fr"), Some("de"), true),
        (&english_default, Some("fr"), None, false),
    ] {
        let options = locale.map_or_else(|| json!({}), |locale| json!({ "locale": locale }));
        let mail = mail(app, options, accept_language).await;
        let case = format!("{locale:?} {accept_language:?}");
        let (subject, button) =
            if german { ("Bei Example anmelden", "Anmelden") } else { ("Sign in to Example", "Sign in") };
        assert_eq!(mail.header("subject"), subject, "{case}");
        assert!(mail.html.contains(button), "{case}");

        // The page has the language of the mail, not that of the opener's browser.
        let opener = app.browser_at("203.0.113.99");
        let languages = if german { "en" } else { "de" };
        let page =
            answer(opener.get(&mail.link).header("Accept", "text/html").header("Accept-Language", languages))
                .await;
        let (lang, yes) = if german { ("de", "Ja, anmelden") } else { ("en", "Yes, sign in") };
        page.expect_page(200).shows(&[yes, &format!("<html lang=\"{lang}\">")]);
        assert_eq!(page.header("content-language"), lang, "{case}");
    }
}

#[tokio::test]
async fn german_pages_are_german_to_the_end() {
    let app = TestApp::start().await;
    mail(&app, json!({ "locale": "de" }), None).await;
    let link = app.link("ann@example.com");
    let opener = app.browser_at("198.51.100.9");
    let page = opener.open(&link).await;
    page.shows(&["Code anzeigen", "Das war ich nicht", "22.11.2026, 12:00 UTC", "Firefox unter Linux"]);
    let code = opener.decide(&link, "approve", &page.confirmation()).await;
    code.shows(&["Ihr Code", "<html lang=\"de\">"]);
    opener.decide(&link, "deny", &page.confirmation()).await.shows(&["Danke für den Hinweis"]);
    opener.open(&link).await.expect_page(410).shows(&["schon benutzt", "Neuen Link schicken"]);
}

#[tokio::test]
async fn a_resent_mail_speaks_the_language_of_the_first() {
    let app = TestApp::start().await;
    let browser = app.browser();
    let attempt = browser
        .start(json!({ "email_address": "ann@example.com", "purpose": "sign_in", "locale": "de" }))
        .await;
    app.advance(chrono::TimeDelta::seconds(30));
    attempt.resend().await.expect(200);
    let mail = newest(&app);
    assert_eq!(mail.header("subject"), "Bei Example anmelden");
    browser.open(&mail.link).await.shows(&["<html lang=\"de\">"]);
}

#[tokio::test]
async fn the_link_is_one_line_of_at_most_640_bytes() {
    let email = "a.person.with.quite.a.name@mail.example.com".to_owned();
    let email = email[email.len() - 40..].to_owned();
    let redirect = format!("https://app.example.com/p/{}", "x".repeat(64 - 26));
    assert_eq!((email.len(), redirect.len()), (40, 64));
    let app = TestApp::with(&[("LINKGATE_PUBLIC_URL", "https://login.example.com")]).await;
    for (purpose, locale) in [("sign_in", "en"), ("sign_up", "de")] {
        let body =
            json!({ "email_address": email, "purpose": purpose, "redirect_url": redirect, "locale": locale });
        answer(app.browser().post("/v1/attempts").json(&body)).await.expect(201);
        let mail = newest(&app);
        assert!(mail.link.starts_with("https://login.example.com/v/"));
        assert!(mail.link.len() <= 640, "{} bytes", mail.link.len());
        assert!(!mail.link.contains(['=', '&', ' ']), "{}", mail.link);
        assert!(mail.text.lines().any(|line| line == mail.link), "a line of its own in the text part");
        assert!(mail.html.lines().any(|line| line.contains(&format!("href=\"{}\"", mail.link))));
        // The link is complete.
        let path = mail.link.replacen("https://login.example.com", "", 1);
        let described = answer(app.browser().get(&path).header("Accept", "application/json")).await;
        assert_eq!(described.expect(200).body["email_address"], email.as_str());
    }
}

#[tokio::test]
async fn each_purpose_has_a_mail_of_its_own() {
    let app = TestApp::start().await;
    let sign_in = mail(&app, json!({}), None).await;
    let sign_up = mail(&app, json!({ "purpose": "sign_up" }), None).await;
    let body = json!({ "email_address": "ann@example.com", "purpose": "verify_email", "sub": "customer-1" });
    app.browser().start_with_key(body).await;
    let verify = newest(&app);
    let subjects = [sign_in.header("subject"), sign_up.header("subject"), verify.header("subject")];
    assert_eq!(subjects.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "{subjects:?}");
}
