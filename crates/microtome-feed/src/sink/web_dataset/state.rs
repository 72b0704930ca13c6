//! How far an output is: a small file beside the shards.

use microtome_plan::checkpoint::Checkpoint;
use serde::{Deserialize, Serialize};

use super::Spec;
use crate::digest::StreamDigest;

/// Of the file's form.
const VERSION: u32 = 1;

/// What is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct State {
    version: u32,
    /// Whole shards.
    pub shards: u64,
    /// Patches in them.
    pub patches: u64,
    /// Batches in them.
    pub batches: u64,
    /// Their sizes together.
    pub bytes: u64,
    /// Where the stream goes on; `None` before the first shard.
    pub checkpoint: Option<Checkpoint>,
    /// The digest of what is stored.
    pub digest: StreamDigest,
    /// Whether all of the stream is stored; then its digest in hexadecimal.
    pub finished: Option<String>,
    /// Of what this is an output.
    pub spec: Spec,
}

impl State {
    /// Nothing is stored yet.
    pub(super) fn new(spec: Spec) -> Self {
        Self {
            version: VERSION,
            shards: 0,
            patches: 0,
            batches: 0,
            bytes: 0,
            checkpoint: None,
            digest: StreamDigest::default(),
            finished: None,
            spec,
        }
    }

    pub(super) fn parse(json: &[u8]) -> Result<Self, String> {
        let state: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if state.version == VERSION { Ok(state) } else { Err(format!("it has version {}", state.version)) }
    }
}
