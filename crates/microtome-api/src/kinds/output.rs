//! Where a job's patches are stored, and how.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Quantity;

/// Patches in files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!has(self.quality) || self.encoding == 'JPEG'", "message": "quality is of JPEG; PNG loses nothing"},
    {"rule": "self == oldSelf", "message": "it cannot change; make a new job"},
]))]
pub struct Output {
    /// The folder: `az://CONTAINER/PATH/`, `s3://BUCKET/PATH/`, `gs://BUCKET/PATH/`, or, without a cluster, a path. Never
    /// with a key (`?sig=`).
    #[schemars(length(min = 1, max = 1024), extend("x-kubernetes-validations" = [
        {"rule": "!self.contains('?')", "message": "an output's URL must not hold a query or a key"},
    ]))]
    pub url: String,
    /// The files' form.
    pub format: Format,
    /// A file is closed with the batch that makes it this large; from 1Mi to 32Gi.
    #[serde(default = "default_shard_size")]
    pub shard_size: Quantity,
    /// How a patch is stored.
    #[serde(default)]
    pub encoding: Encoding,
    /// JPEG's quality; 90 unless given. Colours are not subsampled from 90 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub quality: Option<u8>,
}

/// The files' form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Format {
    /// Tar files `DATASET-000000.tar`, in which a patch is one picture a view and a JSON file of the same name.
    WebDataset,
}

/// How a patch is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Encoding {
    /// Small; loses a little.
    #[default]
    JPEG,
    /// Exactly the pixels.
    PNG,
}

fn default_shard_size() -> Quantity {
    Quantity("1Gi".to_owned())
}
