//! Reachability: services, network policies, the ingress and the gateway.

use serde_json::{Value, json};

use crate::manifests::{Faults, NAME, Objects, hold, list, selects, string};

#[test]
fn every_selector_selects_the_pods() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        let labels = objects.pod_labels();
        let mut held = |what: String, selector: &Value| {
            faults.unless(selects(selector, labels), format!("{what} selects nothing"));
        };
        held("the Deployment".to_owned(), &objects.deployment()["spec"]["selector"]["matchLabels"]);
        for service in objects.of("Service") {
            held(format!("Service {}", service["metadata"]["name"]), &service["spec"]["selector"]);
        }
        for budget in objects.of("PodDisruptionBudget") {
            held("the PodDisruptionBudget".to_owned(), &budget["spec"]["selector"]["matchLabels"]);
        }
        for policy in objects.of("NetworkPolicy").filter(|p| p["metadata"]["name"] != "default-deny") {
            let what = format!("NetworkPolicy {}", policy["metadata"]["name"]);
            held(what, &policy["spec"]["podSelector"]["matchLabels"]);
        }
        for spread in list(&objects.pod()["topologySpreadConstraints"]) {
            held("a spread constraint".to_owned(), &spread["labelSelector"]["matchLabels"]);
        }
        faults
    }
    let wrong = json!({ "app": "linkgate" });
    hold(
        property,
        &[
            ("Deployment/linkgate/spec/template/metadata/labels", wrong.clone()),
            ("Deployment/linkgate/spec/selector/matchLabels", wrong.clone()),
            ("Service/linkgate/spec/selector", wrong.clone()),
            ("Service/linkgate-ops/spec/selector", Value::Null),
            ("PodDisruptionBudget/linkgate/spec/selector/matchLabels", wrong.clone()),
            ("NetworkPolicy/linkgate-to-dns/spec/podSelector/matchLabels", wrong.clone()),
            (
                "Deployment/linkgate/spec/template/spec/topologySpreadConstraints/0/labelSelector/matchLabels",
                wrong,
            ),
        ],
    );
}

#[test]
fn every_name_leads_to_something() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        for source in list(&objects.container()["envFrom"]) {
            let name = string(&source["configMapRef"]["name"]);
            faults.unless(!objects.get("ConfigMap", name).is_null(), format!("no ConfigMap {name}"));
        }
        for mount in list(&objects.container()["volumeMounts"]) {
            let volumes = list(&objects.pod()["volumes"]).iter();
            let found = volumes.filter(|volume| volume["name"] == mount["name"]).count();
            faults.unless(found == 1, format!("no volume {}", mount["name"]));
        }
        for service in objects.of("Service") {
            for port in list(&service["spec"]["ports"]) {
                let target = string(&port["targetPort"]);
                faults.unless(!objects.port(target).is_null(), format!("no port {target}"));
            }
        }
        for scaler in objects.of("HorizontalPodAutoscaler") {
            let target = &scaler["spec"]["scaleTargetRef"];
            let found = objects.get(string(&target["kind"]), string(&target["name"]));
            faults.unless(found["apiVersion"] == target["apiVersion"], format!("no {target}"));
        }
        for policy in objects.of("NetworkPolicy") {
            for rule in list(&policy["spec"]["ingress"]) {
                for port in list(&rule["ports"]) {
                    let known = !objects.port(string(&port["port"])).is_null();
                    faults.unless(known, format!("{} is no port", port["port"]));
                }
            }
        }
        for ingress in objects.of("Ingress") {
            for path in list(&ingress["spec"]["rules"]).iter().flat_map(|rule| list(&rule["http"]["paths"])) {
                let service = &path["backend"]["service"];
                let found = service_port(objects, string(&service["name"]), "name", &service["port"]["name"]);
                faults.unless(found, format!("the Ingress leads to no service: {service}"));
            }
        }
        for route in objects.of("HTTPRoute") {
            for parent in list(&route["spec"]["parentRefs"]) {
                let gateway = objects.get("Gateway", string(&parent["name"]));
                let mut listeners = list(&gateway["spec"]["listeners"]).iter();
                let found = listeners.any(|listener| listener["name"] == parent["sectionName"]);
                faults.unless(found, format!("no listener {parent}"));
            }
            for target in list(&route["spec"]["rules"]).iter().flat_map(|rule| list(&rule["backendRefs"])) {
                let found = service_port(objects, string(&target["name"]), "port", &target["port"]);
                faults.unless(found, format!("a route leads to no service: {target}"));
            }
        }
        for monitor in objects.of("ServiceMonitor") {
            let wanted = &monitor["spec"]["selector"]["matchLabels"];
            let found: Vec<_> =
                objects.of("Service").filter(|s| selects(wanted, &s["metadata"]["labels"])).collect();
            faults.unless(found.len() == 1, "the ServiceMonitor selects not one service");
            for endpoint in list(&monitor["spec"]["endpoints"]) {
                let mut services = found.iter().map(|service| string(&service["metadata"]["name"]));
                let port = &endpoint["port"];
                let right = services.all(|name| service_port(objects, name, "name", port)) && port == "ops";
                faults.unless(right && endpoint["path"] == "/metrics", "the ServiceMonitor asks elsewhere");
            }
        }
        faults
    }
    hold(
        property,
        &[
            (
                "Deployment/linkgate/spec/template/spec/containers/0/envFrom/0/configMapRef/name",
                json!("linkgate"),
            ),
            ("Deployment/linkgate/spec/template/spec/containers/0/volumeMounts/0/name", json!("keys")),
            ("Deployment/linkgate/spec/template/spec/volumes", Value::Null),
            ("Service/linkgate/spec/ports/0/targetPort", json!("web")),
            ("HorizontalPodAutoscaler/linkgate/spec/scaleTargetRef/name", json!("linkgate-server")),
            ("NetworkPolicy/linkgate-from-prometheus/spec/ingress/0/ports/0/port", json!("metrics")),
            ("Ingress/linkgate/spec/rules/0/http/paths/0/backend/service/port/name", json!("web")),
            ("Gateway/linkgate/spec/listeners/0/name", json!("http")),
            ("HTTPRoute/linkgate/spec/rules/1/backendRefs/0/port", json!(8080)),
            ("ServiceMonitor/linkgate/spec/endpoints/0/port", json!("http")),
            ("ServiceMonitor/linkgate/spec/endpoints/0/path", json!("/")),
            (
                "ServiceMonitor/linkgate/spec/selector/matchLabels",
                json!({ "app.kubernetes.io/name": "linkgate" }),
            ),
        ],
    );
}

fn service_port(objects: &Objects, service: &str, by: &str, port: &Value) -> bool {
    let ports = list(&objects.get("Service", service)["spec"]["ports"]);
    !port.is_null() && ports.iter().any(|own| own[by] == *port)
}

#[test]
fn the_public_service_has_the_public_port_alone() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        let targets = |service: &Value| {
            let ports = list(&service["spec"]["ports"]).iter();
            ports.map(|port| string(&port["targetPort"]).to_owned()).collect::<Vec<_>>()
        };
        let public = objects.get("Service", NAME);
        faults.unless(targets(public) == ["http"], "the public service is not for the public port alone");
        let headless = |service: &Value| service["spec"]["clusterIP"] == "None";
        let ops = |service: &&Value| targets(service).contains(&"ops".to_owned());
        faults.unless(objects.of("Service").filter(ops).count() == 1, "not one service for Prometheus");
        for service in objects.of("Service").filter(ops) {
            faults.unless(headless(service), "the operations port can be reached through a service");
            let all = &service["spec"]["publishNotReadyAddresses"];
            faults.unless(*all == true, "a replica that is not ready is not looked at");
        }
        for service in objects.of("Service") {
            let inside = service["spec"]["type"].is_null() || service["spec"]["type"] == "ClusterIP";
            faults.unless(inside, "a service is open to the world");
        }
        faults
    }
    hold(
        property,
        &[
            ("Service/linkgate/spec/ports/1", json!({ "name": "ops", "port": 9090, "targetPort": "ops" })),
            ("Service/linkgate/spec/type", json!("LoadBalancer")),
            ("Service/linkgate-ops", Value::Null),
            ("Service/linkgate-ops/spec/clusterIP", Value::Null),
            ("Service/linkgate-ops/spec/publishNotReadyAddresses", Value::Null),
        ],
    );
}

/// The rules of all policies for linkgate in one direction, as `peers:ports`.
fn allowed(objects: &Objects, direction: &str, peers: &str) -> Vec<(Value, Vec<Value>)> {
    let policies = objects.of("NetworkPolicy");
    let rules = policies.flat_map(|policy| list(&policy["spec"][direction]));
    rules
        .map(|rule| {
            let ports = list(&rule["ports"]).iter().map(|port| json!([port["port"], port["protocol"]]));
            (rule[peers].clone(), ports.collect())
        })
        .collect()
}

#[test]
fn nobody_speaks_to_anybody_unless_a_policy_says_so() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        let denied = &objects.get("NetworkPolicy", "default-deny")["spec"];
        faults.unless(denied["podSelector"] == json!({}), "the denial is not for all pods");
        faults.unless(denied["policyTypes"] == json!(["Ingress", "Egress"]), "only one direction is denied");
        faults
            .unless(denied["ingress"].is_null() && denied["egress"].is_null(), "the denial allows something");
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            for (_, ports) in allowed(objects, direction, peers) {
                faults.unless(!ports.is_empty(), format!("a policy allows {direction} on all ports"));
            }
        }
        for policy in objects.of("NetworkPolicy") {
            let spec = &policy["spec"];
            for (direction, kind) in [("ingress", "Ingress"), ("egress", "Egress")] {
                let named = list(&spec["policyTypes"]).contains(&json!(kind));
                faults.unless(spec[direction].is_null() || named, "rules of a type that is not named");
            }
        }
        faults
    }
    hold(
        property,
        &[
            ("NetworkPolicy/default-deny", Value::Null),
            ("NetworkPolicy/default-deny/spec/podSelector", json!({ "matchLabels": { "a": "b" } })),
            ("NetworkPolicy/default-deny/spec/policyTypes", json!(["Ingress"])),
            ("NetworkPolicy/default-deny/spec/egress", json!([{}])),
            ("NetworkPolicy/linkgate-to-redis/spec/egress/0/ports", Value::Null),
            ("NetworkPolicy/linkgate-to-dns/spec/policyTypes", json!(["Ingress"])),
        ],
    );
}

#[test]
fn in_come_the_ingress_and_prometheus_each_to_its_own_port() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        let rules = allowed(objects, "ingress", "from");
        let to =
            |port: &'static str| rules.iter().filter(move |(_, ports)| ports.contains(&json!([port, "TCP"])));
        faults.unless(to("http").count() == 1 && to("ops").count() == 1, "not one rule for each port");
        faults.unless(rules.len() == 2, "something else is let in");
        for (peers, ports) in &rules {
            faults.unless(ports.len() == 1, "a rule is for more than one port");
            let named = list(peers).iter().all(|peer| {
                let namespaces = &peer["namespaceSelector"];
                selects(&namespaces["matchLabels"], &namespaces["matchLabels"])
                    || !list(&namespaces["matchExpressions"]).is_empty()
            });
            faults.unless(named && !list(peers).is_empty(), "everybody is let in");
        }
        for (peers, _) in to("ops") {
            let pods = list(peers).iter().all(|peer| !peer["podSelector"].is_null());
            faults.unless(pods, "more than Prometheus reaches the operations port");
        }
        faults
    }
    let at = |name: &str, rest: &str| format!("NetworkPolicy/linkgate-from-{name}/spec/ingress/0/{rest}");
    hold(
        property,
        &[
            ("NetworkPolicy/linkgate-from-ingress", Value::Null),
            ("NetworkPolicy/linkgate-from-prometheus", Value::Null),
            (&at("ingress", "from"), Value::Null),
            (&at("ingress", "from/0/namespaceSelector"), json!({})),
            (&at("ingress", "ports/1"), json!({ "port": "ops", "protocol": "TCP" })),
            (&at("prometheus", "from/0/podSelector"), Value::Null),
        ],
    );
}

#[test]
fn out_go_names_redis_and_mail_and_nothing_else() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        let rules = allowed(objects, "egress", "to");
        let ports: Vec<&Value> = rules.iter().flat_map(|(_, ports)| ports).collect();
        let mut wanted = vec![json!([53, "UDP"]), json!([53, "TCP"])];
        if !objects.is_dev() {
            wanted.extend([6379, 26379, 587, 465].map(|port| json!([port, "TCP"])));
        }
        for port in &wanted {
            faults.unless(ports.contains(&port), format!("{port} is not let out"));
        }
        for port in ports {
            faults.unless(wanted.contains(port), format!("{port} is let out"));
        }
        for (peers, ports) in &rules {
            let names = ports.contains(&json!([53, "UDP"]));
            faults.unless(!names || !list(peers).is_empty(), "names are asked of everybody");
        }
        faults
    }
    hold(
        property,
        &[
            ("NetworkPolicy/linkgate-to-dns", Value::Null),
            ("NetworkPolicy/linkgate-to-redis", Value::Null),
            ("NetworkPolicy/linkgate-to-smtp", Value::Null),
            ("NetworkPolicy/linkgate-to-dns/spec/egress/0/ports/0", Value::Null),
            ("NetworkPolicy/linkgate-to-dns/spec/egress/0/to", Value::Null),
            ("NetworkPolicy/linkgate-to-smtp/spec/egress/0/ports/0/port", json!(25)),
            (
                "NetworkPolicy/linkgate-to-smtp/spec/egress/0/ports/2",
                json!({ "port": 443, "protocol": "TCP" }),
            ),
        ],
    );
}
