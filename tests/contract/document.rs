//! `openapi.yaml` against the routes and the codes, and its consistency.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::Value;

use super::codes::{REACHED, UNREACHABLE};
use super::routes::{ROUTES, filled};
use super::schema::{check, document, resolve};
use test_kit::app::{TestApp, answer};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// The documented methods of each path, in upper case.
fn documented(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let methods = |item: &Value| -> BTreeSet<String> {
        item.as_object()
            .unwrap()
            .keys()
            .filter(|key| *key != "parameters")
            .map(|key| key.to_ascii_uppercase())
            .collect()
    };
    document["paths"].as_object().unwrap().iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

#[tokio::test]
async fn the_document_is_served_byte_for_byte() {
    let app = TestApp::start().await;
    let served = answer(app.browser().get("/openapi.yaml")).await;
    assert_eq!(served.expect(200).raw, include_str!("../../docs/openapi.yaml"));
    assert_eq!(served.header("content-type"), "application/yaml");
}

#[tokio::test]
async fn its_paths_and_methods_are_those_of_the_routes() {
    let app = TestApp::start().await;
    let client = app.browser();
    let documented = documented(&document());
    assert_eq!(
        documented.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        ROUTES.iter().map(|(path, _)| *path).collect()
    );
    for (path, methods) in documented {
        for method in METHODS {
            let answer =
                answer(client.request(Method::from_bytes(method.as_bytes()).unwrap(), &filled(&path))).await;
            if methods.contains(method) {
                assert_ne!(answer.status.as_u16(), 405, "{method} {path}");
                assert_ne!(answer.body["code"], "not_found", "{method} {path}");
            } else {
                answer.expect_problem(405, "method_not_allowed");
            }
        }
    }
}

#[tokio::test]
async fn its_codes_and_their_statuses_are_the_real_ones() {
    let document = document();
    let listed: BTreeSet<&str> = document["components"]["schemas"]["ProblemCode"]["enum"]
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap())
        .collect();
    let real: BTreeMap<&str, u16> =
        REACHED.iter().copied().chain(UNREACHABLE.iter().map(|(code, _)| (*code, 500))).collect();
    assert_eq!(listed, real.keys().copied().collect());
    for (code, status) in &real {
        let example = &document["components"]["examples"][code]["value"];
        assert_eq!(example["code"], *code);
        assert_eq!(example["status"], *status, "{code}");
        assert_eq!(example["type"], format!("https://signin.example.com/problems/{code}"));
    }
    // Each response of an operation names only codes of its own status.
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
            for (status, response) in operation["responses"].as_object().unwrap() {
                let response = resolve(&document, response);
                for code in named_codes(response, &listed) {
                    assert_eq!(real[code].to_string(), *status, "{method} {path}: {code}");
                }
            }
        }
    }
}

fn named_codes<'c>(response: &Value, codes: &BTreeSet<&'c str>) -> Vec<&'c str> {
    let description = response["description"].as_str().unwrap_or_default();
    let examples = response.pointer("/content/application~1problem+json/examples").and_then(Value::as_object);
    codes
        .iter()
        .copied()
        .filter(|code| {
            description.contains(&format!("`{code}`:")) || examples.is_some_and(|all| all.contains_key(*code))
        })
        .collect()
}

#[tokio::test]
async fn every_code_is_documented_on_some_route_or_for_all_of_them() {
    let text = include_str!("../../docs/openapi.yaml");
    for (code, _) in REACHED {
        assert!(text.contains(&format!("`{code}`")), "{code}");
    }
}

#[tokio::test]
async fn its_examples_are_what_its_schemas_say() {
    let document = document();
    let mut checked = 0;
    let mut pending = vec![(&document, String::from("#"))];
    while let Some((value, at)) = pending.pop() {
        if let (Some(schema), Some(examples)) =
            (value.get("schema"), value.get("examples").and_then(Value::as_object))
        {
            for (name, example) in examples {
                let example = &resolve(&document, example)["value"];
                check(&document, schema, example, name).unwrap_or_else(|error| panic!("{at}: {error}"));
                checked += 1;
            }
        }
        if let (Some(schema), Some(example)) = (value.get("schema"), value.get("example")) {
            check(&document, schema, example, &at).unwrap_or_else(|error| panic!("{at}: {error}"));
            checked += 1;
        }
        match value {
            Value::Object(members) => {
                pending.extend(members.iter().map(|(name, member)| (member, format!("{at}/{name}"))));
            }
            Value::Array(items) => pending.extend(items.iter().map(|item| (item, format!("{at}[]")))),
            _ => {
                assert!(
                    !at.ends_with("/$ref")
                        || document.pointer(value.as_str().unwrap().trim_start_matches('#')).is_some(),
                    "{at}: {value}"
                );
            }
        }
    }
    assert!(checked > 80, "only {checked}");
}

/// Text without the entities that the page's template writes.
fn unescaped(html: &str) -> String {
    let entities = [("&#x2f;", "/"), ("&#x27;", "'"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">")];
    entities
        .iter()
        .fold(html.to_owned(), |text, (entity, letter)| text.replace(entity, letter))
        .replace("&amp;", "&")
}

#[tokio::test]
async fn the_readable_page_has_an_article_a_contents_entry_and_a_curl_command_for_every_operation() {
    let app = TestApp::start().await;
    let page = app.browser().open("/docs").await;
    let document = document();
    let (_, contents) = page.expect(200).raw.split_once("<nav").unwrap();
    let (contents, _) = contents.split_once("</nav>").unwrap();
    for (path, methods) in documented(&document) {
        for method in methods {
            let operation = &document["paths"][&path][method.to_ascii_lowercase()];
            let id = operation["operationId"].as_str().unwrap();
            assert!(contents.contains(&format!("href=\"#{id}\"")), "{id} is not in the contents");
            let (_, article) =
                page.raw.split_once(&format!(" id=\"{id}\"")).unwrap_or_else(|| panic!("{id}"));
            let article = unescaped(article.split("</article>").next().unwrap());
            let heading = format!("<span class=\"method\">{method}</span><span>{path}</span>");
            assert!(article.contains(&heading), "{id}: {article}");
            assert!(article.contains(operation["summary"].as_str().unwrap()), "{id}: {article}");
            let (_, curl) = article.split_once("<pre class=\"curl\" tabindex=\"0\">").unwrap();
            let fixed = path.split('{').next().unwrap();
            assert!(
                curl.starts_with("curl -sS ") && curl.contains(&format!("\"$LINKGATE{fixed}")),
                "{id}: {curl}"
            );
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(article.contains(&format!("<dt>{status}</dt>")), "{id}: {status}");
                let codes: Vec<&str> = REACHED.iter().map(|(code, _)| *code).collect();
                for code in named_codes(resolve(&document, response), &codes.into_iter().collect()) {
                    assert!(article.contains(&format!("<a href=\"/problems/{code}\">")), "{id}: {code}");
                }
            }
        }
    }
    for schema in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(page.raw.contains(&format!("id=\"schema-{schema}\"")), "{schema}");
        assert!(contents.contains(&format!("href=\"#schema-{schema}\"")), "{schema}");
    }
}

#[tokio::test]
async fn the_readable_page_loads_and_links_nothing_foreign_and_its_anchors_are_unique() {
    let app = TestApp::start().await;
    let page = app.browser().open("/docs").await;
    page.expect(200);
    let hrefs = || page.raw.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    for target in hrefs().filter_map(|href| href.strip_prefix('#')) {
        let anchors = page.raw.matches(&format!(" id=\"{target}\"")).count();
        assert_eq!(anchors, 1, "#{target}");
    }
    for href in hrefs() {
        assert!(href.starts_with('#') || href.starts_with('/'), "{href}");
    }
    for attribute in [" src=", " srcset=", "<link", "<script", " style=", "@import", "url("] {
        assert!(!page.raw.contains(attribute), "{attribute}");
    }
    let levels: Vec<u8> = page
        .raw
        .split("<h")
        .skip(1)
        .filter_map(|rest| rest.bytes().next())
        .filter(u8::is_ascii_digit)
        .collect();
    assert_eq!((levels[0], page.raw.matches("<h1").count()), (b'1', 1));
    assert!(
        levels.windows(2).all(|pair| pair[1] <= pair[0] + 1),
        "a level of headings is left out: {levels:?}"
    );
}
