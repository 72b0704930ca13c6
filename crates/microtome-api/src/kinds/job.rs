//! PatchJob: a program, fed with patches. Written by the researcher.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use microtome_plan::dataset::Dataset;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cluster::PatchClusterSpec;
pub use super::output::{Encoding, Format, Output};

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
    printcolumn = r#"{"name":"Progress","type":"string","jsonPath":".status.progress.summary"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self == oldSelf", "message": "a PatchJob's spec cannot change; make a new job"},
    {"rule": "has(self.command) || has(self.output)", "message": "give command, output, or both"},
]))]
pub struct PatchJobSpec {
    /// The program and its arguments, run in the head's image. Without one the patches are stored, see `output`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub command: Option<Vec<String>>,
    /// Where patches are stored. With a command, the command may write there and does the storing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// How long the job may run.
    #[schemars(range(min = 1, max = 31_536_000))]
    pub active_deadline_seconds: i64,
    /// What the program reads: each dataset is a stream of its own, all by the same workers.
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub datasets: Vec<Dataset>,
    /// The cluster that is made for the job, and goes with it.
    pub cluster_spec: PatchClusterSpec,
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
    /// When the first head started.
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
    /// Patches a second since the last report.
    pub patches_per_second: i64,
    /// Of the time since the last report, how much the program waited for patches, in thousandths.
    pub waiting_permille: i32,
    /// Workers connected to the head.
    pub workers: i32,
    /// Slides that were left out.
    pub slides_quarantined: i32,
}
