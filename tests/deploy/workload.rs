//! The Deployment: its updates, start, stop and probes suit linkgate, and it has no more permissions than it needs.

use serde_json::{Value, json};

use crate::manifests::{Faults, Objects, hold, list, string};

/// The time for requests in flight after `LINKGATE_DRAIN_DELAY`, in seconds (`app.rs`).
const IN_FLIGHT: u64 = 30;

/// How long `/readyz` takes at most while the store does not answer, in seconds (`docs/reliability.md`).
const READYZ_WITHOUT_STORE: u64 = 2;

/// The memory of an idle replica, and of each waiting request, in KiB.
const AT_REST: u64 = 14 * 1024;
const PER_WAITER: u64 = 20;

/// How many requests may wait on one replica (`flow/waiters.rs`).
const WAITERS: u64 = 20_000;

/// How many waiting requests the requested memory is for.
const WAITERS_REQUESTED: u64 = 2_500;

#[test]
fn an_update_takes_no_replica_away_before_the_next_one_is_ready() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        let strategy = &objects.deployment()["spec"]["strategy"];
        faults.unless(strategy["type"] == "RollingUpdate", "it does not roll");
        faults.unless(strategy["rollingUpdate"]["maxUnavailable"] == 0, "maxUnavailable is not 0");
        faults.unless(strategy["rollingUpdate"]["maxSurge"].as_u64() > Some(0), "maxSurge is 0");
        faults
    }
    hold(
        property,
        &[
            ("Deployment/linkgate/spec/strategy/type", json!("Recreate")),
            ("Deployment/linkgate/spec/strategy/rollingUpdate/maxUnavailable", json!(1)),
            ("Deployment/linkgate/spec/strategy/rollingUpdate/maxUnavailable", Value::Null),
            ("Deployment/linkgate/spec/strategy/rollingUpdate/maxSurge", json!(0)),
        ],
    );
}

#[test]
fn a_pod_is_given_longer_to_stop_than_draining_takes() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        let environment = objects.environment();
        let drain = environment.get("LINKGATE_DRAIN_DELAY").map_or("5s", String::as_str);
        let drain = drain.strip_suffix('s').and_then(|drain| drain.parse::<u64>().ok());
        let drain = drain.unwrap_or_else(|| panic!("write LINKGATE_DRAIN_DELAY in seconds, for this test"));
        let grace = objects.pod()["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
        faults.unless(grace > drain + IN_FLIGHT, format!("{grace} s of grace, {drain} s and 30 s to drain"));
        faults
    }
    hold(
        property,
        &[
            ("Deployment/linkgate/spec/template/spec/terminationGracePeriodSeconds", json!(40)),
            ("Deployment/linkgate/spec/template/spec/terminationGracePeriodSeconds", Value::Null),
        ],
    );
}

#[test]
fn each_probe_asks_its_own_question_on_the_operations_port() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        let container = objects.container();
        for (probe, path) in
            [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
        {
            let asked = &container[probe]["httpGet"];
            faults.unless(asked["path"] == path, format!("{probe} does not ask {path}"));
            faults.unless(asked["port"] == "ops", format!("{probe} does not ask the port called ops"));
        }
        // The shortest time after which it may give up.
        let patience = |probe: &str| {
            let number = |name: &str, default| container[probe][name].as_u64().unwrap_or(default);
            number("periodSeconds", 10) * number("failureThreshold", 3)
        };
        faults.unless(patience("startupProbe") >= 20, "a slow node is not given 20 s to start it");
        faults.unless(patience("livenessProbe") >= 20, "it is restarted before it was silent for 20 s");
        faults.unless(patience("readinessProbe") <= 15, "traffic goes to a broken replica for over 15 s");
        let timeout = container["readinessProbe"]["timeoutSeconds"].as_u64().unwrap_or(1);
        faults.unless(timeout > READYZ_WITHOUT_STORE, "/readyz is not waited for while the store is away");
        faults
    }
    let container = "Deployment/linkgate/spec/template/spec/containers/0";
    let at = |rest: &str| format!("{container}/{rest}");
    hold(
        property,
        &[
            (&at("startupProbe"), Value::Null),
            (&at("startupProbe/failureThreshold"), json!(3)),
            (&at("startupProbe/httpGet/path"), json!("/readyz")),
            (&at("livenessProbe/httpGet/path"), json!("/readyz")),
            (&at("livenessProbe/httpGet/port"), json!("http")),
            (&at("livenessProbe/failureThreshold"), json!(1)),
            (&at("readinessProbe/httpGet/path"), json!("/livez")),
            (&at("readinessProbe/periodSeconds"), json!(60)),
            (&at("readinessProbe/timeoutSeconds"), Value::Null),
        ],
    );
}

#[test]
fn the_ports_are_those_that_linkgate_listens_on_and_can_be_reached_from_outside_the_pod() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        let environment = objects.environment();
        for (port, setting) in [("http", "LINKGATE_LISTEN_ADDR"), ("ops", "LINKGATE_OPS_ADDR")] {
            let address = environment.get(setting).and_then(|text| text.parse::<std::net::SocketAddr>().ok());
            let Some(address) = address else {
                faults.unless(false, format!("{setting} is not set"));
                continue;
            };
            faults.unless(address.ip().is_unspecified(), format!("{setting} is out of reach"));
            faults.unless(*objects.port(port) == address.port(), format!("the port {port} is not {address}"));
        }
        faults.unless(objects.port("http") != objects.port("ops"), "one port for two");
        faults
    }
    hold(
        property,
        &[
            ("Deployment/linkgate/spec/template/spec/containers/0/ports/0/containerPort", json!(80)),
            ("Deployment/linkgate/spec/template/spec/containers/0/ports/1/name", json!("metrics")),
            (
                "Deployment/linkgate/spec/template/spec/containers/0/env",
                json!([{ "name": "LINKGATE_OPS_ADDR", "value": "127.0.0.1:9090" }]),
            ),
        ],
    );
}

/// An amount of memory in KiB.
fn memory(amount: &Value) -> u64 {
    let text = string(amount);
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = match unit {
        "Ki" => 1,
        "Mi" => 1024,
        "Gi" => 1024 * 1024,
        _ => return 0,
    };
    number.parse::<u64>().map_or(0, |number| number * unit)
}

/// An amount of CPU in thousandths.
fn processors(amount: &Value) -> u64 {
    let text = string(amount);
    match text.strip_suffix('m') {
        Some(thousandths) => thousandths.parse().unwrap_or(0),
        None => text.parse().map_or(0, |whole: u64| whole * 1000),
    }
}

#[test]
fn memory_and_processors_are_requested_and_limited_to_what_was_measured() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        let resources = &objects.container()["resources"];
        let of = |kind: &str, what: &str| resources[kind][what].clone();
        let (requested, limit) = (memory(&of("requests", "memory")), memory(&of("limits", "memory")));
        faults.unless(
            requested >= AT_REST + WAITERS_REQUESTED * PER_WAITER,
            "the memory requested is not enough for those who usually wait",
        );
        faults.unless(
            limit >= AT_REST + WAITERS * PER_WAITER,
            "a replica is killed for its memory before it stops holding requests",
        );
        faults.unless(requested <= limit, "more memory is requested than allowed");
        let (requested, limit) = (processors(&of("requests", "cpu")), processors(&of("limits", "cpu")));
        faults
            .unless(requested > 0 && requested <= limit, "processors are not requested, or beyond the limit");
        faults.unless(limit >= 1000, "less than one processor");
        for pods in objects.of("HorizontalPodAutoscaler").flat_map(|scaler| list(&scaler["spec"]["metrics"]))
        {
            if pods["pods"]["metric"]["name"] == "linkgate_waiters" {
                let target = string(&pods["pods"]["target"]["averageValue"]).parse::<u64>();
                faults.unless(
                    target.is_ok_and(|target| target <= WAITERS_REQUESTED),
                    "replicas at the target need more memory than was requested for them",
                );
            }
        }
        faults
    }
    let target = json!({ "type": "AverageValue", "averageValue": "5000" });
    let metric = json!({ "name": "linkgate_waiters" });
    let too_many = json!({ "type": "Pods", "pods": { "metric": metric, "target": target } });
    let at = |rest: &str| format!("Deployment/linkgate/spec/template/spec/containers/0/resources/{rest}");
    hold(
        property,
        &[
            (&at("requests"), Value::Null),
            (&at("limits"), Value::Null),
            (&at("limits/memory"), json!("256Mi")),
            (&at("requests/memory"), json!("16Mi")),
            (&at("requests/memory"), json!("1Gi")),
            (&at("requests/memory"), json!("32Mi")),
            ("HorizontalPodAutoscaler/linkgate/spec/metrics/1", too_many),
            (&at("requests/cpu"), json!("3")),
        ],
    );
}

/// The fields that the *restricted* Pod Security Standard requires, and a read-only root.
#[test]
fn the_pod_is_of_the_restricted_profile() {
    fn property(objects: &Objects) -> Faults {
        const VOLUMES: [&str; 7] =
            ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "projected", "secret"];
        let mut faults = Faults::default();
        let pod = objects.pod();
        for name in ["hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace"] {
            faults.unless(pod[name].is_null() || pod[name] == false, format!("{name} is on"));
        }
        let context = &pod["securityContext"];
        faults.unless(context["runAsNonRoot"] == true, "runAsNonRoot is off");
        faults.unless(context["runAsUser"].as_u64() > Some(0), "it runs as root");
        faults.unless(context["runAsGroup"].as_u64() > Some(0), "it runs in root's group");
        faults.unless(context["seccompProfile"]["type"] == "RuntimeDefault", "there is no seccomp profile");
        faults.unless(context["sysctls"].is_null(), "it sets sysctls");
        for volume in list(&pod["volumes"]) {
            let kinds = volume.as_object().into_iter().flatten().map(|(kind, _)| kind.as_str());
            let mut kinds = kinds.filter(|kind| *kind != "name");
            faults.unless(kinds.all(|kind| VOLUMES.contains(&kind)), format!("a volume of a kind: {volume}"));
        }
        for container in list(&pod["containers"]).iter().chain(list(&pod["initContainers"])) {
            let own = &container["securityContext"];
            faults.unless(own["allowPrivilegeEscalation"] == false, "privileges may grow");
            faults.unless(own["capabilities"]["drop"] == json!(["ALL"]), "capabilities are kept");
            faults.unless(own["capabilities"]["add"].is_null(), "capabilities are added");
            faults.unless(own["privileged"].is_null() || own["privileged"] == false, "it is privileged");
            faults.unless(own["readOnlyRootFilesystem"] == true, "the root file system can be written to");
            let overrides = own["runAsNonRoot"] == false || own["runAsUser"] == 0;
            faults.unless(!overrides, "a container overrides the pod's user");
            faults.unless(own["seccompProfile"].is_null(), "a container overrides the seccomp profile");
            let ports = list(&container["ports"]).iter();
            faults.unless(ports.clone().all(|port| port["hostPort"].is_null()), "it takes ports of the node");
        }
        faults
    }
    let at = |rest: &str| format!("Deployment/linkgate/spec/template/spec/{rest}");
    hold(
        property,
        &[
            (&at("hostNetwork"), json!(true)),
            (&at("hostPID"), json!(true)),
            (&at("hostIPC"), json!(true)),
            (&at("securityContext/runAsNonRoot"), json!(false)),
            (&at("securityContext/runAsUser"), json!(0)),
            (&at("securityContext/runAsUser"), Value::Null),
            (&at("securityContext/runAsGroup"), json!(0)),
            (&at("securityContext/seccompProfile"), Value::Null),
            (&at("securityContext/seccompProfile/type"), json!("Unconfined")),
            (&at("securityContext/sysctls"), json!([])),
            (&at("volumes/0"), json!({ "name": "secrets", "hostPath": { "path": "/" } })),
            (&at("containers/0/securityContext/allowPrivilegeEscalation"), Value::Null),
            (&at("containers/0/securityContext/capabilities/drop"), json!(["NET_RAW"])),
            (&at("containers/0/securityContext/capabilities/add"), json!(["SYS_ADMIN"])),
            (&at("containers/0/securityContext/privileged"), json!(true)),
            (&at("containers/0/securityContext/readOnlyRootFilesystem"), json!(false)),
            (&at("containers/0/securityContext/runAsUser"), json!(0)),
            (&at("containers/0/securityContext/seccompProfile"), json!({ "type": "Unconfined" })),
            (&at("containers/0/ports/0/hostPort"), json!(80)),
            (&at("containers/1"), json!({ "name": "sidecar" })),
        ],
    );
}

#[test]
fn the_namespace_lets_no_pod_in_that_is_less_restricted() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        let namespace = string(&objects.deployment()["metadata"]["namespace"]);
        let labels = &objects.get("Namespace", namespace)["metadata"]["labels"];
        for mode in ["enforce", "audit", "warn"] {
            let label = format!("pod-security.kubernetes.io/{mode}");
            faults.unless(labels[&label] == "restricted", format!("{label} is not restricted"));
        }
        let spaced = objects.all.iter().filter(|object| object["kind"] != "Namespace");
        for object in spaced {
            let name = &object["metadata"]["name"];
            faults.unless(object["metadata"]["namespace"] == namespace, format!("{name} is elsewhere"));
        }
        faults
    }
    let mut place = everything_namespace();
    place.push_str("/metadata/labels");
    hold(
        property,
        &[
            (&place, json!({ "pod-security.kubernetes.io/enforce": "baseline" })),
            (&place, Value::Null),
            ("Service/linkgate/metadata/namespace", json!("default")),
        ],
    );
}

fn everything_namespace() -> String {
    format!("Namespace/{}", string(&crate::manifests::everything().deployment()["metadata"]["namespace"]))
}

#[test]
fn the_pod_has_an_identity_of_its_own_and_no_token_for_the_api_server() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        let name = string(&objects.pod()["serviceAccountName"]);
        let account = objects.get("ServiceAccount", name);
        faults.unless(!account.is_null() && name != "default", "there is no such service account");
        faults.unless(account["automountServiceAccountToken"] == false, "the account has a token");
        faults.unless(objects.pod()["automountServiceAccountToken"] == false, "the pod has a token");
        faults.unless(objects.pod()["enableServiceLinks"] == false, "services add to the environment");
        for kind in ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"] {
            faults.unless(objects.of(kind).next().is_none(), format!("there is a {kind}"));
        }
        faults
    }
    let at = |rest: &str| format!("Deployment/linkgate/spec/template/spec/{rest}");
    hold(
        property,
        &[
            ("ServiceAccount/linkgate", Value::Null),
            ("ServiceAccount/linkgate/automountServiceAccountToken", Value::Null),
            (&at("automountServiceAccountToken"), Value::Null),
            (&at("serviceAccountName"), Value::Null),
            (&at("enableServiceLinks"), Value::Null),
        ],
    );
}

#[test]
fn the_image_is_of_this_version_and_of_no_registry() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        let image = string(&objects.container()["image"]);
        let right = format!("linkgate:{}", env!("CARGO_PKG_VERSION"));
        faults.unless(image == right, format!("{image} is not {right}"));
        faults
    }
    let place = "Deployment/linkgate/spec/template/spec/containers/0/image";
    hold(property, &[(place, json!("linkgate:latest")), (place, json!("linkgate"))]);
}
