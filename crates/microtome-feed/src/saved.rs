//! Where a stream that no program reads was left, to go on from in another process: a file of some 500 bytes.

use std::io;
use std::path::{Path, PathBuf};

use microtome_plan::checkpoint::Checkpoint;
use serde::{Deserialize, Serialize};

use crate::digest::StreamDigest;
use crate::file;

/// Of the file's form.
const VERSION: u32 = 1;

/// What was read so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saved {
    version: u32,
    /// The next batch.
    pub checkpoint: Checkpoint,
    /// Patches before it.
    pub patches: u64,
    /// Batches before it.
    pub batches: u64,
    /// The digest of all of them.
    pub digest: StreamDigest,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// It cannot be read or written.
    #[error("{}: cannot be {operation}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// It is no checkpoint of a run.
    #[error("{}: is no checkpoint that this version wrote: {problem}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where in the text.
        problem: String,
    },
}

impl SavedError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::File { .. } => "Storage",
            Self::Parse { .. } => "CheckpointMismatch",
        }
    }
}

impl Saved {
    /// The place before `checkpoint`.
    pub fn new(checkpoint: Checkpoint, (patches, batches): (u64, u64), digest: StreamDigest) -> Self {
        Self { version: VERSION, checkpoint, patches, batches, digest }
    }

    /// From JSON; the text says what is wrong with it.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let saved: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if saved.version == VERSION { Ok(saved) } else { Err(format!("it has version {}", saved.version)) }
    }

    /// Reads a file; `None` if there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, SavedError> {
        let json = match std::fs::read(path) {
            Ok(json) => json,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SavedError::File { path: path.to_owned(), operation: "read", source }),
        };
        Self::parse(&json).map(Some).map_err(|problem| SavedError::Parse { path: path.to_owned(), problem })
    }

    /// Writes the file in place of the one before, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), SavedError> {
        let mut json = serde_json::to_vec(self).expect("a place is plain data");
        json.push(b'\n');
        let failed = |source| SavedError::File { path: path.to_owned(), operation: "written", source };
        file::replace(path, &json).map_err(failed)
    }
}
