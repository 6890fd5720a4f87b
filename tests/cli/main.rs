//! The command line, as a person or a script meets it: the real binary, its output and its exit code.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use linkgate::config::SETTINGS;

const VALID: [(&str, &str); 4] = [
    ("LINKGATE_PUBLIC_URL", "https://login.example.com"),
    ("LINKGATE_STORE_URL", "redis://localhost:6379"),
    ("LINKGATE_MAIL_URL", "smtp://smtp.example.com:587"),
    ("LINKGATE_MAIL_FROM", "Example <no-reply@example.com>"),
];

struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn linkgate(args: &[&str], vars: &BTreeMap<&str, String>) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_linkgate"));
    command.args(args).env_clear().envs(vars).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().unwrap_or_else(|e| panic!("{e}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_else(|e| panic!("{e}"));
    Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

fn none() -> BTreeMap<&'static str, String> {
    BTreeMap::new()
}

fn valid() -> BTreeMap<&'static str, String> {
    let mut vars: BTreeMap<_, _> = VALID.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
    vars.insert("LINKGATE_KEYS", linkgate(&["keys", "new"], &none()).stdout.trim_end().to_owned());
    vars
}

#[test]
fn a_fresh_key_makes_a_valid_configuration() {
    let mut vars = valid();
    vars.insert("LINKGATE_TRUSTED_PROXIES", "10.0.0.0/8".to_owned());
    let ran = linkgate(&["check-config"], &vars);
    assert_eq!(
        (ran.code, ran.stdout.as_str(), ran.stderr.as_str()),
        (Some(0), "configuration is valid\n", "")
    );
}

#[test]
fn fresh_keys_differ_and_can_be_used_together() {
    let key = |args: &[&str]| linkgate(args, &none()).stdout.trim_end().to_owned();
    let (first, second, named) =
        (key(&["keys", "new"]), key(&["keys", "new"]), key(&["keys", "new", "--kid", "my.key_1-x"]));
    assert!(named.starts_with("my.key_1-x:"), "{named}");
    let mut vars = valid();
    vars.insert("LINKGATE_KEYS", [first, second, named].join(","));
    assert_eq!(linkgate(&["check-config"], &vars).code, Some(0));
    let refused = linkgate(&["keys", "new", "--kid", "seventeen-letters"], &none());
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(2), ""));
}

#[test]
fn all_faults_are_told_at_once() {
    for command in ["check-config", "serve"] {
        let ran = linkgate(&[command], &none());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{command}");
        for setting in SETTINGS.iter().filter(|s| s.required()) {
            assert!(
                ran.stderr.contains(&format!("{} is not set", setting.name)),
                "{command}: {}",
                ran.stderr
            );
        }
        assert!(
            ran.stderr.contains("5 faults") && ran.stderr.contains("linkgate keys new"),
            "{}",
            ran.stderr
        );
    }
    let mut vars = valid();
    vars.insert("LINKGATE_LINK_TTL", "2h".to_owned());
    vars.insert("LINKGATE_STORE_FENCE", "perhaps".to_owned());
    vars.insert("LINKGATE_PUBLIC_URI", "x".to_owned());
    vars.remove("LINKGATE_MAIL_FROM");
    let ran = linkgate(&["check-config"], &vars);
    assert!(ran.stderr.contains("4 faults"), "{}", ran.stderr);
}

#[test]
fn no_secret_is_printed_wherever_it_was_put() {
    const SECRET: &str = "hunter2-Zm9vYmFy";
    let shapes = [
        SECRET.to_owned(),
        format!("k1:{SECRET}"),
        format!("redis://:{SECRET}@redis/x"),
        format!("redis+sentinel://:{SECRET}@redis"),
        format!("smtp://user:{SECRET}@relay"),
        format!("https://user:{SECRET}@example.com/"),
        format!("https://example.com/?token={SECRET}"),
        format!("{SECRET},{SECRET}"),
        format!("Name <{SECRET}>"),
        format!("{SECRET}\nx"),
        format!("/nonexistent/{SECRET}"),
    ];
    let files: Vec<String> = SETTINGS.iter().filter(|s| s.secret).map(|s| s.file_name()).collect();
    for shape in &shapes {
        let direct = SETTINGS.iter().map(|s| (s.name, shape.clone()));
        let mut all: BTreeMap<&str, String> = direct.collect();
        all.insert("LINKGATE_PASSWORD", shape.clone());
        let by_file = files.iter().map(|name| (name.as_str(), shape.clone())).collect();
        for vars in [all, by_file] {
            for command in ["check-config", "serve", "dev"] {
                let ran = linkgate(&[command], &vars);
                assert_eq!(ran.code, Some(2), "{command} {shape}");
                let printed = format!("{}{}", ran.stdout, ran.stderr);
                assert!(!printed.contains(SECRET), "{command} {shape}: {printed}");
            }
        }
    }
}

#[test]
fn a_valid_configuration_is_not_printed_either() {
    let mut vars = valid();
    vars.insert("LINKGATE_STORE_URL", "rediss://user:hunter2@redis.internal".to_owned());
    vars.insert("LINKGATE_MAIL_URL", "smtps://user:hunter2@relay".to_owned());
    vars.insert("LINKGATE_SUBJECT_SALT", "hunter2".to_owned());
    vars.insert("LINKGATE_API_KEYS", "hunter2-hunter2-hunter2".to_owned());
    vars.insert("LINKGATE_STORE_FENCE", "off".to_owned());
    let ran = linkgate(&["check-config"], &vars);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("warning: LINKGATE_STORE_FENCE=off"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("hunter2") && ran.stderr.is_empty());
}

#[test]
fn a_name_that_does_not_exist_brings_the_nearest_to_mind() {
    let mut vars = valid();
    vars.insert("LINKGATE_REDIRECT_URL", "https://app.example.com/".to_owned());
    let ran = linkgate(&["check-config"], &vars);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("LINKGATE_REDIRECT_URL does not exist"), "{}", ran.stderr);
    assert!(ran.stderr.contains("did you mean LINKGATE_REDIRECT_URLS?"), "{}", ran.stderr);
}

#[test]
fn secrets_may_come_from_files() {
    let mut file = tempfile::NamedTempFile::new().unwrap_or_else(|e| panic!("{e}"));
    let mut vars = valid();
    let key = vars.remove("LINKGATE_KEYS").unwrap_or_default();
    writeln!(file, "{key}").unwrap_or_else(|e| panic!("{e}"));
    vars.insert("LINKGATE_KEYS_FILE", file.path().display().to_string());
    assert_eq!(linkgate(&["check-config"], &vars).code, Some(0));

    vars.insert("LINKGATE_KEYS", key);
    let both = linkgate(&["check-config"], &vars);
    assert_eq!(both.code, Some(2));
    assert!(both.stderr.contains("both set"), "{}", both.stderr);

    vars.remove("LINKGATE_KEYS");
    vars.insert("LINKGATE_KEYS_FILE", "/nonexistent/keys".to_owned());
    let missing = linkgate(&["check-config"], &vars);
    assert_eq!(missing.code, Some(2));
    assert!(
        missing.stderr.contains("LINKGATE_KEYS_FILE names a file that does not exist"),
        "{}",
        missing.stderr
    );
}

#[test]
fn the_authorities_of_the_store_are_looked_at_before_the_start() {
    let mut file = tempfile::NamedTempFile::new().unwrap_or_else(|e| panic!("{e}"));
    let mut vars = valid();
    vars.insert("LINKGATE_STORE_URL", "rediss+cluster://user:hunter2@a,b:7000".to_owned());
    vars.insert("LINKGATE_STORE_CA_FILE", file.path().display().to_string());
    let empty = linkgate(&["check-config"], &vars);
    assert_eq!(empty.code, Some(2));
    assert!(empty.stderr.contains("LINKGATE_STORE_CA_FILE cannot be used"), "{}", empty.stderr);

    let key = rcgen::KeyPair::generate().unwrap_or_else(|e| panic!("{e}"));
    let params = rcgen::CertificateParams::new(vec!["redis".to_owned()]).unwrap_or_else(|e| panic!("{e}"));
    let certificate = params.self_signed(&key).unwrap_or_else(|e| panic!("{e}")).pem();
    file.write_all(certificate.as_bytes()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(linkgate(&["check-config"], &vars).code, Some(0));

    vars.insert("LINKGATE_STORE_URL", "redis://localhost".to_owned());
    let useless = linkgate(&["check-config"], &vars);
    assert!(
        useless.code == Some(2) && useless.stderr.contains("LINKGATE_STORE_CA_FILE"),
        "{}",
        useless.stderr
    );
    vars.insert("LINKGATE_STORE_CA_FILE", "/nonexistent/ca.pem".to_owned());
    let missing = linkgate(&["check-config"], &vars);
    assert!(missing.code == Some(2) && missing.stderr.contains("cannot be read"), "{}", missing.stderr);
}

#[test]
fn the_details_of_a_store_of_many_hosts_are_looked_at_before_the_start() {
    for url in [
        "redis+sentinel://:hunter2@a,b,c",
        "redis+sentinel://:hunter2@a,b,c/master/hunter2",
        "redis+sentinel://:hunter2@a,,c/master",
        "redis+cluster://:hunter2@a,b/3",
        "redis+cluster://:hunter2@",
        "redis+cluster://:hunter2@a:hunter2",
        "redis+cluster://:hunter2@a/?hunter2",
    ] {
        let mut vars = valid();
        vars.insert("LINKGATE_STORE_URL", url.to_owned());
        let ran = linkgate(&["check-config"], &vars);
        assert_eq!(ran.code, Some(2), "{url}");
        assert!(ran.stderr.contains("LINKGATE_STORE_URL is invalid"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("hunter2"), "{}", ran.stderr);
    }
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_text_is_a_fault() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let mut command = Command::new(env!("CARGO_BIN_EXE_linkgate"));
    command.arg("check-config").env_clear().envs(valid());
    let output = command.env("LINKGATE_APP_NAME", OsStr::from_bytes(b"caf\xe9")).output();
    let output = output.unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("LINKGATE_APP_NAME is not valid UTF-8"));
}

#[test]
fn every_setting_is_explained_by_help() {
    for command in ["serve", "check-config"] {
        let ran = linkgate(&[command, "--help"], &none());
        assert_eq!(ran.code, Some(0));
        for setting in SETTINGS {
            assert!(ran.stdout.contains(&format!("  {}=", setting.name)), "{}", setting.name);
            assert!(ran.stdout.contains(setting.about), "{}", setting.name);
        }
    }
}

#[test]
fn help_shows_the_way_from_nothing_to_a_running_service() {
    let ran = linkgate(&["--help"], &none());
    assert_eq!(ran.code, Some(0));
    for word in
        ["linkgate dev", "linkgate keys new", "linkgate serve --help", "healthcheck", "completions", "mail"]
    {
        assert!(ran.stdout.contains(word), "{word}: {}", ran.stdout);
    }
    let bare = linkgate(&[], &none());
    assert!(bare.code == Some(2) && bare.stderr.contains("Usage: linkgate"), "{}", bare.stderr);
}

#[test]
fn bad_arguments_are_no_failure_at_run_time() {
    for args in [&["sevre"][..], &["mail", "test", "nobody"], &["mail", "test"], &["completions", "tcsh"]] {
        let ran = linkgate(args, &valid());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(!ran.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn completions_and_the_manual_come_out_of_the_binary() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = linkgate(&["completions", shell], &none());
        assert_eq!(ran.code, Some(0), "{shell}");
        assert!(ran.stdout.contains("linkgate") && ran.stdout.contains("check-config"), "{shell}");
    }
    let page = linkgate(&["man"], &none());
    assert_eq!(page.code, Some(0));
    assert!(page.stdout.contains(".TH linkgate 1"), "{}", &page.stdout[..200]);
    for word in ["LINKGATE_SESSION_MAX_AGE", "linkgate keys new [OPTIONS]", "EXAMPLES"] {
        assert!(page.stdout.replace('\\', "").contains(word), "{word}");
    }
}

#[test]
fn nobody_listening_is_not_healthy() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = port.unwrap_or_else(|e| panic!("{e}")).to_string();
    let ran = linkgate(&["healthcheck"], &BTreeMap::from([("LINKGATE_OPS_ADDR", address)]));
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("no answer"), "{}", ran.stderr);
    let bad = linkgate(&["healthcheck"], &BTreeMap::from([("LINKGATE_OPS_ADDR", "nonsense".to_owned())]));
    assert_eq!(bad.code, Some(2));
}
