//! What a job's program finds around it: a module, a place for checkpoints, environment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A module that is not in the image: a tar, as `kubectl microtome submit --package DIR` makes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.configMapName) != has(self.url)", "message": "give configMapName or url, not both"},
    {"rule": "self == oldSelf", "message": "it cannot change; make a new job"},
]))]
pub struct Package {
    /// SHA-256 of the tar, hexadecimal; another tar is refused.
    #[schemars(length(min = 64, max = 64), regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: String,
    /// A ConfigMap of this namespace with the tar in `binaryData` under `package.tar`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub config_map_name: Option<String>,
    /// The tar in storage, inside the profile's locations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), extend("x-kubernetes-validations" = [
        {"rule": "!self.contains('?')", "message": "a package's URL must not hold a query or a key"},
    ]))]
    pub url: Option<String>,
}

/// A place that outlives attempts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.claimName) != has(self.url)", "message": "give claimName or url, not both"},
    {"rule": "self == oldSelf", "message": "it cannot change; make a new job"},
]))]
pub struct Checkpoints {
    /// A PersistentVolumeClaim of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub claim_name: Option<String>,
    /// A folder in storage, inside a ReadWrite location of the profile: complete files are copied there while the program
    /// runs, and are there again for the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), extend("x-kubernetes-validations" = [
        {"rule": "!self.contains('?')", "message": "a checkpoint's URL must not hold a query or a key"},
    ]))]
    pub url: Option<String>,
}

/// A variable of the program's environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!self.name.startsWith('MICROTOME_')", "message": "names that begin with MICROTOME_ are Microtome's"},
    {"rule": "!self.name.startsWith('LD_')", "message": "LD_ variables would change Microtome's own head; set them in your command"},
]))]
pub struct Variable {
    /// Its name.
    #[schemars(length(min = 1, max = 128), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Its value, as it is written: `$(NAME)` is not replaced.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    pub value: String,
}
