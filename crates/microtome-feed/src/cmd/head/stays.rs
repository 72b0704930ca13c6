//! A head that stays: it takes one job after another from the operator, runs each to its end, and says how that was.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::{Context, Result};
use futures::FutureExt;
use microtome_api::mount;
use tokio::sync::watch;

use super::super::format;
use super::super::interrupt::Interrupt;
use super::attempt::{Attempt, Setting};
use super::orphans;
use super::tail::Tail;
use crate::control::Outcome;
use crate::control::standing::{self, Ended, Line, Run, Work};
use crate::head::Door;
use crate::job::Job;

/// The exit code of a run that could not be begun, or broke off.
const BROKEN: i32 = 1;

/// What does not change between jobs.
pub(super) struct Standing {
    pub(super) line: Line,
    pub(super) door: Door,
    /// Bytes of patches that may be held.
    pub(super) memory: u64,
}

impl Standing {
    /// Works until it is told to stop.
    pub(super) async fn run(&self) -> Result<ExitCode> {
        let mut interrupt = Interrupt::watch()?;
        orphans::adopt()?;
        let mut desired = self.line.desired();
        // What is done is never done again, whatever is said; a few words each, for the life of a pod.
        let mut done: BTreeSet<Run> = BTreeSet::new();
        loop {
            let work = tokio::select! {
                work = next(&mut desired, &done) => work?,
                _ = interrupt.told() => return Ok(ExitCode::SUCCESS),
            };
            done.insert(work.run.clone());
            self.work(&work, &desired).await;
            if interrupt.told().now_or_never().is_some() {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }

    async fn work(&self, work: &Work, desired: &watch::Receiver<Option<Work>>) {
        let Run { job_uid, attempt } = &work.run;
        tracing::info!(job_uid, attempt, "job begun");
        let tail = Tail::default();
        let ran = self.attempt(work, desired.clone(), &tail).await;
        self.door.close().await;
        orphans::end().await;
        let lines = tail.lines().await;
        let ended = match ran {
            Ok(ended) => Ended { output: lines, ..ended },
            Err(error) => {
                let output = format::chain(&error);
                tracing::error!(job_uid, attempt, error = output, "job could not be run");
                let outcome = Outcome { exit_code: BROKEN, stream_digest: String::new() };
                Ended { run: work.run.clone(), outcome, output, patches: 0 }
            }
        };
        tracing::info!(job_uid, attempt, exit_code = ended.outcome.exit_code, "job ended");
        self.line.ended(ended);
    }

    async fn attempt(&self, work: &Work, desired: watch::Receiver<Option<Work>>, tail: &Tail) -> Result<Ended> {
        let directory = tempfile::tempdir().context("no temporary directory for the job's file")?;
        let path = directory.path().join(mount::JOB_KEY);
        tokio::fs::write(&path, &work.job).await.context("the job's file cannot be written")?;
        let job = Job::read(&path)?;
        let command = job.object.spec.command.clone().unwrap_or_default();
        let setting = Setting {
            attempt: work.run.attempt,
            job_uid: Some(work.run.job_uid.clone()),
            environment: work.environment.clone(),
            ..Setting::default()
        };
        let attempt = Attempt { job: &job, command: &command, setting, memory: self.memory, door: &self.door };
        let begun = |head: &_| {
            self.line.running(&work.run, head);
            Ok(())
        };
        let done = attempt.run(begun, over(work, desired), Some(tail)).await?;
        let outcome = Outcome { exit_code: done.ended.exit_code, stream_digest: done.digest() };
        let patches = done.head.stats().patches;
        Ok(Ended { run: work.run.clone(), outcome, output: String::new(), patches })
    }
}

/// The next job that is desired and was not done.
async fn next(desired: &mut watch::Receiver<Option<Work>>, done: &BTreeSet<Run>) -> Result<Work> {
    let is_new = |work: &Option<Work>| work.as_ref().is_some_and(|work| !done.contains(&work.run));
    let work = desired.wait_for(is_new).await.context("the line to the operator ended")?.clone();
    work.context("something is desired")
}

/// When a run has to end: its deadline, or something else is desired. A deadline may be moved.
async fn over(work: &Work, mut desired: watch::Receiver<Option<Work>>) {
    loop {
        let now = desired.borrow_and_update().clone().filter(|now| now.run == work.run);
        let Some(now) = now else { return };
        let deadline = async {
            match now.deadline_unix_seconds {
                Some(deadline) => tokio::time::sleep(standing::left(deadline)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = deadline => return,
            // Without the line nothing else will be desired.
            changed = desired.changed() => if changed.is_err() { std::future::pending().await },
        }
    }
}
