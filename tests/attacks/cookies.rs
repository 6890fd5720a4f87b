//! Cookies that another site put into the browser: a neighbouring host of the same domain can plant any name except
//! those that begin with `__Host-` (RFC 6265bis, section 4.1.3.2), as browsers read names.

use reqwest::RequestBuilder;
use reqwest::header::HeaderValue;
use serde_json::json;

use test_kit::app::{Answer, Client, TestApp, answer};
use test_kit::requests::{SECRET, token_of};

/// The public URL of the server under test.
const HTTPS: &str = "https://login.example.com";

/// The attacker's client secret.
const PLANTED: &str = "planted-planted-planted-planted0";

/// Spellings of a name that browsers let a neighbouring host set, and that careless servers take for the real one.
fn spellings(name: &str) -> Vec<Vec<u8>> {
    let bare = name.trim_start_matches("__Host-");
    let mut all: Vec<String> = vec![
        bare.to_owned(),
        format!("__host-{bare}"),
        format!("__HOST-{bare}"),
        format!("__Secure-{bare}"),
        format!("%5F%5FHost-{bare}"),
        format!("%5f%5fHost%2d{bare}"),
        format!("__Host%2D{bare}"),
        format!("__Host-%6Cinkgate{}", bare.trim_start_matches("linkgate")),
        format!("\\x5f_Host-{bare}"),
        format!("__Host-{}", bare.to_ascii_uppercase()),
        format!("__Host-{}", bare.replace('-', "_")),
        format!("__Host_{bare}"),
        format!("..Host-{bare}"),
        format!("\"{name}\""),
        format!("$Version=1, {name}"),
        format!("x,{name}"),
        format!("x {name}"),
        format!("x&{name}"),
        format!("[{name}"),
        format!("{name}[]"),
        format!("{name}\u{0}").replace('\0', "%00"),
    ];
    for space in [
        "\u{85}", "\u{a0}", "\u{1680}", "\u{2000}", "\u{2003}", "\u{2028}", "\u{202f}", "\u{3000}",
        "\u{feff}", "\u{200b}",
    ] {
        all.push(format!("{space}{name}"));
        all.push(format!("{name}{space}"));
    }
    let mut all: Vec<Vec<u8>> = all.into_iter().map(String::into_bytes).collect();
    // As one byte, as in ISO 8859-1.
    all.push([b"\xa0", name.as_bytes()].concat());
    all.push([b"\x85", name.as_bytes()].concat());
    all
}

async fn https() -> TestApp {
    TestApp::with(&[("LINKGATE_PUBLIC_URL", HTTPS)]).await
}

fn cookies(request: RequestBuilder, cookies: &[u8]) -> RequestBuilder {
    request.header("Cookie", HeaderValue::from_bytes(cookies).unwrap())
}

fn pair(name: &[u8], value: &str) -> Vec<u8> {
    [name, b"=", value.as_bytes()].concat()
}

/// Starts an attempt for this address with these cookies; returns the path of its link.
async fn start(app: &TestApp, client: &Client, jar: &[u8], email: &str) -> (Answer, String) {
    let body = json!({ "email_address": email, "purpose": "sign_in" });
    let started = answer(cookies(client.post("/v1/attempts"), jar).json(&body)).await;
    started.expect(201);
    (started, format!("/v/{}", token_of(&app.link(email))))
}

async fn open(client: &Client, link: &str, jar: &[u8]) -> Answer {
    answer(cookies(client.get(link), jar).header("Accept", "text/html")).await
}

fn is_automatic(page: &Answer) -> bool {
    page.raw.contains("id=\"automatic\"")
}

/// Opens and confirms a link as a browser with these cookies; returns the session cookie.
async fn sign_in(client: &Client, link: &str, jar: &[u8]) -> String {
    let page = open(client, link, jar).await;
    assert!(is_automatic(&page), "{}", page.raw);
    let form = [("decision", "approve"), ("confirmation", &page.confirmation())];
    let done = answer(cookies(client.post(link), jar).header("Origin", HTTPS).form(&form)).await;
    let cookie = done.expect(200).set_cookie("__Host-linkgate-session").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_neighbouring_host_cannot_make_a_browser_the_attackers_client() {
    let app = https().await;
    let own = pair(b"__Host-linkgate-client", PLANTED);
    // The attacker starts an attempt for the victim's address, with the planted secret.
    let (started, link) = start(&app, &app.browser_at("198.51.100.9"), &own, "victim@example.com").await;
    let victim = app.browser();
    for name in spellings("__Host-linkgate-client") {
        let shown = String::from_utf8_lossy(&name).into_owned();
        let page = open(&victim, &link, &pair(&name, PLANTED)).await;
        page.expect(200);
        assert!(!is_automatic(&page), "{shown} was taken for the cookie of the client");
        assert!(
            page.set_cookie("__Host-linkgate-client").is_some(),
            "{shown}: it becomes a client of its own"
        );
        let described =
            cookies(victim.get(&link), &pair(&name, PLANTED)).header("Accept", "application/json");
        assert_eq!(answer(described).await.expect(200).body["opener"], "other_network", "{shown}");
        // A start with the planted cookie gets a new client, too.
        let body = json!({ "email_address": "x@example.com", "purpose": "sign_in" });
        let other = cookies(victim.post("/v1/attempts"), &pair(&name, PLANTED)).json(&body);
        assert!(answer(other).await.expect(201).set_cookie("__Host-linkgate-client").is_some(), "{shown}");
    }
    let status = victim
        .get(&format!("/v1/attempts/{}", started.text("id")))
        .bearer_auth(started.text("attempt_token"));
    assert_eq!(answer(status).await.body["status"], "pending");
    // In its right spelling, which only the host itself can set, the cookie counts.
    assert!(is_automatic(&open(&victim, &link, &own).await));
}

#[tokio::test]
async fn a_neighbouring_host_cannot_put_a_session_of_the_attackers_into_a_browser() {
    let app = https().await;
    let own = pair(b"__Host-linkgate-client", SECRET);
    let browser = app.browser();
    let (_, link) = start(&app, &browser, &own, "mallory@example.com").await;
    let session = sign_in(&browser, &link, &own).await;
    let renewal = session.split_once('=').unwrap().1;
    for name in spellings("__Host-linkgate-session") {
        let shown = String::from_utf8_lossy(&name).into_owned();
        let jar = [&own[..], b"; ", &pair(&name, renewal)].concat();
        for request in [browser.get("/v1/session"), browser.post("/v1/session/token").header("Origin", HTTPS)]
        {
            let answer = answer(cookies(request, &jar)).await;
            assert_eq!(answer.status.as_u16(), 401, "{shown}: {}", answer.raw);
        }
    }
    let jar = [&own[..], b"; ", session.as_bytes()].concat();
    answer(cookies(browser.get("/v1/session"), &jar)).await.expect(200);
}

#[tokio::test]
async fn what_a_neighbour_plants_does_not_shut_the_browsers_own_cookies_out() {
    let app = https().await;
    let own = pair(b"__Host-linkgate-client", SECRET);
    let browser = app.browser();
    let (_, link) = start(&app, &browser, &own, "ann@example.com").await;
    let session = sign_in(&browser, &link, &own).await;
    let mut junk: Vec<Vec<u8>> = vec![
        b"flag".to_vec(),
        b"=value".to_vec(),
        b"a=".to_vec(),
        b"a=b=c".to_vec(),
        b"a=\xff\xfe".to_vec(),
        b"\xff=x".to_vec(),
        b"a=%zz".to_vec(),
        b"a=%ff".to_vec(),
        b"%ff=x".to_vec(),
        b"a=\"".to_vec(),
        b"a=\"b;c\"".to_vec(),
        b";;;".to_vec(),
        b"$Path=/".to_vec(),
    ];
    junk.extend(spellings("__Host-linkgate-client").iter().map(|name| pair(name, PLANTED)));
    junk.extend(spellings("__Host-linkgate-session").iter().map(|name| pair(name, "x")));
    for other in junk {
        let shown = String::from_utf8_lossy(&other).into_owned();
        for jar in [
            [&other[..], b"; ", &own, b"; ", session.as_bytes()].concat(),
            [&own[..], b"; ", session.as_bytes(), b"; ", &other].concat(),
            [&own[..], b";", &other, b";", session.as_bytes()].concat(),
        ] {
            let answer = answer(cookies(browser.get("/v1/session"), &jar)).await;
            assert_eq!(answer.status.as_u16(), 200, "{shown}: {}", answer.raw);
        }
    }
}

#[tokio::test]
async fn of_two_cookies_of_one_name_neither_is_believed() {
    let app = TestApp::start().await;
    let (own, planted) = (format!("linkgate-client={SECRET}"), format!("linkgate-client={PLANTED}"));
    let attacker = app.browser_at("198.51.100.9");
    let (_, link) = start(&app, &attacker, planted.as_bytes(), "victim@example.com").await;
    let victim = app.browser();
    for jar in [
        format!("{planted}; {own}"),
        format!("{own}; {planted}"),
        format!("{planted}; {planted}"),
        format!("{planted};{own};{planted}"),
    ] {
        assert!(!is_automatic(&open(&victim, &link, jar.as_bytes()).await), "{jar}");
    }
    let two =
        victim.get(&link).header("Cookie", &own).header("Cookie", &planted).header("Accept", "text/html");
    assert!(!is_automatic(&answer(two).await), "in two headers");
    assert!(is_automatic(&open(&victim, &link, planted.as_bytes()).await), "alone it would be");

    // The same for two session cookies.
    let done = app.script(SECRET).sign_in("ann@example.com").await;
    let link = app.link("ann@example.com");
    let browser = app.browser();
    let page = open(&browser, &link, own.as_bytes()).await;
    let form = [("decision", "approve"), ("confirmation", &page.confirmation())];
    let confirmed =
        answer(cookies(browser.post(&link), own.as_bytes()).header("Origin", &app.url).form(&form)).await;
    let session = confirmed.set_cookie("linkgate-session").unwrap();
    let session = session.split(';').next().unwrap();
    done.status().await.expect(200);
    let read = |jar: String| cookies(browser.get("/v1/session"), jar.as_bytes());
    answer(read(format!("{own}; {session}"))).await.expect(200);
    for jar in [
        format!("{own}; {session}; {session}"),
        format!("{own}; {session}; linkgate-session=x"),
        format!("{own}; linkgate-session=x; {session}"),
        format!("{own}; {own}; {session}"),
    ] {
        answer(read(jar)).await.expect_problem(401, "session_required");
    }
}

#[tokio::test]
async fn a_session_is_another_one_than_any_that_was_there_before_sign_in() {
    let app = TestApp::start().await;
    // A browser with the attacker's session and secret planted in it.
    let mallory = app.browser();
    mallory.sign_in("mallory@example.com").await;
    mallory.press(&app.link("mallory@example.com"), "approve").await.expect(303);
    let fixed = answer(mallory.get("/v1/session")).await.expect(200).text("id");
    let stolen = mallory.cookies();
    let renewal = stolen.split("linkgate-session=").nth(1).unwrap().split(';').next().unwrap();

    // Without the secret, the session does not work.
    let victim = app.browser();
    let attempt = victim.sign_in("victim@example.com").await;
    let both = format!("{}; linkgate-session={renewal}", victim.cookies());
    answer(cookies(app.browser().get("/v1/session"), both.as_bytes()))
        .await
        .expect_problem(401, "session_required");

    // Signing in there replaces the planted session by one that the attacker does not know.
    let done = answer(
        cookies(app.browser().get(&app.link("victim@example.com")), both.as_bytes())
            .header("Accept", "text/html"),
    )
    .await;
    assert!(is_automatic(&done));
    let form = [("decision", "approve"), ("confirmation", &done.confirmation())];
    let press = cookies(app.browser().post(&app.link("victim@example.com")), both.as_bytes())
        .header("Origin", &app.url);
    let pressed = answer(press.form(&form)).await;
    let fresh = pressed.expect(303).set_cookie("linkgate-session").unwrap();
    assert!(!fresh.contains(renewal), "it replaces the planted cookie");
    let redeemed = attempt.redeem().await;
    assert_ne!(redeemed.expect(200).text("id"), fixed);
    assert_eq!(redeemed.body["user"]["email_address"], "victim@example.com");
    let theirs = answer(mallory.get("/v1/session")).await;
    assert_eq!(theirs.expect(200).body["user"]["email_address"], "mallory@example.com");

    // No request can choose a session id.
    let body = json!({ "email_address": "ann@example.com", "purpose": "sign_in", "session_id": fixed });
    answer(victim.post("/v1/attempts").json(&body)).await.expect_problem(400, "invalid_request");
}
