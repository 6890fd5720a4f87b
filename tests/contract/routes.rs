//! Unknown routes and wrong methods.

use std::time::Duration;

use reqwest::Method;

use test_kit::app::{TestApp, answer};
use test_kit::requests::{assert_not_echoed, assert_untouched};
use test_kit::wire::ask_within;

/// Every public path with its methods.
pub(crate) const ROUTES: &[(&str, &[&str])] = &[
    ("/v1/attempts", &["POST"]),
    ("/v1/attempts/{id}", &["GET", "HEAD", "DELETE"]),
    ("/v1/attempts/{id}/events", &["GET", "HEAD"]),
    ("/v1/attempts/{id}/code", &["POST"]),
    ("/v1/attempts/{id}/resend", &["POST"]),
    ("/v1/attempts/{id}/redeem", &["POST"]),
    ("/v/{link_token}", &["GET", "HEAD", "POST"]),
    ("/v/{link_token}/reissue", &["POST"]),
    ("/v1/tickets/redeem", &["POST"]),
    ("/v1/session", &["GET", "HEAD", "DELETE"]),
    ("/v1/session/token", &["POST"]),
    ("/v1/admin/attempts/{id}", &["GET", "HEAD", "DELETE"]),
    ("/v1/admin/sessions/{id}", &["DELETE"]),
    ("/.well-known/jwks.json", &["GET", "HEAD"]),
    ("/openapi.yaml", &["GET", "HEAD"]),
    ("/docs", &["GET", "HEAD"]),
    ("/problems", &["GET", "HEAD"]),
    ("/problems/{code}", &["GET", "HEAD"]),
    ("/client.js", &["GET", "HEAD"]),
    ("/relay-code.js", &["GET", "HEAD"]),
    ("/compat.js", &["GET", "HEAD"]),
];

/// The path with values for its parameters.
pub(crate) fn filled(path: &str) -> String {
    path.replace("{id}", "att_00000000000000000000000000000000")
        .replace("{link_token}", "e30.e30.AAAA")
        .replace("{code}", "internal")
}

#[tokio::test]
async fn the_routes_above_are_those_of_the_route_table() {
    let source = include_str!("../../src/http/routes/mod.rs");
    let table = source.split("if dev {").next().unwrap();
    let mut built: Vec<(String, Vec<&str>)> = table
        .split("resource(\"")
        .skip(1)
        .map(|row| {
            let (path, routes) = row.split_once('"').unwrap();
            let methods: [(&str, &[&str]); 3] =
                [("get()", &["GET", "HEAD"]), ("post()", &["POST"]), ("delete()", &["DELETE"])];
            let built = methods.iter().filter(|(method, _)| routes.contains(&format!(".route({method}")));
            (path.to_owned(), built.flat_map(|(_, methods)| methods.to_vec()).collect())
        })
        .collect();
    let mut known: Vec<(String, Vec<&str>)> =
        ROUTES.iter().map(|(path, methods)| ((*path).to_owned(), methods.to_vec())).collect();
    built.sort();
    known.sort();
    assert_eq!(known, built);
}

#[tokio::test]
async fn what_does_not_exist_is_a_problem_document_whatever_the_method() {
    let app = TestApp::start().await;
    let client = app.browser();
    let paths = [
        "/",
        "/v1",
        "/v1/",
        "/v1/attempts/",
        "/v1/attempts/a/b",
        "/v1/sessions",
        "/v1/session/",
        "/V1/session",
        "/v1//session",
        "//v1/session",
        "/v",
        "/v/",
        "/v/a/b",
        "/v/a/reissue/",
        "/docs/",
        "/problems/",
        "/livez",
        "/readyz",
        "/metrics",
        "/dev/mailbox",
        "/dev/mailbox/x/html",
        "/dev/demo.js",
        "/robots.txt",
        "/favicon.ico",
        "/.env",
        "/.well-known/",
        "/.well-known/openid-configuration",
        "/openapi.yaml.bak",
        "/client.js/x",
        "/..%2f..%2fetc%2fpasswd",
        "/%00",
        "/%zz",
        "/%ff%fe",
        "/v1/attempts%2f",
        "/<script>alert(1)</script>",
    ];
    for path in paths {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS]
        {
            let answer = answer(client.request(method.clone(), path)).await;
            answer.expect_problem(404, "not_found");
            assert!(!answer.raw.contains("script"), "{method} {path}");
        }
        let head = answer(client.request(Method::HEAD, path)).await;
        assert_eq!((head.status.as_u16(), head.raw.as_str()), (404, ""), "{path}");
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn a_method_that_a_route_does_not_have_is_refused_and_the_answer_names_those_it_has() {
    let app = TestApp::start().await;
    let client = app.browser();
    let methods =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "BREW"];
    for (path, has) in ROUTES {
        for method in methods.iter().filter(|method| !has.contains(method)) {
            let request = client.request(Method::from_bytes(method.as_bytes()).unwrap(), &filled(path));
            let answer = answer(request.header("X-Secret", "a-secret-that-trace-would-tell")).await;
            if *method == "HEAD" {
                assert_eq!((answer.status.as_u16(), answer.raw.as_str()), (405, ""), "HEAD {path}");
            } else {
                answer.expect_problem(405, "method_not_allowed");
            }
            let allowed: Vec<&str> = answer.header("allow").split(", ").collect();
            assert_eq!(&allowed, has, "{method} {path}");
            assert_not_echoed(&answer, "a-secret-that-trace-would-tell");
        }
    }
    assert_untouched(&app).await;
}

#[tokio::test]
async fn a_method_cannot_be_overridden() {
    let app = TestApp::start().await;
    let attempt = app.browser().sign_in("ann@example.com").await;
    for header in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"] {
        answer(attempt.request(Method::GET, "").header(header, "DELETE")).await.expect(200);
    }
    answer(attempt.request(Method::GET, "?_method=DELETE")).await.expect_problem(400, "invalid_request");
    assert_eq!(attempt.status().await.body["status"], "pending");
}

#[tokio::test]
async fn the_operations_listener_is_another_one() {
    let app = TestApp::start().await;
    for path in ["/v1/session", "/docs", "/.well-known/jwks.json"] {
        assert_eq!(reqwest::get(format!("{}{path}", app.ops_url)).await.unwrap().status(), 404, "{path}");
    }
}

#[tokio::test]
async fn odd_request_lines_are_refused_or_mean_what_they_say() {
    let app = TestApp::start().await;
    let patience = Duration::from_secs(3);
    let send =
        async |line: &str| ask_within(&app, format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n"), patience).await;
    send("OPTIONS *").await.expect_problem(404, "not_found");
    send("GET http://evil.example/v1/session").await.expect_problem(401, "session_required");
    send("GET http://evil.example/elsewhere").await.expect_problem(404, "not_found");
    send("CONNECT evil.example:443").await.expect_problem(404, "not_found");
    // Not HTTP: the framework answers on its own, without a problem document, and none of our code runs.
    for line in ["GET", "G\u{7f}T /", "GET /a b", "\u{1}"] {
        assert_eq!(send(line).await.status.as_u16(), 400, "{line:?}");
    }
    assert_untouched(&app).await;
}
