//! The pages behind the `type` of problems.

use super::codes::{REACHED, UNREACHABLE};
use test_kit::app::{TestApp, answer};

fn all() -> Vec<(&'static str, u16)> {
    REACHED.iter().copied().chain(UNREACHABLE.iter().map(|(code, _)| (*code, 500))).collect()
}

#[tokio::test]
async fn every_code_has_a_page_for_people_and_a_document_for_programs() {
    let app = TestApp::start().await;
    let client = app.browser();
    for (code, status) in all() {
        let path = format!("/problems/{code}");
        let page = client.open(&path).await;
        page.expect(200);
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{code}");
        assert!(page.raw.contains(&format!("<code>{code}</code>")), "{code}");
        assert!(page.raw.contains(&format!("HTTP {status}")), "{code}");
        assert!(page.header("cache-control").contains("max-age="), "documents may be cached");

        let document = client.describe(&path).await;
        document.expect(200);
        assert_eq!(document.header("content-type"), "application/json");
        assert_eq!(document.body["code"], code);
        assert_eq!(document.body["status"], status, "{code}");
        for member in ["title", "meaning", "remedy"] {
            assert!(!document.text(member).is_empty(), "{code}: {member}");
        }
        let heading = format!("<h1>{}</h1>", document.text("title"));
        assert!(page.raw.contains(&heading), "the page and the document of {code} agree");
    }
}

#[tokio::test]
async fn the_title_of_a_problem_is_the_one_of_its_page_and_its_type_leads_there() {
    let app = TestApp::start().await;
    let client = app.browser();
    let problem = answer(client.get("/v1/session")).await;
    problem.expect_problem(401, "session_required");
    let page = client.describe(&problem.text("type")).await;
    assert_eq!(page.expect(200).body["title"], problem.body["title"]);
}

#[tokio::test]
async fn a_code_that_does_not_exist_has_no_page() {
    let app = TestApp::start().await;
    for code in
        ["no_such_code", "INTERNAL", "internal/", "%69nternalx", "..%2fdocs", "<script>alert(1)</script>"]
    {
        let answer = answer(app.browser().get(&format!("/problems/{code}"))).await;
        answer.expect_problem(404, "not_found");
        test_kit::requests::assert_not_echoed(&answer, code);
    }
}
