//! One attempt at one job, from its datasets to its end: the same in a head of its own and in a standing one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use microtome_slide::{SlideUrl, Stores};
use tokio::sync::oneshot;

use super::super::environment::{About, Environment};
use super::super::storage;
use super::super::store::Store;
use super::program::{Ended, Program};
use super::tail::Tail;
use super::{GRACE, saving, storing};
use crate::handoff::{HandedOff, Handoff};
use crate::head::{self, Door, Feed, Head, Mode, Order};
use crate::job::Job;
use crate::results::Results;

/// What an attempt is told besides its job.
#[derive(Clone, Debug, Default)]
pub(super) struct Setting {
    /// Counts from 1.
    pub(super) attempt: i32,
    pub(super) job_uid: Option<String>,
    /// What the program finds in its environment besides what every program does.
    pub(super) environment: BTreeMap<String, String>,
    /// The directory of the program's checkpoints.
    pub(super) checkpoints: Option<PathBuf>,
    /// The folder in storage to which they are copied.
    pub(super) checkpoints_url: Option<String>,
    /// How long storing the last ones may take.
    pub(super) checkpoints_patience: Duration,
}

/// An attempt.
pub(super) struct Attempt<'a> {
    pub(super) job: &'a Job,
    /// Without one the job's output is stored.
    pub(super) command: &'a [String],
    pub(super) setting: Setting,
    /// Bytes of patches that may be held.
    pub(super) memory: u64,
    /// Where workers come in.
    pub(super) door: &'a Door,
}

/// How it ended.
pub(super) struct Done {
    pub(super) ended: Ended,
    pub(super) head: Head,
}

impl Done {
    /// The stream's digest; empty where not all of it was read.
    pub(super) fn digest(&self) -> String {
        match &self.ended.handed {
            Some(HandedOff::Whole { digest }) => digest.clone(),
            _ => String::new(),
        }
    }
}

impl Attempt<'_> {
    /// Carries it out. `begun` is told the head as soon as there is one; when `until` is there the program is ended.
    pub(super) async fn run(
        &self,
        begun: impl FnOnce(&Head) -> Result<()>,
        until: impl Future<Output = ()>,
        tail: Option<&Tail>,
    ) -> Result<Done> {
        let stores = storage::stores();
        let stored = if self.command.is_empty() { places(self.job, &stores).await? } else { Vec::new() };
        let place = |index: usize| stored.get(index).and_then(|store: &Store| store.place().0);
        let mode = |index| Mode::Stream { selection: None, resume: place(index) };
        let origins = self.job.origins().enumerate();
        let mut orders: Vec<Order> = origins.map(|(index, origin)| Order { origin, mode: mode(index) }).collect();
        if !self.command.is_empty() {
            orders.extend(head::to_be_asked(&orders, self.memory));
        }
        let (head, feeds) = head::start(orders, self.memory)?;
        self.door.open(&head);
        begun(&head)?;
        let ended = if self.command.is_empty() {
            storing::store(feeds.into_iter().zip(stored), until).await?
        } else {
            self.run_program((&head, feeds), &stores, until, tail).await?
        };
        let done = Done { ended, head };
        let (exit_code, digest, patches) = (done.ended.exit_code, done.digest(), done.head.stats().patches);
        tracing::info!(exit_code, stream_digest = digest, patches, "program ended");
        Ok(done)
    }

    async fn run_program(
        &self,
        (head, feeds): (&Head, Vec<Feed>),
        stores: &Stores,
        until: impl Future<Output = ()>,
        tail: Option<&Tail>,
    ) -> Result<Ended> {
        let saved = self.setting.checkpoints.as_deref().zip(self.setting.checkpoints_url.as_deref());
        let saver = saved.map(|(directory, url)| saving::start(stores, directory, url)).transpose()?;
        let directory = tempfile::tempdir().context("no temporary directory for the program's socket")?;
        let handoff = Handoff::listen(directory.path()).context("no socket for the program")?;
        let results = self.results(directory.path())?;
        let environment = self.environment(handoff.path(), results.as_ref().map(|(results, _)| results.path()));
        let kept = environment.keep();
        let _kept = kept.inspect_err(|error| tracing::warn!(%error, "`microtome shell` will find no head"));
        let mut program = Program::start(self.command, &environment, tail)?;
        let output = self.job.object.spec.output.as_ref().map(|output| output.url.clone());
        let (closing, closed) = oneshot::channel();
        let handing = tokio::spawn(async move { handoff.serve((feeds, output), closed).await });
        let storing = results.map(|(results, folder)| tokio::spawn(results.serve(stores.clone(), folder)));
        let mut ended = program.attend((handing, closing), until, GRACE).await?;
        if let Some(storing) = storing {
            // A program that has ended hands nothing over.
            storing.abort();
        }
        if let Some(saver) = saver {
            // The workers need not wait for that.
            head.drain().await;
            ended.unsaved = saving::finish(saver, &ended, self.setting.checkpoints_patience).await?;
        }
        Ok(ended)
    }

    /// Where the program hands over its results, and where they go; nothing where the job has no output.
    fn results(&self, directory: &Path) -> Result<Option<(Results, SlideUrl)>> {
        let Some(output) = &self.job.object.spec.output else { return Ok(None) };
        let folder = SlideUrl::parse_prefix(&output.url).context("spec.output.url")?;
        Ok(Some((Results::listen(directory).context("no socket for the program's results")?, folder)))
    }

    /// What the program is told in its environment.
    fn environment(&self, feed: &Path, output: Option<&Path>) -> Environment {
        let Setting { attempt, job_uid, environment, checkpoints, .. } = &self.setting;
        let (job_uid, checkpoints) = (job_uid.as_deref(), checkpoints.as_deref());
        Environment::new(About { feed, output, job_uid, attempt: *attempt, checkpoints }).with(environment)
    }
}

/// Where the streams go if there is no program.
async fn places(job: &Job, stores: &Stores) -> Result<Vec<Store>> {
    let mut stored = Vec::new();
    for dataset in 0..job.recipes.len() {
        let store = Store::open(job, dataset, stores).await?;
        stored.push(store.context("no COMMAND was given, and the job has no spec.output to store")?);
    }
    Ok(stored)
}
