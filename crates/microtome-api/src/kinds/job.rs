//! PatchJob: a program, fed with patches. Written by the researcher.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use microtome_plan::dataset::Dataset;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster::{PatchClusterSpec, QueueState};
pub use super::output::{Encoding, Format, Output};
pub use super::program::{Checkpoints, Package, Variable};

/// Runs a command that reads patches cut on the fly from whole-slide images.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "microtome.dev",
    version = "v1alpha1",
    kind = "PatchJob",
    plural = "patchjobs",
    namespaced,
    status = "JobStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Team","type":"string","jsonPath":".status.team"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Queue","type":"string","jsonPath":".status.queue.summary"}"#,
    printcolumn = r#"{"name":"Progress","type":"string","jsonPath":".status.progress.summary"}"#,
    printcolumn = r#"{"name":"Rate","type":"string","jsonPath":".status.progress.rate"}"#,
    printcolumn = r#"{"name":"Waiting","type":"string","jsonPath":".status.progress.waiting"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.command) == has(oldSelf.command) && \
        has(self.output) == has(oldSelf.output) && \
        has(self.package) == has(oldSelf.package) && \
        has(self.checkpoints) == has(oldSelf.checkpoints) && \
        has(self.env) == has(oldSelf.env) && \
        has(self.secretNames) == has(oldSelf.secretNames) && \
        has(self.clusterSpec) == has(oldSelf.clusterSpec) && \
        has(self.clusterName) == has(oldSelf.clusterName) && \
        has(self.managedBy) == has(oldSelf.managedBy) && \
        (!has(self.clusterSpec) || !has(oldSelf.clusterSpec) || self.clusterSpec.priority == oldSelf.clusterSpec.priority)",
     "message": "of a PatchJob's spec only suspend and ttlSecondsAfterFinished can change; make a new job"},
    {"rule": "has(self.command) || has(self.output)", "message": "give command, output, or both"},
    {"rule": "has(self.clusterSpec) != has(self.clusterName)", "message": "give clusterSpec or clusterName, not both"},
    {"rule": "!has(self.command) || !has(self.clusterSpec) || has(self.clusterSpec.head.image)",
     "message": "give clusterSpec.head.image, in which command runs", "fieldPath": ".clusterSpec.head"},
    {"rule": "!has(self.clusterSpec) || (!has(self.clusterSpec.activeDeadlineSeconds) && \
        !has(self.clusterSpec.idleTimeoutSeconds) && !has(self.clusterSpec.managedBy) && !self.clusterSpec.suspend)",
     "message": "deadline, suspend and managedBy of a job's own cluster are the job's; it has no idle time-out",
     "fieldPath": ".clusterSpec"},
    {"rule": "!has(self.clusterSpec) || self.clusterSpec.workers.minReplicas > 0",
     "message": "a job needs a worker to start with: minReplicas must be at least 1", "fieldPath": ".clusterSpec.workers"},
]))]
pub struct PatchJobSpec {
    /// The program and its arguments, run in the head's image. Without one the patches are stored, see `output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "it cannot change; make a new job"}]))]
    pub command: Option<Vec<String>>,
    /// Where patches are stored. With a command, the command may write there and does the storing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// How long the job may run.
    #[schemars(range(min = 1, max = 31_536_000), extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "it cannot change; make a new job"}]))]
    pub active_deadline_seconds: i64,
    /// What the program reads: each dataset is a stream of its own, all by the same workers.
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"],
        "x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "it cannot change; make a new job"}]))]
    pub datasets: Vec<Dataset>,
    /// A module of yours that is not in the image: put before all others on Python's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
    /// A place that outlives attempts; its path is in MICROTOME_CHECKPOINTS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<Checkpoints>,
    /// Environment of the program.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"],
        "x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "it cannot change; make a new job"}]))]
    pub env: Vec<Variable>,
    /// Secrets of this namespace, each key of which becomes a variable of the program's environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")),
        extend("x-kubernetes-list-type" = "set", "x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "it cannot change; make a new job"}]))]
    pub secret_names: Vec<String>,
    /// The cluster that is made for the job, and goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_spec: Option<PatchClusterSpec>,
    /// A standing PatchCluster of this namespace, on which jobs run one after another, first come first served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "it cannot change; make a new job"}]))]
    pub cluster_name: Option<String>,
    /// How often the program may fail and is started again, as a new attempt. What the cluster does to it (a node lost,
    /// an eviction) does not count.
    #[serde(default = "default_backoff_limit")]
    #[schemars(range(min = 0, max = 100), extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "it cannot change; make a new job"}]))]
    pub backoff_limit: i32,
    /// How long an ended job, its pods and their logs are kept. Not given: until somebody deletes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub ttl_seconds_after_finished: Option<i64>,
    /// Takes the job out of the queue, or ends its pods; it goes on with a new attempt when this is false again.
    #[serde(default)]
    pub suspend: bool,
    /// Who says when the job may start, by `suspend`. Not given: Microtome's own queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "it cannot change; make a new job"}]))]
    pub managed_by: Option<String>,
}

fn default_backoff_limit() -> i32 {
    3
}

/// What the operator says of a PatchJob.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobStatus {
    /// `Ready`, `Admitted`, then `Complete` or `Failed`; `Stalled` where nothing will change by itself.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The generation that the conditions speak of.
    pub observed_generation: Option<i64>,
    /// The team that the namespace belongs to.
    pub team: Option<String>,
    /// The newest attempt; counts from 1.
    #[serde(default)]
    pub attempt: i32,
    /// Attempts that failed by themselves; more than `backoffLimit` end the job.
    #[serde(default)]
    pub failures: i32,
    /// On a standing cluster: which of its heads runs this attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_attempt: Option<i32>,
    /// On a standing cluster: before this, the next attempt is not made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt_time: Option<Time>,
    /// While it waits for its team's turn: its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueState>,
    /// When the program first started.
    pub start_time: Option<Time>,
    /// When the job ended.
    pub completion_time: Option<Time>,
    /// The program's exit code.
    pub exit_code: Option<i32>,
    /// How far the program has come.
    pub progress: Option<Progress>,
    /// SHA-256 of all patches in the order in which the program got them, as `microtome run` prints it.
    pub stream_digest: Option<String>,
}

/// How far the program has come, as its head reports it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// For people, say `41%`.
    pub summary: String,
    /// Patches handed to the program, over all epochs.
    pub patches: i64,
    /// Patches of all epochs.
    pub patches_total: i64,
    /// Patches a second since the last report, for people: `9.6k/s`. Nothing of a job that has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<String>,
    /// How much the program waited since then, for people: `0.3%`. Nothing of a job that has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// Patches a second since the last report.
    pub patches_per_second: i64,
    /// Of the time since the last report, how much the program waited for patches, in thousandths.
    pub waiting_permille: i32,
    /// Workers connected to the head.
    pub workers: i32,
    /// Batches handed to the program, over all epochs.
    #[serde(default)]
    pub batches: i64,
    /// Batches of one epoch.
    #[serde(default)]
    pub batches_an_epoch: i64,
    /// How far it is in each dataset that is read as a stream.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub datasets: Vec<DatasetProgress>,
    /// What the program waited for since its start, the most first: `storage 71 %, decode 22 %, network 7 %`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// Slides that could be read.
    #[serde(default)]
    pub slides: i32,
    /// Slides that were left out.
    pub slides_quarantined: i32,
    /// Of those, the first few and why: with the file, and the offset in it where there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 512)))]
    pub quarantined: Vec<String>,
    /// How many workers are wanted, and why: `wanted 11 = 1.10 × 9 600 / 960`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<String>,
}

/// How far the program is in a dataset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatasetProgress {
    /// The dataset's name.
    pub name: String,
    /// The epoch that it reads; counts from 1.
    pub epoch: i64,
    /// Batches that it got, over all epochs, those before its checkpoint included.
    pub batch: i64,
    /// Batches of all epochs.
    pub of: i64,
}
