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

#[tokio::test]
async fn the_readable_page_shows_every_operation_schema_and_nothing_foreign() {
    let app = TestApp::start().await;
    let page = app.browser().open("/docs").await;
    page.expect(200);
    let document = document();
    for (path, methods) in documented(&document) {
        for method in methods {
            let heading =
                format!("<span class=\"method\">{method}</span><span>{}</span>", path.replace('/', "&#x2f;"));
            let plain = format!("<span class=\"method\">{method}</span><span>{path}</span>");
            assert!(page.raw.contains(&heading) || page.raw.contains(&plain), "{method} {path}");
        }
        for operation in
            document["paths"][&path].as_object().unwrap().values().filter(|value| value.is_object())
        {
            let summary = operation["summary"].as_str().unwrap().replace('\'', "&#x27;");
            assert!(page.raw.contains(&summary), "{summary}");
        }
    }
    for schema in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(page.raw.contains(&format!("id=\"schema-{schema}\"")), "{schema}");
    }
    for target in page.raw.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(page.raw.contains(&format!("id=\"{target}\"")), "#{target} leads nowhere");
    }
    for attribute in [" src=", " srcset=", "<link", "@import", "url("] {
        assert!(!page.raw.contains(attribute), "{attribute}");
    }
    for href in page.raw.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(href.starts_with('#') || href.starts_with('/'), "{href}");
    }
}
