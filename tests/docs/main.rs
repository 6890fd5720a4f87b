//! The documents: their commands run exactly as printed, and the table of settings is the program's own. After a
//! change to a setting, `BLESS=1 cargo test --test docs settings` updates docs/settings.md.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod curl;
mod links;
mod style;

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use linkgate::config::{Fallback, Setting};
use serde_json::{Value, json};

const README: &str = include_str!("../../README.md");
const TUTORIAL: &str = include_str!("../../docs/tutorial.md");
const INTEGRATION: &str = include_str!("../../docs/integration.md");
const SETTINGS: &str = include_str!("../../docs/settings.md");
const BINARY: &str = env!("CARGO_BIN_EXE_linkgate");

/// The bash blocks of a document that follow a comment starting with this mark, each with its comment.
fn blocks(document: &'static str, mark: &str) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    for part in document.split("<!-- ").skip(1) {
        let Some((comment, rest)) = part.split_once(" -->\n```bash\n") else { continue };
        if comment.starts_with(mark) {
            found.push((comment, rest.split_once("```").unwrap().0));
        }
    }
    assert!(!found.is_empty(), "no block is marked {mark}");
    found
}

/// `linkgate dev`, stopped when dropped.
struct Dev {
    url: String,
    process: Child,
}

impl Dev {
    fn start(api_key: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut process = Command::new(BINARY)
            .arg("dev")
            .env_clear()
            .env("LINKGATE_LISTEN_ADDR", address.to_string())
            .env("LINKGATE_OPS_ADDR", "127.0.0.1:0")
            .env("LINKGATE_API_KEYS", api_key)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It prints its address once it listens. Read to the last line, or its next write fails.
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("Ctrl-C")), "linkgate dev ended before it listened");
        Self { url: format!("http://{address}"), process }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn bash(script: &str) -> Command {
    let mut command = Command::new("bash");
    // Unlike an interactive shell, stop at the first command that fails.
    command.args(["-c", &format!("set -euo pipefail\n{script}")]).stdin(Stdio::null());
    command
}

fn stdout_of(mut command: Command) -> String {
    let output = command.output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{}\n{stdout}\n{stderr}", output.status);
    stdout
}

fn runs(script: &str) -> bool {
    bash(script).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// The output of one block as JSON values; lines that are not JSON become strings.
fn printed(text: &str) -> Vec<Value> {
    let as_strings = || text.lines().map(|line| Value::from(line.trim())).collect();
    serde_json::Deserializer::from_str(text)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|_| as_strings())
}

#[test]
fn the_curl_session_of_the_tutorial_can_be_pasted_in_order() {
    const BETWEEN: &str = "=== next block ===";
    for tool in ["curl --json '{}' --version", "jq --version", "openssl version"] {
        assert!(runs(tool), "`{tool}` fails: the session needs curl 7.82 or newer, jq and openssl");
    }
    let key = INTEGRATION.split_once("LINKGATE_API_KEYS=").unwrap().1.split_whitespace().next().unwrap();
    let dev = Dev::start(key);
    let pyjwt = runs("python3 -c 'import jwt, cryptography'");
    if !pyjwt {
        eprintln!(
            "skipped: the block with PyJWT, which is not installed; jsonwebtoken checks the token instead"
        );
    }
    let mut script = String::new();
    let session = blocks(TUTORIAL, "curl session");
    for (comment, block) in session.into_iter().chain(blocks(INTEGRATION, "curl session")) {
        if !comment.ends_with("pyjwt") || pyjwt {
            script.push_str(&block.replace("http://127.0.0.1:8080", &dev.url));
        }
        script.push_str(&["echo '", BETWEEN, "'\n"].concat());
    }
    script.push_str("echo \"$TOKEN\"; curl -sS \"$LINKGATE/.well-known/jwks.json\"\n");

    let output = stdout_of(bash(&script));
    let mut outputs = output.split(BETWEEN).map(|text| (printed(text), text.trim()));
    let mut next = |what: &str| outputs.next().unwrap_or_else(|| panic!("no output for: {what}"));

    assert!(next("the secret").0.is_empty());
    let started = &next("start").0[0];
    assert_eq!(
        (&started["email_address"], &started["status"]),
        (&"Ada@example.com".into(), &"pending".into())
    );
    next("wait");
    assert!(next("read the mail").1.starts_with(&format!("{}/v/", dev.url)));
    let opened = &next("open").0[0];
    assert_eq!((&opened["opener"], &opened["confirm"]), (&"same_client".into(), &"automatic".into()));
    let verified = next("verify").0;
    let waited = verified.iter().find(|answer| !answer["waited"].is_null()).unwrap();
    assert_eq!(*waited, json!({ "waited": "verified", "signed_in": "both" }));
    let answer = verified.iter().find(|answer| answer["waited"].is_null()).unwrap();
    assert_eq!(answer["status"], "verified");
    let session = &next("redeem").0[0];
    assert_eq!(session["id"], answer["session_id"]);
    assert_eq!(
        (&session["user"]["email_address"], &session["expires_in"]),
        (&"ada@example.com".into(), &300.into())
    );
    let by_pyjwt = next("check the session token").1;
    let user = session["user"]["id"].as_str().unwrap();
    assert!(!pyjwt || by_pyjwt == format!("signed in: ada@example.com {user}"), "{by_pyjwt}");
    let renewed = &next("renew").0[0];
    assert_eq!((&renewed["id"], &renewed["expires_at"]), (&session["id"], &session["expires_at"]));
    let signed_out = next("sign out").0;
    assert_eq!(signed_out[0], 204);
    assert_eq!(signed_out[1]["code"], "session_required");

    let by_ticket = next("back end").1;
    let (redirect, by_ticket) = by_ticket.split_once('\n').unwrap();
    assert!(
        redirect.starts_with(&format!("{}/?__linkgate_status=verified&__linkgate_session=sess_", dev.url))
    );
    assert_eq!(printed(by_ticket)[0]["user"]["id"], "customer-1815");

    let (token, jwks) = next("what the test added").1.split_once('\n').unwrap();
    let claims = checked(token, jwks, &dev.url);
    assert_eq!((&claims["email"], &claims["sub"]), (&"ada@example.com".into(), &user.into()));
    assert_eq!((&claims["sid"], &claims["amr"][0]), (&session["id"], &"email_link".into()));
}

/// The claims of a session token, checked as an application checks it.
fn checked(token: &str, jwks: &str, issuer: &str) -> Value {
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let header = decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    let jwks: JwkSet = serde_json::from_str(jwks).unwrap();
    let key = DecodingKey::from_jwk(jwks.find(&header.kid.unwrap()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[issuer]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    decode::<Value>(token, &key, &validation).unwrap().claims
}

#[test]
fn the_environment_of_the_readme_is_a_valid_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let beside = Path::new(BINARY).parent().unwrap().display();
    let path = std::env::var("PATH").unwrap();
    let [(_, block)] = blocks(README, "environment")[..] else { panic!("one block") };
    let mut command = bash(block);
    command.current_dir(directory.path()).env_clear().env("PATH", format!("{beside}:{path}"));
    assert_eq!(stdout_of(command), "configuration is valid\n");
}

fn table_of_settings() -> String {
    let mut text = String::from("| setting | value | default | what it does |\n|---|---|---|---|\n");
    for Setting { name, kind, fallback, secret, about, example } in linkgate::config::SETTINGS {
        let secret = if *secret { " (secret)" } else { "" };
        let default = match fallback {
            Fallback::Required => "**required**".to_owned(),
            Fallback::Value(value) => format!("`{value}`"),
            Fallback::Derived(what) => (*what).to_owned(),
        };
        let example =
            if example.starts_with('<') { String::new() } else { format!(". Example: `{example}`") };
        writeln!(text, "| `{name}`{secret} | {kind} | {default} | {about}{example} |").unwrap();
    }
    text
}

#[test]
fn the_table_of_settings_is_that_of_the_program() {
    const BEGIN: &str = "<!-- settings -->\n";
    const END: &str = "<!-- /settings -->";
    let (above, rest) = SETTINGS.split_once(BEGIN).unwrap();
    let (table, below) = rest.split_once(END).unwrap();
    let right = table_of_settings();
    if table != right && std::env::var_os("BLESS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
        std::fs::write(path, [above, BEGIN, &right, END, below].concat()).unwrap();
        return;
    }
    assert!(table == right, "docs/settings.md differs (BLESS=1 updates it); its table should be:\n{right}");
}
