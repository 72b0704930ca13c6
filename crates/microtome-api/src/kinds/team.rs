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
    printcolumn = r#"{"name":"Running","type":"integer","jsonPath":".status.running"}"#,
    printcolumn = r#"{"name":"Queued","type":"integer","jsonPath":".status.queued"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TeamSpec {
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
    pub max: BTreeMap<String, Quantity>,
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
    /// Admitted clusters.
    #[serde(default)]
    pub running: i32,
    /// Clusters that wait.
    #[serde(default)]
    pub queued: i32,
}
