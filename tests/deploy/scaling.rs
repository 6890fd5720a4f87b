//! The number of replicas, their placement and their minimum.

use serde_json::{Value, json};

use crate::manifests::{Faults, NAME, Objects, hold, list, string};

#[test]
fn production_has_three_replicas_and_grows_with_the_processors_used() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        if objects.is_dev() {
            let one = objects.deployment()["spec"]["replicas"] == 1;
            faults.unless(one, "the memory of one replica is none of another");
            faults.unless(objects.of("HorizontalPodAutoscaler").next().is_none(), "dev grows");
            return faults;
        }
        let scaler = &objects.get("HorizontalPodAutoscaler", NAME)["spec"];
        let (min, max) = (scaler["minReplicas"].as_u64(), scaler["maxReplicas"].as_u64());
        faults.unless(min >= Some(3), "there may be less than three replicas");
        faults.unless(max > min, "it cannot grow");
        faults.unless(
            objects.deployment()["spec"]["replicas"].is_null(),
            "applying it again would undo what the autoscaler did",
        );
        let resources = list(&scaler["metrics"]).iter().filter(|metric| metric["type"] == "Resource");
        let cpu = resources.filter(|metric| metric["resource"]["name"] == "cpu").collect::<Vec<_>>();
        let target = cpu.first().map(|metric| &metric["resource"]["target"]["averageUtilization"]);
        let target = target.and_then(Value::as_u64).unwrap_or(0);
        faults.unless((1..=90).contains(&target), "processors are not looked at");
        let requested = &objects.container()["resources"]["requests"]["cpu"];
        faults.unless(requested.is_string(), "utilization of nothing requested");
        let down = &scaler["behavior"]["scaleDown"];
        faults.unless(down["stabilizationWindowSeconds"].as_u64() >= Some(60), "it goes up and down");
        faults
    }
    let at = |rest: &str| format!("HorizontalPodAutoscaler/linkgate/{rest}");
    hold(
        property,
        &[
            ("HorizontalPodAutoscaler/linkgate", Value::Null),
            (&at("spec/minReplicas"), json!(1)),
            (&at("spec/minReplicas"), Value::Null),
            (&at("spec/maxReplicas"), json!(3)),
            (&at("spec/metrics/0"), Value::Null),
            (&at("spec/metrics/0/resource/target/averageUtilization"), json!(100)),
            (&at("spec/behavior/scaleDown/stabilizationWindowSeconds"), json!(0)),
            ("Deployment/linkgate/spec/replicas", json!(3)),
            ("Deployment/linkgate/spec/template/spec/containers/0/resources/requests/cpu", Value::Null),
        ],
    );
}

#[test]
fn where_custom_metrics_are_replicas_follow_a_metric_that_linkgate_has() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        let metrics = linkgate::metrics::Metrics::default().render();
        let scaled =
            objects.of("HorizontalPodAutoscaler").flat_map(|scaler| list(&scaler["spec"]["metrics"]));
        let mut count = 0;
        for metric in scaled.filter(|metric| metric["type"] == "Pods") {
            count += 1;
            let name = string(&metric["pods"]["metric"]["name"]);
            let gauge = format!("# TYPE {name} gauge\n");
            faults.unless(metrics.contains(&gauge), format!("linkgate has no gauge {name}"));
            faults.unless(metric["pods"]["target"]["type"] == "AverageValue", "not an average");
        }
        let wanted = usize::from(objects.from.contains("all components"));
        faults.unless(count == wanted, format!("{count} metrics of pods, instead of {wanted}"));
        faults
    }
    let with_metric = json!([{
        "type": "Pods",
        "pods": { "metric": { "name": "linkgate_waiting" }, "target": { "type": "AverageValue", "averageValue": "1" } }
    }]);
    hold(property, &[("HorizontalPodAutoscaler/linkgate/spec/metrics", with_metric)]);
}

#[test]
fn nodes_can_be_emptied_and_two_replicas_always_remain() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        if objects.is_dev() {
            faults.unless(
                objects.of("PodDisruptionBudget").next().is_none(),
                "the node of dev cannot be emptied",
            );
            return faults;
        }
        let budget = &objects.get("PodDisruptionBudget", NAME)["spec"];
        let least = objects.get("HorizontalPodAutoscaler", NAME)["spec"]["minReplicas"].as_u64().unwrap_or(1);
        let remaining = match (budget["minAvailable"].as_u64(), budget["maxUnavailable"].as_u64()) {
            (Some(available), None) => Some(available),
            (None, Some(unavailable)) => least.checked_sub(unavailable),
            _ => None,
        };
        faults
            .unless(remaining.is_some_and(|remaining| remaining >= 2), "fewer than two replicas may remain");
        faults.unless(remaining.is_some_and(|remaining| remaining < least), "no replica may ever go");
        let unhealthy = &budget["unhealthyPodEvictionPolicy"];
        faults.unless(*unhealthy == "AlwaysAllow", "a replica that is not ready holds its node");
        faults
    }
    let at = |rest: &str| format!("PodDisruptionBudget/linkgate/{rest}");
    hold(
        property,
        &[
            ("PodDisruptionBudget/linkgate", Value::Null),
            (&at("spec/maxUnavailable"), json!(0)),
            (&at("spec/maxUnavailable"), json!(2)),
            (&at("spec/maxUnavailable"), Value::Null),
            (&at("spec/minAvailable"), json!(1)),
            (&at("spec/unhealthyPodEvictionPolicy"), Value::Null),
            ("HorizontalPodAutoscaler/linkgate/spec/minReplicas", json!(2)),
        ],
    );
}

#[test]
fn replicas_are_spread_over_zones_and_nodes() {
    fn property(objects: &Objects) -> Faults {
        let mut faults = Faults::default();
        let constraints = list(&objects.pod()["topologySpreadConstraints"]);
        for (key, when) in
            [("topology.kubernetes.io/zone", "ScheduleAnyway"), ("kubernetes.io/hostname", "DoNotSchedule")]
        {
            let Some(found) = constraints.iter().find(|constraint| constraint["topologyKey"] == key) else {
                faults.unless(false, format!("not spread over {key}"));
                continue;
            };
            faults.unless(found["maxSkew"] == 1, format!("unevenly over {key}"));
            faults.unless(found["whenUnsatisfiable"] == when, format!("{key}: not {when}"));
            // Otherwise a node that accepts no pods counts as one with too few, and no pod can be placed.
            faults.unless(found["nodeTaintsPolicy"] == "Honor", format!("{key}: tainted nodes count"));
            let versions = &found["matchLabelKeys"];
            faults.unless(*versions == json!(["pod-template-hash"]), format!("{key}: versions are mixed"));
        }
        faults
    }
    let at = |rest: &str| format!("Deployment/linkgate/spec/template/spec/topologySpreadConstraints/{rest}");
    hold(
        property,
        &[
            (&at("0"), Value::Null),
            (&at("1"), Value::Null),
            (&at("0/whenUnsatisfiable"), json!("DoNotSchedule")),
            (&at("1/whenUnsatisfiable"), json!("ScheduleAnyway")),
            (&at("1/maxSkew"), json!(3)),
            (&at("1/nodeTaintsPolicy"), Value::Null),
            (&at("0/matchLabelKeys"), Value::Null),
        ],
    );
}
