//! One job, seen again each time it changes.

use std::time::Duration;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use kube::api::WatchParams;
use kube::{Api, ResourceExt};
use microtome_api::PatchJob;

use crate::client::Cluster;
use crate::refusal::Asked;

/// Between tries to reach an apiserver that went away.
const PAUSE: Duration = Duration::from_secs(1);
/// An apiserver that is upgraded is away for less.
const TRIES: u32 = 120;

/// A job that is looked at.
pub(crate) struct Follow {
    jobs: Api<PatchJob>,
    name: String,
    namespace: String,
    changes: Option<BoxStream<'static, kube::Result<kube::core::WatchEvent<PatchJob>>>>,
    version: Option<String>,
}

impl Follow {
    /// Of a job in the cluster's namespace.
    pub(crate) fn new(cluster: &Cluster, name: &str) -> anyhow::Result<Self> {
        let namespace = cluster.namespace.clone();
        let jobs = Api::namespaced(cluster.patient()?, &namespace);
        Ok(Self { jobs, name: name.to_owned(), namespace, changes: None, version: None })
    }

    /// The job as it is, then each time it changed. Nothing once it was deleted.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Option<PatchJob>> {
        let mut tries = 0;
        loop {
            let outcome = match self.changes.as_mut() {
                Some(changes) => match changes.try_next().await {
                    Ok(Some(event)) => self.seen(event),
                    Ok(None) => Seen::Again,
                    Err(error) => Seen::Lost("watch", error),
                },
                None => self.look().await,
            };
            match outcome {
                Seen::Job(job) => return Ok(Some(*job)),
                Seen::Gone => return Ok(None),
                Seen::Nothing => {}
                Seen::Again => self.changes = None,
                Seen::Lost(verb, error) => {
                    self.changes = None;
                    tries += 1;
                    if is_final(&error) || tries > TRIES || self.version.is_none() {
                        return Err(Asked::of(verb, "patchjobs", &self.name, &self.namespace).refused(error).into());
                    }
                    if tries == 1 {
                        eprintln!("the apiserver does not answer; trying again");
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// The job as it is, and the changes from there on.
    async fn look(&mut self) -> Seen {
        let job = match self.jobs.get_opt(&self.name).await {
            Ok(Some(job)) => job,
            Ok(None) if self.version.is_some() => return Seen::Gone,
            // Never seen: the apiserver says best what is missing.
            Ok(None) => match self.jobs.get(&self.name).await {
                Ok(job) => job,
                Err(error) => return Seen::Lost("get", error),
            },
            Err(error) => return Seen::Lost("get", error),
        };
        let version = job.resource_version().unwrap_or_default();
        let only = WatchParams::default().fields(&format!("metadata.name={}", self.name));
        match self.jobs.watch(&only, &version).await {
            Ok(changes) => self.changes = Some(changes.boxed()),
            Err(error) => return Seen::Lost("watch", error),
        }
        let is_known = self.version.as_ref() == Some(&version);
        self.version = Some(version);
        if is_known { Seen::Nothing } else { Seen::Job(Box::new(job)) }
    }

    fn seen(&mut self, event: kube::core::WatchEvent<PatchJob>) -> Seen {
        use kube::core::WatchEvent::{Added, Bookmark, Deleted, Error, Modified};
        match event {
            Added(job) | Modified(job) => {
                self.version = job.resource_version();
                Seen::Job(Box::new(job))
            }
            Deleted(_) => Seen::Gone,
            Bookmark(_) => Seen::Nothing,
            // Changes are not kept for ever; what is now is there to be read.
            Error(_) => Seen::Again,
        }
    }
}

enum Seen {
    Job(Box<PatchJob>),
    Gone,
    Nothing,
    Again,
    /// What was asked for, and why there was no answer.
    Lost(&'static str, kube::Error),
}

/// Whether another try would hear the same.
fn is_final(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 400..=404))
}
