//! Objects to show.

use jiff::Zoned;
use microtome_api::{PatchCluster, PatchJob, Team};
use serde_json::{Value, json};

/// When it is in all tests.
pub(crate) fn now() -> Zoned {
    "2026-03-02T14:20:00+00:00[UTC]".parse().unwrap()
}

/// A job with this status.
pub(crate) fn job(status: &Value) -> PatchJob {
    serde_json::from_value(json!({
        "apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob",
        "metadata": {"name": "tumour-detector", "namespace": "pathology", "creationTimestamp": "2026-03-02T12:00:00Z"},
        "spec": {
            "command": ["true"], "activeDeadlineSeconds": 43200,
            "datasets": [{"name": "train", "slides": {"list": [{"url": "az://slides/a.svs"}]}, "batchSize": 256,
                "views": [{"name": "image", "size": 256, "level": 0}], "sampling": {"grid": {"stride": 256}}, "epochs": 10}],
            "clusterSpec": cluster_spec(),
        },
        "status": status,
    }))
    .unwrap()
}

fn cluster_spec() -> Value {
    json!({"profileName": "default",
        "head": {"image": "i", "resources": {"limits": {"cpu": 8, "nvidia.com/gpu": 2, "memory": "64Gi"}}},
        "workers": {"minReplicas": 2, "maxReplicas": 32, "resources": {"limits": {"cpu": 4, "memory": "4Gi"}}}})
}

/// A cluster of this name with this status.
pub(crate) fn cluster(name: &str, status: &Value) -> PatchCluster {
    let mut spec = cluster_spec();
    spec["activeDeadlineSeconds"] = json!(43_200);
    serde_json::from_value(json!({
        "apiVersion": "microtome.dev/v1alpha1", "kind": "PatchCluster",
        "metadata": {"name": name, "namespace": "pathology", "creationTimestamp": "2026-03-02T12:00:00Z"},
        "spec": spec, "status": status,
    }))
    .unwrap()
}

/// A team.
pub(crate) fn team(name: &str, parent: Option<&str>, spec: &Value, status: &Value) -> Team {
    let mut team = json!({"apiVersion": "microtome.dev/v1alpha1", "kind": "Team",
        "metadata": {"name": name}, "spec": spec, "status": status});
    if let Some(parent) = parent {
        team["spec"]["parentName"] = json!(parent);
    }
    serde_json::from_value(team).unwrap()
}

/// A condition `Ready`.
pub(crate) fn condition(reason: &str, status: &str, message: &str) -> Value {
    json!({"type": "Ready", "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-03-02T12:06:00Z"})
}

/// A job that runs.
pub(crate) fn running() -> PatchJob {
    job(&json!({
        "conditions": [condition("Running", "True", "11 of 11 workers ready")], "team": "pathology", "attempt": 1,
        "startTime": "2026-03-02T12:06:00Z",
        "progress": {"summary": "41%", "patches": 9_881_600, "patchesTotal": 24_064_000, "patchesPerSecond": 9600,
            "waitingPermille": 3, "workers": 11, "slides": 1204, "slidesQuarantined": 3,
            "batches": 38_600, "batchesAnEpoch": 9_400, "waitingFor": "storage 71 %, decode 22 %, network 7 %", "scaling": "wanted 11 = 1.10 × 9 600 / 960"},
    }))
}

/// Why `ablation-512` waits.
pub(crate) const TEAM_MAX: &str = "team pathology uses 8 of its max 8 nvidia.com/gpu, and this wants 2";

/// A place in the queue of 14, for want of two GPUs.
pub(crate) fn place(message: &str, position: u32) -> Value {
    json!({"summary": format!("{position}/14"), "position": position, "of": 14, "startsAt": "2026-03-02T15:40:00Z",
        "reason": "TeamMax", "message": message, "short": {"resource": "nvidia.com/gpu", "amount": "2"},
        "saidAt": "2026-03-02T12:06:00Z"})
}

/// A job that waits in this place. Its condition says what no screen is to be made of.
pub(crate) fn waits(place: &Value) -> PatchJob {
    let conditions = [condition("Queued", "False", "as told in status.queue")];
    let mut job = job(&json!({"conditions": conditions, "team": "pathology", "queue": place}));
    job.metadata.name = Some("ablation-512".to_owned());
    job
}

/// A job that waits for its team's quota.
pub(crate) fn queued() -> PatchJob {
    waits(&place(TEAM_MAX, 2))
}
