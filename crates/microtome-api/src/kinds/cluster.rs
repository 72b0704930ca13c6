//! PatchCluster: a head and its workers. The unit of admission.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;

/// A head pod and the workers that cut patches for it.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "microtome.dev",
    version = "v1alpha1",
    kind = "PatchCluster",
    plural = "patchclusters",
    namespaced,
    status = "ClusterStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Queue","type":"string","jsonPath":".status.queue.summary"}"#,
    printcolumn = r#"{"name":"Workers","type":"integer","jsonPath":".status.workersReady"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
// What was admitted is what is charged, so what is charged cannot change.
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.activeDeadlineSeconds) == has(oldSelf.activeDeadlineSeconds) && \
        has(self.managedBy) == has(oldSelf.managedBy)",
     "message": "of a PatchCluster's spec only suspend, priority and idleTimeoutSeconds can change; make a new one"},
]))]
pub struct PatchClusterSpec {
    /// The platform's profile: storage, identity, images. The team must be allowed to use it.
    #[schemars(length(min = 1, max = 253), extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "it cannot change; make a new one"}]))]
    pub profile_name: String,
    /// The pod in which the program runs.
    pub head: HeadSpec,
    /// The pods that cut patches.
    pub workers: WorkerSpec,
    /// How long the head may run; the apiserver's own limit, so it holds while the operator is away.
    #[schemars(range(min = 1, max = 31_536_000), extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "it cannot change; make a new one"}]))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<i64>,
    /// Of a standing cluster: how long it stays without a job, before it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 31_536_000))]
    pub idle_timeout_seconds: Option<i64>,
    /// Who of one team starts first: the higher. Between teams it says nothing.
    #[serde(default)]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// Takes the cluster out of the queue, or ends its pods and gives its quota back.
    #[serde(default)]
    pub suspend: bool,
    /// Who says when the cluster may start, by `suspend`. Not given: Microtome's own queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "it cannot change; make a new one"}]))]
    pub managed_by: Option<String>,
}

/// The pod in which the program runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self == oldSelf", "message": "it cannot change; make a new one"},
]))]
pub struct HeadSpec {
    /// The program's image. Nothing of Microtome's needs to be in it. Without a program, none is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,
    /// What the head needs.
    pub resources: Resources,
}

/// The pods that cut patches: stateless, any of them may die at any time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.minReplicas <= self.maxReplicas", "message": "minReplicas must not exceed maxReplicas"},
    {"rule": "self == oldSelf", "message": "it cannot change; make a new one"},
]))]
pub struct WorkerSpec {
    /// Admitted with the head, all or nothing. None only on a standing cluster.
    #[schemars(range(min = 0, max = 1000))]
    pub min_replicas: i32,
    /// The most there may be.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: i32,
    /// What each worker needs.
    pub resources: Resources,
}

/// A container's resources; requests equal limits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resources {
    /// Say `cpu: 4`, `memory: 16Gi`, `nvidia.com/gpu: 1`.
    #[schemars(extend("maxProperties" = 16))]
    pub limits: BTreeMap<String, Quantity>,
}

/// What the operator says of a PatchCluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// `Ready`, `Admitted`, and `Stalled` where nothing will change by itself.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The generation that the conditions speak of.
    pub observed_generation: Option<i64>,
    /// The team that the namespace belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// While it waits for its team's turn: its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueState>,
    /// When the first head was made; the deadline counts from here.
    pub start_time: Option<Time>,
    /// The newest head.
    pub head: Option<HeadState>,
    /// Heads that failed by themselves.
    #[serde(default)]
    pub failures: i32,
    /// Workers that are ready.
    #[serde(default)]
    pub workers_ready: i32,
    /// Of a standing cluster: the job that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_job: Option<String>,
    /// Of a standing cluster: since when it has had no job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_since: Option<Time>,
}

/// A place in a team's queue, and why it waits there. What waits for something else has none: its conditions say what for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueState {
    /// For people: `2/14`, or `>10`.
    pub summary: String,
    /// The place among those of the team that wait; counts from 1. Only the first ten are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i32>,
    /// How many of the team wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<i32>,
    /// About when it starts, if nobody else comes and everybody takes the declared time; to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_at: Option<Time>,
    /// Its place is reserved: it starts then at the latest, to the minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_at: Option<Time>,
    /// The first thing in its way, as one word: `TeamMax`, `TeamRunning`, `Short`, `NoFit`, `Behind`, `Next`.
    pub reason: String,
    /// The same in words: `team a uses 8 of its max 8 nvidia.com/gpu, and this wants 2`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The same as an amount, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<Short>,
    /// When this was said. It is said anew after 30 seconds at the earliest, unless the reason is another.
    pub said_at: Time,
}

/// A resource of which there is too little.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Short {
    /// Say `nvidia.com/gpu`.
    pub resource: String,
    /// How much is missing. With so much less in use, or so much more allowed, this would not be in its way.
    pub amount: Quantity,
}

/// One attempt's head pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeadState {
    /// Counts from 1.
    pub attempt: i32,
    /// The pod's name.
    pub pod_name: String,
    /// Set once the head has ended: why, as one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// Set once the head has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<Time>,
    /// The program's exit code, where it ended by itself.
    pub exit_code: Option<i32>,
    /// Why the head ended, or the last lines it wrote.
    pub message: Option<String>,
}
