//! The ingress and the gateway: their routes, and timeouts that are long enough for long-polls.

use serde_json::{Value, json};

use crate::manifests::{Faults, Objects, hold, list, string};

/// The longest long-poll, in seconds (`http/status.rs`). Event streams send something more often.
const LONG_POLL: u64 = 30;

/// The longest other request, in seconds: a mail, in all (`docs/reliability.md`).
const LONGEST_ANSWER: u64 = 10;

fn host(objects: &Objects) -> String {
    let environment = objects.environment();
    environment["LINKGATE_PUBLIC_URL"].trim_start_matches("https://").to_owned()
}

fn seconds(text: &str) -> u64 {
    text.trim_end_matches('s').parse().unwrap_or(0)
}

#[test]
fn the_ingress_is_at_the_public_url_with_tls() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        for ingress in objects.of("Ingress") {
            let (host, spec) = (host(objects), &ingress["spec"]);
            faults.unless(spec["rules"][0]["host"] == host, "its host is not the public URL's");
            faults.unless(spec["tls"][0]["hosts"] == json!([host]), "no TLS for the host");
            faults.unless(spec["tls"][0]["secretName"].is_string(), "no certificate");
            let path = &spec["rules"][0]["http"]["paths"][0];
            faults.unless(path["path"] == "/" && path["pathType"] == "Prefix", "not everything gets in");
        }
        faults
    }
    hold(
        property,
        &[
            ("Ingress/linkgate/spec/rules/0/host", json!("linkgate.example.com")),
            ("Ingress/linkgate/spec/tls", Value::Null),
            ("Ingress/linkgate/spec/tls/0/secretName", Value::Null),
            ("Ingress/linkgate/spec/rules/0/http/paths/0/pathType", json!("Exact")),
        ],
    );
}

#[test]
fn the_ingress_lets_requests_wait_and_events_through_and_keeps_paths_out_of_its_log() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        for ingress in objects.of("Ingress") {
            let of = |name: &str| string(&ingress["metadata"]["annotations"][name]);
            for name in [
                "nginx.ingress.kubernetes.io/proxy-read-timeout",
                "nginx.org/proxy-read-timeout",
                "haproxy-ingress.github.io/timeout-server",
            ] {
                faults.unless(seconds(of(name)) > LONG_POLL, format!("{name} ends those who wait"));
            }
            faults.unless(of("nginx.ingress.kubernetes.io/proxy-buffering") == "off", "events are held back");
            faults.unless(of("nginx.org/proxy-buffering") == "False", "events are held back");
            let logged = of("nginx.ingress.kubernetes.io/enable-access-log");
            faults.unless(logged == "false", "tokens get into the access log");
        }
        faults
    }
    let ingress = "Ingress/linkgate/metadata/annotations";
    // The names of annotations contain a slash, so the map is replaced as a whole.
    let annotations = &crate::manifests::everything().get("Ingress", "linkgate")["metadata"]["annotations"];
    let with = |name: &str, value: &str| {
        let mut changed = annotations.clone();
        changed[name] = json!(value);
        changed
    };
    hold(
        property,
        &[
            (ingress, with("nginx.ingress.kubernetes.io/proxy-read-timeout", "30")),
            (ingress, with("nginx.org/proxy-read-timeout", "15s")),
            (ingress, with("haproxy-ingress.github.io/timeout-server", "")),
            (ingress, with("nginx.ingress.kubernetes.io/proxy-buffering", "on")),
            (ingress, with("nginx.org/proxy-buffering", "True")),
            (ingress, with("nginx.ingress.kubernetes.io/enable-access-log", "true")),
        ],
    );
}

#[test]
fn the_gateway_is_at_the_public_url_with_tls() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        for gateway in objects.of("Gateway") {
            for listener in list(&gateway["spec"]["listeners"]) {
                faults.unless(listener["hostname"] == host(objects), "it listens for another host");
                faults.unless(listener["protocol"] == "HTTPS", "it listens without TLS");
                let certificates = list(&listener["tls"]["certificateRefs"]);
                faults.unless(!certificates.is_empty(), "it has no certificate");
            }
        }
        for route in objects.of("HTTPRoute") {
            faults.unless(route["spec"]["hostnames"] == json!([host(objects)]), "a route of another host");
        }
        faults
    }
    hold(
        property,
        &[
            ("Gateway/linkgate/spec/listeners/0/hostname", json!("linkgate.example.com")),
            ("Gateway/linkgate/spec/listeners/0/protocol", json!("HTTP")),
            ("Gateway/linkgate/spec/listeners/0/tls/certificateRefs", json!([])),
            ("HTTPRoute/linkgate/spec/hostnames/0", json!("linkgate.example.com")),
        ],
    );
}

#[test]
fn the_gateway_lets_requests_wait_where_they_wait_and_gives_time_to_the_rest() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        for route in objects.of("HTTPRoute") {
            let rules = list(&route["spec"]["rules"]);
            // The rule with the longest prefix takes the request.
            let rule_for = |path: &str| {
                let prefix = |rule: &Value| string(&rule["matches"][0]["path"]["value"]).to_owned();
                let fits =
                    rules.iter().filter(|rule| path.starts_with(&prefix(rule)) && !prefix(rule).is_empty());
                fits.max_by_key(|rule| prefix(rule).len())
            };
            for path in ["/v1/attempts/1", "/v1/attempts/1/events"] {
                let timeout = rule_for(path).map_or("", |rule| string(&rule["timeouts"]["request"]));
                faults.unless(timeout == "0s", format!("{path} has a limit: {timeout}"));
            }
            for path in ["/", "/v/token", "/v1/attempts", "/v1/session", "/.well-known/jwks.json"] {
                let timeout = rule_for(path).map_or("", |rule| string(&rule["timeouts"]["request"]));
                let right = seconds(timeout) > LONGEST_ANSWER;
                faults.unless(right, format!("{path} is not given time: {timeout}"));
            }
        }
        faults
    }
    let at = |rest: &str| format!("HTTPRoute/linkgate/spec/rules/{rest}");
    hold(
        property,
        &[
            (&at("0"), Value::Null),
            (&at("1"), Value::Null),
            (&at("0/timeouts"), Value::Null),
            (&at("0/timeouts/request"), json!("30s")),
            (&at("1/timeouts/request"), json!("5s")),
            (&at("0/matches/0/path/value"), json!("/v1/attempt/")),
        ],
    );
}
