//! What heads last reported, by job: the newest progress, and the result until it is written down.
//!
//! Memory only, and only of jobs that run: what is lost in a restart, heads report again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use microtome_api::{PatchJob, Progress};
use tokio::sync::watch;

use super::desires::{Desired, Desires, Said};
use crate::controller::Waker;
use crate::scale::board::{Board, Cluster};
use crate::scale::observation::Observation;

/// A status is written at most this often for progress alone: every write is a write of the whole cluster's database.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(2);

/// What is to be written into a job's status.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Report {
    /// The newest progress, where it is due.
    pub(crate) progress: Option<Progress>,
    /// The result, until it is acknowledged.
    pub(crate) result: Option<Outcome>,
}

/// How a program ended, as its head says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) exit_code: i32,
    /// None where the program did not read all of its patches.
    pub(crate) stream_digest: Option<String>,
}

/// Which job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Job {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// Shared by the server, which fills it, and the job controller, which empties it.
#[derive(Clone)]
pub(crate) struct Hub {
    jobs: Arc<Mutex<HashMap<String, Entry>>>,
    waker: Waker<PatchJob>,
    /// What the number of workers is decided by, and what was decided.
    pub(crate) scale: Board,
    desires: Desires,
}

/// What a standing head says of a result besides the outcome; for other heads the pod's status says it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Words {
    /// Of which attempt it is.
    pub(crate) attempt: i32,
    /// The last lines of the program, or why it could not be run: a tenant's text.
    pub(crate) output: String,
}

#[derive(Default)]
struct Entry {
    progress: Option<Progress>,
    result: Option<Outcome>,
    words: Option<Words>,
    /// When progress was last given to the controller.
    taken: Option<Instant>,
    /// True once the result is written down.
    acknowledged: watch::Sender<bool>,
}

impl Hub {
    pub(crate) fn new(waker: Waker<PatchJob>) -> Self {
        Self { jobs: Arc::default(), waker, scale: Board::new(), desires: Desires::default() }
    }

    /// Notes how far a job has come; an older note is forgotten.
    pub(crate) fn progress(&self, job: &Job, progress: Progress) {
        let due = {
            let mut jobs = self.lock();
            let entry = jobs.entry(job.uid.clone()).or_default();
            entry.progress = Some(progress);
            entry.is_due()
        };
        if due {
            self.waker.wake(&job.namespace, &job.name);
        }
    }

    /// Notes a job's result; the receiver turns true once it is written down.
    pub(crate) fn result(&self, job: &Job, outcome: Outcome, progress: Option<Progress>) -> watch::Receiver<bool> {
        let receiver = {
            let mut jobs = self.lock();
            let entry = jobs.entry(job.uid.clone()).or_default();
            entry.result = Some(outcome);
            entry.acknowledged.send_replace(false);
            // The last word about progress is never held back.
            entry.taken = None;
            entry.progress = progress.or(entry.progress.take());
            entry.acknowledged.subscribe()
        };
        self.waker.wake(&job.namespace, &job.name);
        receiver
    }

    /// Says what the head of a standing cluster is to do: all of it, again whenever it was looked at. Nothing is something
    /// to say as well; as long as nothing was said since the operator's start, a head goes on with what it does.
    pub(crate) fn desire(&self, cluster: &Cluster, desired: Option<Desired>) {
        if desired.is_none() {
            // Nobody reads.
            self.scale.report(cluster, Observation::default());
        }
        self.desires.say(&cluster.uid, desired);
    }

    /// What is said to the head of a standing cluster.
    pub(super) fn desired(&self, cluster: &Cluster) -> watch::Receiver<Said> {
        self.desires.hear(&cluster.uid)
    }

    /// Notes what a standing head says beside a result.
    pub(super) fn note_words(&self, job: &Job, words: Words) {
        self.lock().entry(job.uid.clone()).or_default().words = Some(words);
    }

    /// What a standing head said beside the result of the job with this uid.
    pub(crate) fn words(&self, uid: &str) -> Option<Words> {
        self.lock().get(uid)?.words.clone()
    }

    /// The cluster is gone.
    pub(crate) fn forget_cluster(&self, uid: &str) {
        self.scale.forget(uid);
        self.desires.forget(uid);
    }

    /// What is to be written into the status of the job with this uid.
    pub(crate) fn take(&self, uid: &str) -> Report {
        let mut jobs = self.lock();
        let Some(entry) = jobs.get_mut(uid) else { return Report::default() };
        let progress = if entry.is_due() { entry.progress.take() } else { None };
        if progress.is_some() {
            entry.taken = Some(Instant::now());
        }
        Report { progress, result: entry.result.clone() }
    }

    /// The job's result is written down.
    pub(crate) fn acknowledge(&self, uid: &str) {
        if let Some(entry) = self.lock().get_mut(uid) {
            entry.result = None;
            entry.acknowledged.send_replace(true);
        }
    }

    /// The job has ended: nothing about it is kept, and a head that still waits may go.
    pub(crate) fn forget(&self, uid: &str) {
        self.acknowledge(uid);
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        // Every change is a single assignment, so a panic elsewhere leaves nothing half done.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_due(&self) -> bool {
        self.taken.is_none_or(|taken| taken.elapsed() >= PROGRESS_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        Job { namespace: "x".into(), name: "a".into(), uid: "u".into() }
    }

    fn progress(patches: i64) -> Progress {
        Progress { patches, ..Progress::default() }
    }

    #[test]
    fn only_the_newest_progress_is_written_and_not_too_often() {
        let (waker, mut wakes) = Waker::new();
        let hub = Hub::new(waker);
        hub.progress(&job(), progress(1));
        hub.progress(&job(), progress(2));
        assert_eq!(hub.take("u").progress, Some(progress(2)));
        hub.progress(&job(), progress(3));
        assert_eq!(hub.take("u").progress, None, "two seconds have not passed");
        assert!(wakes.try_recv().is_ok() && wakes.try_recv().is_ok());
        assert!(wakes.try_recv().is_err(), "what is not due wakes nobody");
    }

    #[test]
    fn a_result_stays_until_it_is_written_down() {
        let (waker, _wakes) = Waker::new();
        let hub = Hub::new(waker);
        let outcome = Outcome { exit_code: 3, stream_digest: None };
        hub.progress(&job(), progress(1));
        hub.take("u");
        let acknowledged = hub.result(&job(), outcome.clone(), Some(progress(9)));
        let report = hub.take("u");
        assert_eq!((report.result, report.progress), (Some(outcome.clone()), Some(progress(9))));
        assert_eq!(hub.take("u").result, Some(outcome), "the write may have failed");
        assert!(!*acknowledged.borrow());
        hub.acknowledge("u");
        assert!(*acknowledged.borrow());
        assert_eq!(hub.take("u"), Report::default());
    }

    #[test]
    fn a_job_that_ended_lets_its_head_go_and_is_forgotten() {
        let (waker, _wakes) = Waker::new();
        let hub = Hub::new(waker);
        let acknowledged = hub.result(&job(), Outcome { exit_code: 0, stream_digest: None }, None);
        hub.forget("u");
        assert!(*acknowledged.borrow() && hub.lock().is_empty());
    }
}
