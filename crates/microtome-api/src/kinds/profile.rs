//! PatchProfile: what a tenant must not choose. Cluster-scoped, written by the platform admin.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;

/// Storage, identity and images of the clusters that name this profile.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "microtome.dev",
    version = "v1alpha1",
    kind = "PatchProfile",
    plural = "patchprofiles",
    derive = "PartialEq",
    printcolumn = r#"{"name":"ServiceAccount","type":"string","jsonPath":".spec.serviceAccountName"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchProfileSpec {
    /// All that a dataset, an output or a checkpoint may name.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["url"]))]
    pub locations: Vec<Location>,
    /// The service account of the workers, in each team's namespace; there it carries the identity that storage trusts.
    #[serde(default = "default_service_account")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: String,
    /// For storage without workload identity: a Secret in each team's namespace, given to the workers alone.
    pub storage_secret: Option<StorageSecret>,
    /// The images that a head may run.
    #[serde(default)]
    pub images: Images,
    /// User and group of head and workers.
    #[serde(default)]
    pub security_context: PodIdentity,
    /// Where pods may connect to, besides each other, the operator and DNS: `CIDR:PORT`, or `CIDR` for every port. Storage
    /// is among it. The cloud's metadata address is never reached.
    #[serde(default = "default_egress")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 64),
        regex(pattern = r"^([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2}(:[0-9]{1,5})?$")), extend("x-kubernetes-list-type" = "set"))]
    pub egress: Vec<String>,
    /// Where heads run, and how large they may be.
    #[serde(default)]
    pub head: HeadCaps,
    /// Where workers run, how large they may be, and how many.
    #[serde(default)]
    pub workers: WorkerCaps,
}

/// Where heads run, and how large they may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeadCaps {
    /// Pools of the operator's settings, by name, the first preferred. Empty: all there are, in their order.
    #[serde(default)]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub pools: Vec<String>,
    /// The resource that tells a head with a GPU from one without; the latter runs where workers do.
    #[serde(default = "default_gpu")]
    #[schemars(length(min = 1, max = 253))]
    pub gpu_resource_name: String,
    /// The most that a head may ask for; what is not named is not limited.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 64))]
    pub max_resources: BTreeMap<String, Quantity>,
}

/// Where workers run, how large they may be, and how many.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerCaps {
    /// Pools of the operator's settings, by name, the first preferred. Empty: all there are, in their order.
    #[serde(default)]
    #[schemars(length(max = 16), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub pools: Vec<String>,
    /// The most that a worker may ask for; what is not named is not limited.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 64))]
    pub max_resources: BTreeMap<String, Quantity>,
    /// The most workers that a cluster may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub max_replicas: Option<i32>,
}

impl Default for HeadCaps {
    fn default() -> Self {
        Self { pools: Vec::new(), gpu_resource_name: default_gpu(), max_resources: BTreeMap::new() }
    }
}

fn default_gpu() -> String {
    "nvidia.com/gpu".to_owned()
}

fn default_egress() -> Vec<String> {
    vec!["0.0.0.0/0:443".to_owned()]
}

/// A place in storage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Location {
    /// A URL that ends in `/`; everything under it is allowed.
    #[schemars(length(min = 1, max = 1024), extend("x-kubernetes-validations" = [
        {"rule": "self.endsWith('/')", "message": "a location ends in /"},
        {"rule": "!self.contains('?')", "message": "a location must not hold a query or a key"},
    ]))]
    pub url: String,
    /// What may be done there.
    pub access: Access,
}

/// What may be done at a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Access {
    /// Datasets read there.
    ReadOnly,
    /// Datasets read and jobs write there.
    ReadWrite,
}

/// A Secret whose keys are environment variables of the storage client, say `AZURE_STORAGE_ACCOUNT_KEY`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StorageSecret {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The images that a head may run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Images {
    /// Prefixes; an image that starts with none of them is refused. Empty: every image is allowed.
    #[serde(default)]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "set"))]
    pub allowed: Vec<String>,
    /// Secrets of the team's namespace with which images are pulled.
    #[serde(default)]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub pull_secrets: Vec<PullSecret>,
}

/// A Secret with which images are pulled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullSecret {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// User and group of a pod's processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodIdentity {
    /// The user id; never root.
    #[schemars(range(min = 1))]
    pub run_as_user: i64,
    /// The group that owns the pod's volumes.
    #[schemars(range(min = 1))]
    pub fs_group: i64,
}

impl Default for PodIdentity {
    /// 65532 is the `nonroot` user of the common minimal images.
    fn default() -> Self {
        Self { run_as_user: 65532, fs_group: 65532 }
    }
}

fn default_service_account() -> String {
    "default".to_owned()
}
