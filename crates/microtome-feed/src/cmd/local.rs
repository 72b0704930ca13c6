//! What the verbs without a cluster share: a job's file, a head, and workers in this process.

use std::path::PathBuf;
use std::thread::available_parallelism;

use anyhow::Result;
use clap::Args;
use microtome_plan::checkpoint::Checkpoint;
use microtome_slide::Stores;

use crate::engine::{self, Engine};
use crate::head::{self, Feed, Head, Options};
use crate::job::Job;

/// Enough for batches of 256 patches of 256 px with room to work ahead.
pub(super) const DEFAULT_MEMORY: &str = "256Mi";

/// A job to do in this process.
#[derive(Debug, Args)]
pub(super) struct LocalArgs {
    /// The job's file: a PatchJob as YAML or JSON.
    pub(super) file: PathBuf,
    /// Workers in this process, one thread each [default: one a core].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    workers: Option<u16>,
    /// Patches held in memory at most, say 512Mi or 4Gi.
    #[arg(long, value_name = "SIZE", default_value = DEFAULT_MEMORY, value_parser = parse_memory)]
    pub(super) memory: u64,
}

/// A head and its workers in this process.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) job: Job,
    pub(super) head: Head,
    pub(super) feed: Feed,
    pub(super) workers: usize,
    _engine: Engine,
}

impl LocalArgs {
    /// Starts head and workers, from `resume` on if given; must be called on a runtime.
    pub(super) fn start(&self, resume: Option<Checkpoint>) -> Result<Local> {
        let job = Job::read(&self.file)?;
        let workers = self.workers.map_or_else(cores, usize::from);
        let (head, feed) = head::start(&job, Options { budget: self.memory, resume })?;
        let engine = engine::embed(&head, &Stores::from_env(), workers)?;
        Ok(Local { job, head, feed, workers, _engine: engine })
    }
}

/// The cores that this process may use; a container's limit counts.
pub(super) fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// A size as Kubernetes writes it.
pub(super) fn parse_memory(text: &str) -> Result<u64, String> {
    let milli = microtome_api::quantity::Quantity(text.to_owned()).milli().map_err(|error| error.to_string())?;
    u64::try_from(milli / 1000).map_err(|_| format!("{text:?} is too large"))
}
