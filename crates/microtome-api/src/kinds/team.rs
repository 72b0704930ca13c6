//! Team: whose namespaces share a quota. Cluster-scoped, written by the platform admin.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;

/// A research team: the namespaces it works in and what it may use at once.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "microtome.dev",
    version = "v1alpha1",
    kind = "Team",
    plural = "teams",
    status = "TeamStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Share","type":"string","jsonPath":".status.share"}"#,
    printcolumn = r#"{"name":"Fair","type":"string","jsonPath":".status.fairShare"}"#,
    printcolumn = r#"{"name":"Running","type":"integer","jsonPath":".status.running"}"#,
    printcolumn = r#"{"name":"Queued","type":"integer","jsonPath":".status.queued"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TeamSpec {
    /// The team that this one is a part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub parent_name: Option<String>,
    /// How much of the cluster the team gets over time, beside its siblings. 0: only what nobody else wants.
    #[serde(default = "default_weight")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub weight: i64,
    /// The namespaces whose jobs are this team's. A namespace belongs to one team: the older Team wins.
    #[serde(default)]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "set"))]
    pub namespaces: Vec<String>,
    /// The PatchProfiles that the team's clusters may name.
    #[serde(default)]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub profiles: Vec<String>,
    /// The most that the team's running clusters use together; any resource that a pod can ask for. What is not named is
    /// not limited.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 64))]
    pub max: BTreeMap<String, Quantity>,
    /// What the team can count on: it comes first up to here, and only what it uses beyond is borrowed.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 64))]
    pub guarantee: BTreeMap<String, Quantity>,
    /// Bounds on the team's jobs.
    #[serde(default)]
    pub job_limits: JobLimits,
}

fn default_weight() -> i64 {
    1
}

/// Bounds on a team's jobs; what is not given is not bounded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JobLimits {
    /// Clusters that run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_running: Option<i32>,
    /// Clusters that wait at once; what comes beyond is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub max_queued: Option<i32>,
    /// The longest `activeDeadlineSeconds` of a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 31_536_000))]
    pub max_active_deadline_seconds: Option<i64>,
}

/// What the operator says of a Team.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamStatus {
    /// `Ready`.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The generation that the conditions speak of.
    pub observed_generation: Option<i64>,
    /// What the team's admitted clusters use now.
    #[serde(default)]
    pub used: BTreeMap<String, Quantity>,
    /// The part of the cluster that the team has used of late, of its most used resource: `0.61`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// `share` forgets half of what was used in this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_life_seconds: Option<i64>,
    /// The part that its weight gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fair_share: Option<String>,
    /// Admitted clusters.
    #[serde(default)]
    pub running: i32,
    /// Clusters that wait.
    #[serde(default)]
    pub queued: i32,
}
