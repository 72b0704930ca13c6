//! Objects of the namespace `pathology`.

use serde_json::{Value, json};

pub(crate) const NAMESPACE: &str = "pathology";
pub(crate) const JOBS: &str = "/apis/microtome.dev/v1alpha1/namespaces/pathology/patchjobs";

/// A job with so many slides.
pub(crate) fn job(name: &str, slides: usize) -> Value {
    let list: Vec<_> = (0..slides)
        .map(|index| json!({"url": format!("az://slides/folder/with/a/long/name/{index:06}.svs")}))
        .collect();
    let resources = json!({"limits": {"cpu": 4, "memory": "4Gi"}});
    json!({
        "apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob",
        "metadata": {"name": name, "namespace": NAMESPACE, "creationTimestamp": "2026-03-02T12:00:00Z"},
        "spec": {
            "command": ["true"], "activeDeadlineSeconds": 43200,
            "datasets": [{"name": "train", "slides": {"list": list}, "batchSize": 16,
                "views": [{"name": "image", "size": 256, "level": 0}], "sampling": {"grid": {"stride": 256}}}],
            "clusterSpec": {"profileName": "default", "head": {"image": "i", "resources": resources},
                "workers": {"minReplicas": 1, "maxReplicas": 4, "resources": resources}},
        },
        "status": {"team": "pathology", "conditions": [condition("Ready", "Queued", "False", "see status.queue")], "queue": place()},
    })
}

/// A place in the queue of its team.
pub(crate) fn place() -> Value {
    json!({"summary": "1/3", "position": 1, "of": 3, "reason": "TeamMax", "saidAt": "2026-03-02T12:06:00Z",
        "message": "team pathology uses 8 of its max 8 cpu, and this wants 8", "short": {"resource": "cpu", "amount": "8"}})
}

pub(crate) fn condition(kind: &str, reason: &str, status: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": "2026-03-02T12:06:00Z"})
}

/// The status of a job that runs its first attempt.
pub(crate) fn running() -> Value {
    json!({"team": "pathology", "attempt": 1, "startTime": "2026-03-02T12:06:00Z",
        "conditions": [condition("Ready", "Running", "True", "1 of 1 workers ready")],
        "progress": {"summary": "50%", "patches": 80, "patchesTotal": 160, "patchesPerSecond": 8, "waitingPermille": 3,
            "workers": 1, "slides": 4, "slidesQuarantined": 1, "batches": 5, "batchesAnEpoch": 10,
            "quarantined": ["Truncated: az://slides/b.svs: ends at byte 4711"]}})
}

/// The status of a job that ended with this code.
pub(crate) fn ended(code: i32, attempt: i32) -> Value {
    let (kind, reason, on) = if code == 0 { ("Complete", "Complete", "True") } else { ("Failed", "Failed", "False") };
    json!({"team": "pathology", "attempt": attempt, "exitCode": code, "startTime": "2026-03-02T12:06:00Z",
        "completionTime": "2026-03-02T12:07:00Z",
        "conditions": [condition("Ready", reason, on, &format!("exit code {code}: boom")), condition(kind, reason, "True", "")]})
}

/// The cluster of a job that runs.
pub(crate) fn cluster(name: &str) -> Value {
    let mut cluster = job(name, 1);
    cluster["kind"] = json!("PatchCluster");
    cluster["spec"] = cluster["spec"]["clusterSpec"].take();
    cluster["spec"]["activeDeadlineSeconds"] = json!(43_200);
    cluster["status"] = json!({"startTime": "2026-03-02T12:06:00Z", "workersReady": 1,
        "head": {"attempt": 1, "podName": format!("{name}-head-1")},
        "conditions": [condition("Ready", "Running", "True", "")]});
    cluster
}

/// A pod that runs, a worker or a head.
pub(crate) fn pod(name: &str, cluster: &str, role: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE,
        "labels": {"microtome.dev/cluster": cluster, "microtome.dev/role": role}}, "status": {"phase": "Running"}})
}

/// A team.
pub(crate) fn team(name: &str) -> Value {
    json!({"apiVersion": "microtome.dev/v1alpha1", "kind": "Team", "metadata": {"name": name},
        "spec": {"namespaces": [name], "max": {"nvidia.com/gpu": 8}},
        "status": {"used": {"nvidia.com/gpu": 3}, "share": "0.61", "fairShare": "0.50", "running": 1, "queued": 2}})
}
