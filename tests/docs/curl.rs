//! The curl commands of `/docs`, run as they stand against `linkgate dev`.

use serde_json::Value;

use super::{Dev, bash, runs, stdout_of};

const API_KEY: &str = "a-key-of-the-curl-commands-for-tests-only";

/// What each command returns when all run in the order of the page. The first one starts an attempt, whose id and token
/// the others use; they cancel it early. Links, tickets and cookies are the document's examples, which are invalid.
const STATUSES: [(&str, u16); 26] = [
    ("startAttempt", 201),
    ("getAttempt", 200),
    ("cancelAttempt", 204),
    ("watchAttempt", 200),
    ("enterRelayCode", 409),
    ("resendLink", 409),
    ("redeemAttempt", 409),
    ("openLink", 400),
    ("peekLink", 400),
    ("verifyLink", 400),
    ("reissueLink", 400),
    ("redeemTicket", 410),
    ("getSession", 401),
    ("signOut", 204),
    ("renewSessionToken", 401),
    ("explainAttempt", 200),
    ("endAttempt", 204),
    ("endSession", 204),
    ("getJwks", 200),
    ("getOpenApi", 200),
    ("getDocs", 200),
    ("listProblems", 200),
    ("getProblem", 200),
    ("getClientScript", 200),
    ("getRelayCodeScript", 200),
    ("getCompatScript", 200),
];

/// The command of an operation, as a person copies it.
fn command(page: &str, operation: &str) -> String {
    let (_, article) = page.split_once(&format!(" id=\"{operation}\"")).unwrap();
    let (_, command) = article.split_once("<pre class=\"curl\" tabindex=\"0\">").unwrap();
    let (command, _) = command.split_once("</pre>").unwrap();
    let entities =
        [("&#x2f;", "/"), ("&#x27;", "'"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    entities.iter().fold(command.to_owned(), |text, (entity, letter)| text.replace(entity, letter))
}

#[test]
fn every_curl_command_of_the_api_page_runs_and_gets_a_documented_status() {
    assert!(runs("curl --json '{}' --version"), "the commands need curl 7.82 or newer");
    let document: Value = serde_yaml_ng::from_str(include_str!("../../docs/openapi.yaml")).unwrap();
    let operations: Vec<&Value> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|item| {
            item.as_object().unwrap().values().filter(|operation| operation["operationId"].is_string())
        })
        .collect();
    assert_eq!(operations.len(), STATUSES.len());

    let dev = Dev::start(API_KEY);
    let page = stdout_of(bash(&format!("curl -sS {}/docs", dev.url)));
    let example = document["components"]["parameters"]["AttemptId"]["example"].as_str().unwrap();
    let (mut id, mut token) = (example.to_owned(), String::new());
    for (operation, status) in STATUSES {
        let of = operations.iter().find(|known| known["operationId"] == operation).unwrap();
        assert!(of["responses"].get(status.to_string()).is_some(), "{operation}: {status} is not documented");
        let variables = format!(
            "LINKGATE={} API_KEY={API_KEY} ATTEMPT_TOKEN={token} LINKGATE_CLIENT=$(openssl rand -hex 16) \
             SESSION_COOKIE=none CLIENT_COOKIE=none SESSION_TOKEN=none\n",
            dev.url
        );
        // The one long poll ends after a second, not after 25.
        let command = command(&page, operation).replace(example, &id).replace("wait=25", "wait=1");
        let output = stdout_of(bash(&format!("{variables}{command} -w '\n%{{http_code}}'")));
        let (body, code) = output.rsplit_once('\n').unwrap();
        assert_eq!(code, status.to_string(), "{operation}: {command}\n{body}");
        if operation == "startAttempt" {
            let started: Value = serde_json::from_str(body).unwrap();
            id = started["id"].as_str().unwrap().to_owned();
            token = started["attempt_token"].as_str().unwrap().to_owned();
        }
    }
}
