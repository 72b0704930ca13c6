//! The output of a job that is run without a program: its stream, stored.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use microtome_plan::checkpoint::Checkpoint;
use microtome_slide::Stores;
use serde::Serialize;

use super::format::{bytes, count};
use crate::digest::StreamDigest;
use crate::error::FeedError;
use crate::head::Batch;
use crate::job::Job;
use crate::sink::output::Output;
use crate::sink::web_dataset::{Spec, WebDataset, of_batch};

/// An output.
#[derive(Debug)]
pub(super) struct Store {
    sink: WebDataset,
}

/// What an output holds, for programs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Stored {
    url: String,
    shards: u64,
    patches: u64,
    bytes: u64,
}

impl Store {
    /// The output that a job asks for of a dataset; `None` if it asks for none.
    pub(super) async fn open(job: &Job, dataset: usize, stores: &Stores) -> Result<Option<Self>> {
        let Some(written) = &job.object.spec.output else { return Ok(None) };
        let output = Output::parse(written).with_context(|| job.path.display().to_string())?;
        let spec = Spec::new(&job.object.spec.datasets[dataset], &output);
        let sink = WebDataset::open(stores.clone(), output, &job.recipes[dataset].name, spec).await?;
        Ok(Some(Self { sink }))
    }

    /// Where the stream goes on, and the patches and the digest before.
    pub(super) fn place(&self) -> (Option<Checkpoint>, u64, StreamDigest) {
        (self.sink.checkpoint().cloned(), self.sink.patches(), self.sink.digest().clone())
    }

    pub(super) fn is_finished(&self) -> bool {
        self.sink.is_finished()
    }

    /// Stores a batch; `digest` is that of the stream up to its end.
    pub(super) async fn add(&mut self, batch: &Batch, digest: &StreamDigest) -> Result<()> {
        let checkpoint = batch.checkpoint.clone().context("a stored stream is a planned one")?;
        let records = of_batch(batch, self.sink.patches());
        Ok(self.sink.add(records, (checkpoint, digest)).await?)
    }

    /// At the stream's end.
    pub(super) async fn finish(&mut self) -> Result<()> {
        Ok(self.sink.finish().await?)
    }

    /// Before it.
    pub(super) async fn abort(&mut self) -> Result<()> {
        Ok(self.sink.abort().await?)
    }

    /// An error of the feed; one of another stream says whose.
    pub(super) fn explain(&self, error: FeedError) -> anyhow::Error {
        let stale = matches!(error, FeedError::Checkpoint(_));
        let error = anyhow::Error::new(error);
        if !stale {
            return error;
        }
        let folder = self.sink.written().folder;
        error.context(format!("{folder}: holds the output of another job; give another spec.output.url, or remove it"))
    }

    /// For people, in one line.
    pub(super) fn line(&self) -> String {
        let Stored { url, shards, patches, bytes: size } = self.stored();
        let (shards, patches) = (count(shards, "shard"), count(patches, "patch"));
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = write!(text, "{patches} in {shards}, {}, in {url}", bytes(size));
        text
    }

    pub(super) fn stored(&self) -> Stored {
        let written = self.sink.written();
        Stored {
            url: written.folder.to_string(),
            shards: written.shards,
            patches: written.patches,
            bytes: written.bytes,
        }
    }
}
