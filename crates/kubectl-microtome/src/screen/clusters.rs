//! What a cluster wants and holds: pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use microtome_api::quantity::Quantity;
use microtome_api::{PatchCluster, PatchClusterSpec, Resources};

use crate::text;

/// Amounts of resources, in thousandths.
pub(crate) type Amounts = BTreeMap<String, i128>;

/// What the head and so many workers are charged for.
pub(crate) fn amounts(spec: &PatchClusterSpec, workers: i32) -> Amounts {
    let mut amounts = Amounts::new();
    add(&mut amounts, &spec.head.resources, 1);
    add(&mut amounts, &spec.workers.resources, workers.max(0).into());
    amounts
}

fn add(amounts: &mut Amounts, resources: &Resources, times: i128) {
    for (name, quantity) in &resources.limits {
        // The apiserver took it for a quantity.
        *amounts.entry(name.clone()).or_default() += quantity.milli().unwrap_or_default() * times;
    }
}

/// `2 gpu, 16 cpu`: devices, then CPUs; memory where it is asked for.
pub(crate) fn wants(spec: &PatchClusterSpec, with_memory: bool) -> String {
    let amounts = amounts(spec, spec.workers.min_replicas);
    let is_device = |name: &str| name.contains('/');
    let mut parts: Vec<String> = Vec::new();
    for (name, &milli) in amounts.iter().filter(|(name, milli)| is_device(name) && **milli > 0) {
        let short = name.rsplit('/').next().unwrap_or(name);
        parts.push(format!("{} {short}", Quantity::from_milli(milli)));
    }
    parts.extend(amounts.get("cpu").map(|&milli| format!("{} cpu", Quantity::from_milli(milli))));
    if with_memory {
        parts.extend(amounts.get("memory").map(|&milli| format!("{} memory", Quantity::from_milli(milli))));
    }
    parts.join(", ")
}

/// When a cluster that runs ends at the latest: its deadline.
pub(crate) fn ends(cluster: &PatchCluster) -> Option<Timestamp> {
    let status = cluster.status.as_ref()?;
    if !matches!(text::reason(&status.conditions), "Running" | "Starting") {
        return None;
    }
    let deadline = SignedDuration::from_secs(cluster.spec.active_deadline_seconds?);
    status.start_time.as_ref()?.0.checked_add(deadline).ok()
}

/// What a cluster that runs gives back when it ends.
pub(crate) fn holds(cluster: &PatchCluster) -> Amounts {
    amounts(&cluster.spec, cluster.status.as_ref().map_or(0, |status| status.workers_ready))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::screen::fixtures::{cluster, condition};

    #[test]
    fn head_and_workers_are_added_up() {
        let waiting = cluster("a", &json!({}));
        assert_eq!(wants(&waiting.spec, false), "2 gpu, 16 cpu");
        assert_eq!(wants(&waiting.spec, true), "2 gpu, 16 cpu, 72Gi memory");
        assert_eq!(ends(&waiting), None);
    }

    #[test]
    fn what_runs_ends_with_its_deadline() {
        let status = json!({"conditions": [condition("Running", "True", "")], "startTime": "2026-03-02T12:06:00Z", "workersReady": 3});
        let running = cluster("a", &status);
        assert_eq!(ends(&running), Some("2026-03-03T00:06:00Z".parse().unwrap()));
        assert_eq!((holds(&running)["cpu"], holds(&running)["nvidia.com/gpu"]), (20_000, 2_000));
    }
}
