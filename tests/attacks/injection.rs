//! Strings that try to be more than data in mails, pages and headers. (For logs see `logs`.)

use mailparse::MailHeaderMap as _;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use test_kit::app::{TestApp, answer, link_of};
use test_kit::requests::{SECRET, plain_with, with_key};
use test_kit::smtp::Received;
use test_kit::wire::{ask, get};

/// Strings to inject. Each contains `evil`, so that it can be searched for.
pub(crate) const EVIL: &[&str] = &[
    "\r\nBcc: evil@example.net",
    "\nBcc: evil@example.net\n\nbody",
    "\rBcc: evil@example.net",
    "\r\n.\r\nMAIL FROM:<evil@example.net>\r\nRCPT TO:<evil@example.net>\r\nDATA\r\n",
    ">\r\nRCPT TO:<evil@example.net",
    "> SIZE=1 ORCPT=rfc822;evil@example.net",
    ",evil@example.net",
    ";evil@example.net",
    " <evil@example.net>",
    "%0d%0aBcc:%20evil@example.net",
    "%0aX-Evil:evil",
    "\\r\\nX-Evil: evil",
    "&#13;&#10;X-Evil: evil",
    "\u{85}X-Evil: evil",
    "\u{2028}X-Evil: evil",
    "\u{2029}X-Evil: evil",
    "\u{b}X-Evil: evil",
    "\u{c}X-Evil: evil",
    "\u{560d}\u{560a}X-Evil: evil",
    "=?utf-8?q?=0D=0ABcc:_evil@example.net?=",
    "=?utf-8?b?DQpCY2M6IGV2aWxAZXhhbXBsZS5uZXQ=?= evil",
    "\0evil",
    "%00evil",
    "\u{1b}[31mevil\u{1b}]0;evil\u{7}",
    "\u{9b}31mevil",
    "\u{202e}evil\u{202c}",
    "\u{2066}evil\u{2069}",
    "\u{200f}evil\u{200b}\u{feff}",
    "<script>evil()</script>",
    "\"><img src=x onerror=evil()>",
    "'><svg/onload=evil()>",
    "</title><script>evil()</script>",
    "javascript:evil()",
    "{{7*7}}evil",
    "{% include '/etc/passwd' %}evil",
    "{# evil #}",
    "${7*7}evil",
    "<%= 7*7 %>evil",
    "#{7*7}evil",
    "${jndi:ldap://127.0.0.1:9/evil}",
    "'; DROP TABLE evil; --",
    "../../../../etc/passwd evil",
    "evil\u{1f4a9}\u{fffd}",
];

/// The headers that our mails have.
const HEADERS: [&str; 8] =
    ["Auto-Submitted", "Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"];

/// Characters that end a line or change how others are displayed.
fn is_unfit(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\r'))
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Asserts that a mail has our headers only, goes to this address alone, and contains nothing that was injected.
#[track_caller]
fn assert_unharmed(mail: &Received, to: &str, what: &str) {
    assert_eq!(mail.rcpt_to, [to], "{what}");
    assert_eq!(mail.mail_from, "login@example.com", "{what}");
    let parsed = mailparse::parse_mail(&mail.message).unwrap();
    let mut names: Vec<_> = parsed.headers.iter().map(mailparse::MailHeader::get_key).collect();
    names.sort();
    assert_eq!(names, HEADERS, "{what}");
    for header in &parsed.headers {
        assert!(!header.get_value().contains(['\r', '\n', '\0']), "{what}: {}", header.get_value());
    }
    let recipients = mailparse::addrparse(&parsed.headers.get_first_value("To").unwrap()).unwrap();
    assert_eq!(recipients.len(), 1, "{what}");
    assert_eq!(parsed.subparts.len(), 2, "{what}");
    for part in &parsed.subparts {
        let text = part.get_body().unwrap();
        assert!(!text.contains(is_unfit), "{what}: {text:?}");
        assert!(!text.contains("49evil"), "{what}: a template was worked out: {text}");
    }
    assert_page(&parsed.subparts[1].get_body().unwrap(), what);
    link_of(&mail.message);
}

/// Asserts that a page, or the HTML of a mail, contains injected strings as text only.
#[track_caller]
fn assert_page(html: &str, what: &str) {
    assert!(!html.contains(is_unfit), "{what}: {html:?}");
    for tag in ["<script>evil", "<img", "<svg/", "</title><script", "49evil"] {
        assert!(!html.contains(tag), "{what}: {tag} in {html}");
    }
}

/// The `RCPT TO` commands so far.
fn recipients(app: &TestApp) -> Vec<String> {
    app.smtp
        .commands()
        .into_iter()
        .filter(|command| command.to_ascii_uppercase().starts_with("RCPT"))
        .collect()
}

#[tokio::test]
async fn an_address_reaches_one_mailbox_and_that_one_is_asserted() {
    let app = TestApp::start().await;
    let shapes: [fn(&str) -> String; 6] = [
        |evil| format!("ann{evil}@example.com"),
        |evil| format!("ann@example.com{evil}"),
        |evil| format!("ann@exam{evil}ple.com"),
        |evil| format!("{evil}ann@example.com"),
        |evil| format!("\"{evil}\"@example.com"),
        |evil| format!("ann({evil})@example.com"),
    ];
    let more = [
        "ann{{7*7}}",
        "a'b`c",
        "ann+tag=evil",
        "$(evil)",
        "a|evil",
        "{evil}",
        "a/../evil",
        "#evil",
        "~evil",
        "^evil",
    ];
    let tried = EVIL.iter().flat_map(|evil| shapes.iter().map(move |shape| shape(evil)));
    let tried = tried.chain(more.iter().map(|local| format!("{local}@example.com")));
    let (mut refused, mut taken) = (0, 0);
    for (number, email) in tried.enumerate() {
        let before = recipients(&app).len();
        let client = app.script_at(SECRET, &format!("10.{}.{}.1", number / 250, number % 250));
        let body = json!({ "email_address": email, "purpose": "sign_in" });
        let started = answer(client.post("/v1/attempts").json(&body)).await;
        if started.status == 422 {
            started.expect_problem(422, "invalid_email_address");
            assert_eq!(recipients(&app).len(), before, "{email:?}");
            refused += 1;
            continue;
        }
        started.expect(201);
        taken += 1;
        let new = recipients(&app).split_off(before);
        let mail = app.smtp.received().pop().unwrap();
        let to = mail.rcpt_to[0].clone();
        assert_eq!(new, [format!("RCPT TO:<{to}>")], "{email:?}");
        assert_unharmed(&mail, &to, &email);
        let link = link_of(&mail.message);
        assert_page(&client.open(&link).await.expect(200).raw, &email);
        let confirmation = client.describe(&link).await.confirmation();
        client.decide_json(&link, "approve", &confirmation).await.expect(200);
        let path = format!("/v1/attempts/{}/redeem", started.text("id"));
        let redeemed = answer(client.post(&path).bearer_auth(started.text("attempt_token"))).await;
        let claims = app.claims(&redeemed.expect(200).text("session_token"), "at+jwt").await;
        assert_eq!(claims["email"].as_str(), Some(to.as_str()), "{email:?}");
        assert_eq!(redeemed.body["user"]["email_address"].as_str(), Some(to.as_str()));
    }
    println!("{refused} addresses refused, {taken} taken");
    assert!(refused > 200 && taken > 5, "{refused} {taken}");
    let from: Vec<_> =
        app.smtp.commands().into_iter().filter(|command| command.starts_with("MAIL")).collect();
    assert!(from.iter().all(|command| command.starts_with("MAIL FROM:<login@example.com>")), "{from:?}");
}

#[tokio::test]
async fn an_email_proof_asserts_the_mailbox_that_was_mailed() {
    let app = TestApp::start().await;
    for (number, email) in
        ["Ann+{{7*7}}@EXAMPLE.com ", "a'b@m\u{fc}ller.example", "o`x|y@xn--mller-kva.example"]
            .into_iter()
            .enumerate()
    {
        let client = app.script_at(SECRET, &format!("10.7.{number}.1"));
        let body =
            json!({ "email_address": email, "purpose": "verify_email", "sub": format!("customer-{number}") });
        let attempt = client.start_with_key(body).await;
        let mail = app.smtp.received().pop().unwrap();
        let link = link_of(&mail.message);
        let confirmation = client.describe(&link).await.confirmation();
        client.decide_json(&link, "approve", &confirmation).await.expect(200);
        let proof = attempt.redeem().await.expect(200).text("email_proof");
        let claims = app.claims(&proof, "email-proof+jwt").await;
        assert_eq!(mail.rcpt_to, [claims["email"].as_str().unwrap()], "{email}");
    }
    assert_eq!(recipients(&app).len(), 3);
}

/// The fields of a start that take strings, besides the address.
fn members(evil: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("locale", json!({ "locale": evil })),
        ("locale after a tag", json!({ "locale": format!("de-{evil}") })),
        ("user agent", json!({ "client": { "user_agent": evil } })),
        (
            "user agent of a browser",
            json!({ "client": { "user_agent": format!("Mozilla/5.0 (X11; {evil}; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 {evil}") } }),
        ),
        ("ip", json!({ "client": { "ip": evil } })),
        ("sub", json!({ "sub": evil })),
        ("sub after a name", json!({ "sub": format!("customer{evil}") })),
        ("redirect", json!({ "redirect_url": evil })),
        ("redirect path", json!({ "redirect_url": format!("https://app.example.com/p/{evil}") })),
        ("redirect query", json!({ "redirect_url": format!("https://app.example.com/p/x?y={evil}") })),
        ("policy", json!({ "cross_device": evil })),
        ("purpose", json!({ "purpose": evil })),
    ]
}

#[tokio::test]
async fn no_member_of_a_start_gets_into_mail_page_or_redirect_but_as_what_it_is() {
    let app = TestApp::start().await;
    let (mut refused, mut taken) = (0, 0);
    for (number, evil) in EVIL.iter().enumerate() {
        for (place, (what, member)) in members(evil).into_iter().enumerate() {
            let what = format!("{what} {evil:?}");
            let email = format!("person{number}-{place}@example.com");
            let mut body = plain_with(&member);
            body["email_address"] = email.clone().into();
            let client = app.script_at(SECRET, &format!("10.{number}.{place}.1"));
            let before = app.smtp.commands().len();
            let started = answer(with_key(client.post("/v1/attempts")).json(&body)).await;
            if started.status.is_client_error() {
                assert_eq!(started.header("content-type"), "application/problem+json", "{what}");
                assert!(!started.raw.contains("evil"), "{what}: {}", started.raw);
                assert_eq!(app.smtp.commands().len(), before, "{what}");
                refused += 1;
                continue;
            }
            started.expect(201);
            taken += 1;
            let mail = app.smtp.received().pop().unwrap();
            assert_unharmed(&mail, &email, &what);
            let link = link_of(&mail.message);
            let page = client.open(&link).await;
            assert_page(&page.expect(200).raw, &what);
            let done = client.decide(&link, "approve", &page.confirmation()).await;
            assert_page(&done.raw, &what);
            if done.status == 303 {
                let location = done.header("location");
                assert!(location.starts_with("https://app.example.com/p/"), "{what}: {location}");
                assert!(location.bytes().all(|b| b.is_ascii_graphic()), "{what}: {location}");
                assert_eq!(done.headers.get_all("location").iter().count(), 1);
            }
            assert!(!done.headers.contains_key("x-evil") && !done.headers.contains_key("bcc"), "{what}");
        }
    }
    println!("{refused} starts refused, {taken} taken");
    assert!(refused > 100 && taken > 100, "{refused} {taken}");
    assert_eq!(recipients(&app).len(), taken, "one recipient for each mail");
}

#[tokio::test]
async fn a_redirect_url_cannot_forge_what_linkgate_says_in_it() {
    let app = TestApp::start().await;
    for (number, query) in [
        "__linkgate_status=verified&__linkgate_session=sess_evil",
        "x=1&__linkgate_ticket=evil",
        "__LINKGATE_STATUS=verified",
        "%5f%5flinkgate_status=verified",
        "__linkgate_status[]=evil",
        "a=b;__linkgate_status=evil",
        "__linkgate%5Fstatus=evil",
        "__linkgate.status=evil",
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("person{number}@example.com");
        let body = json!({ "email_address": email, "purpose": "sign_in", "redirect_url": format!("https://app.example.com/p/x?{query}") });
        let browser = app.browser_at(&format!("10.6.{number}.1"));
        let started = answer(browser.post("/v1/attempts").json(&body)).await;
        if started.status == 422 {
            continue;
        }
        started.expect(201);
        let denied = browser.press(&app.link(&email), "deny").await;
        let location = denied.expect(303).header("location");
        let url = url::Url::parse(location).unwrap();
        let said: Vec<_> = url
            .query_pairs()
            .filter(|(name, _)| {
                name.to_ascii_lowercase().replace(['.', '[', ']', ' '], "_").contains("linkgate")
            })
            .map(|(_, value)| value.into_owned())
            .collect();
        assert_eq!(said, ["denied"], "{query}: {location}");
    }
}

#[tokio::test]
async fn no_header_of_a_request_gets_into_a_header_of_its_answer_a_mail_or_a_page() {
    let app = TestApp::start().await;
    let (mut refused, mut taken) = (0, 0);
    let names = [
        "Accept-Language",
        "User-Agent",
        "X-Request-Id",
        "Idempotency-Key",
        "Origin",
        "Cookie",
        "Accept",
        "Prefer",
        "Access-Control-Request-Headers",
    ];
    let control = answer(app.browser().get("/nothing")).await;
    let known: Vec<HeaderName> = control.headers.keys().cloned().collect();
    for (number, evil) in EVIL.iter().enumerate() {
        for (place, name) in names.into_iter().enumerate() {
            let what = format!("{name}: {evil:?}");
            // Byte for byte, so that a line break in a value ends the line.
            let email = format!("person{number}-{place}@example.com");
            let body = json!({ "email_address": email, "purpose": "sign_in" }).to_string();
            let request = format!(
                "POST /v1/attempts HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.{number}.{place}.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{name}: {}\r\n\r\n{body}",
                body.len(),
                evil.replace(['\r', '\n'], "\u{1}"),
            );
            let asked = ask(&app, request).await;
            assert!(!asked.headers.contains_key("x-evil") && !asked.headers.contains_key("bcc"), "{what}");
            for (name, value) in &asked.headers {
                let value = String::from_utf8_lossy(value.as_bytes());
                assert!(!value.contains("evil"), "{what}: {name}: {value}");
                assert!(
                    known.contains(name)
                        || ["set-cookie", "connection"].contains(&name.as_str())
                        || asked.status == 400,
                    "{what}: {name}"
                );
            }
            assert!(!asked.raw.contains("evil"), "{what}: {}", asked.raw);
            if asked.status == 201 {
                taken += 1;
                assert_unharmed(&app.smtp.received().pop().unwrap(), &email, &what);
                let link = app.link(&email);
                let Ok(value) = HeaderValue::from_str(evil) else { continue };
                let page = answer(app.browser().get(&link).header(name, value)).await;
                assert_page(&page.raw, &what);
            } else {
                refused += 1;
            }
        }
    }
    println!("{refused} requests refused, {taken} taken");
    assert!(refused > 50 && taken > 100, "{refused} {taken}");
    let cookies = ask(&app, get("/v1/session", "Cookie: linkgate-client=a\tb; x=\"evil\r\n")).await;
    cookies.expect_problem(401, "session_required");
}

#[tokio::test]
async fn an_application_name_is_a_text_wherever_it_stands() {
    let mut started = 0;
    for evil in EVIL {
        let name = format!("Tom & {}", evil.chars().take(50).collect::<String>());
        let settings = [
            ("LINKGATE_PUBLIC_URL", "http://127.0.0.1:1"),
            ("LINKGATE_KEYS", "test:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"),
            ("LINKGATE_STORE_URL", "memory://"),
            ("LINKGATE_MAIL_URL", "smtp://localhost"),
            ("LINKGATE_MAIL_FROM", "login@example.com"),
            ("LINKGATE_APP_NAME", &name),
        ];
        let vars = settings.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        if linkgate::config::Config::from_vars(&vars).is_err() {
            assert!(name.contains(|c: char| c.is_control() || c == '\u{fffd}'), "{name:?} was refused");
            continue;
        }
        started += 1;
        let app = TestApp::with(&[("LINKGATE_APP_NAME", &name)]).await;
        let browser = app.browser();
        browser.sign_in("ann@example.com").await;
        let mail = app.smtp.received().pop().unwrap();
        assert_eq!(mail.rcpt_to, ["ann@example.com"]);
        let parsed = mailparse::parse_mail(&mail.message).unwrap();
        assert_eq!(parsed.headers.len(), HEADERS.len(), "{name:?}");
        let html = parsed.subparts[1].get_body().unwrap();
        let page = browser.open(&app.link("ann@example.com")).await;
        for text in [&html, &page.expect(200).raw] {
            for tag in ["<script>evil", "<img", "<svg/", "</title><script", "49evil"] {
                assert!(!text.contains(tag), "{name:?}: {text}");
            }
        }
    }
    assert!(started > 15, "{started}");
}
