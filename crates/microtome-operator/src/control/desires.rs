//! What the heads of standing clusters are to do: said by whoever follows jobs, passed on by the server.
//!
//! Memory only. After a restart nothing is known until it is said again; until then heads go on as they are.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;
use tonic::Status;

use super::hub::Job;
use super::wire;

/// One attempt at one job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Desired {
    pub(crate) job: Job,
    /// Counts from 1.
    pub(crate) attempt: i32,
    /// A PatchJob as JSON, as a head finds it in its ConfigMap.
    pub(crate) order: String,
    /// When it has to be over, in seconds since 1970.
    pub(crate) deadline_unix_seconds: Option<i64>,
    /// For the program, besides the head's own.
    pub(crate) environment: BTreeMap<String, String>,
}

/// What was said for a cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Said {
    /// The newest; the outer one is none until something was said.
    newest: Option<Option<Desired>>,
    /// The job and attempt before: its head may not know yet.
    before: Option<(String, i32)>,
}

/// By the clusters' uids.
#[derive(Clone, Default)]
pub(crate) struct Desires(Arc<Mutex<HashMap<String, watch::Sender<Said>>>>);

impl Desires {
    /// Says what a cluster's head is to do. The same again is nothing new.
    pub(super) fn say(&self, cluster_uid: &str, desired: Option<Desired>) {
        self.sender(cluster_uid).send_if_modified(|said| said.change(desired));
    }

    /// What is said for a cluster, now and later.
    pub(super) fn hear(&self, cluster_uid: &str) -> watch::Receiver<Said> {
        self.sender(cluster_uid).subscribe()
    }

    /// The cluster is gone.
    pub(super) fn forget(&self, cluster_uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(cluster_uid);
    }

    fn sender(&self, cluster_uid: &str) -> watch::Sender<Said> {
        // A map of channels: a panic elsewhere leaves nothing half done.
        let mut clusters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        clusters.entry(cluster_uid.to_owned()).or_default().clone()
    }
}

impl Said {
    fn change(&mut self, desired: Option<Desired>) -> bool {
        if self.newest.as_ref() == Some(&desired) {
            return false;
        }
        let run = |desired: &Desired| (desired.job.uid.clone(), desired.attempt);
        let earlier = self.newest.replace(desired).flatten();
        let now = self.newest.as_ref().and_then(Option::as_ref).map(run);
        if let Some(earlier) = earlier.as_ref().map(run).filter(|earlier| now.as_ref() != Some(earlier)) {
            self.before = Some(earlier);
        }
        true
    }

    /// As it goes over the wire; nothing as long as nothing was said.
    pub(super) fn to_wire(&self) -> Option<wire::Desired> {
        Some(self.newest.as_ref()?.as_ref().map_or_else(wire::Desired::default, |desired| wire::Desired {
            job_uid: desired.job.uid.clone(),
            attempt: desired.attempt,
            job: desired.order.clone().into_bytes(),
            deadline_unix_seconds: desired.deadline_unix_seconds.unwrap_or(0),
            environment: desired.environment.clone().into_iter().collect(),
        }))
    }

    /// The job of which a head reports, if that is the one it was told to run. Of the one before, and of any as long as
    /// nothing was said, the report is passed over.
    pub(super) fn job(&self, job_uid: &str, attempt: i32) -> Result<Option<Job>, Status> {
        let Some(newest) = &self.newest else { return Ok(None) };
        match newest {
            Some(desired) if (desired.job.uid.as_str(), desired.attempt) == (job_uid, attempt) => {
                Ok(Some(desired.job.clone()))
            }
            _ if self.before.as_ref().is_some_and(|(uid, before)| (uid.as_str(), *before) == (job_uid, attempt)) => {
                Ok(None)
            }
            _ => Err(Status::permission_denied("the report is of a job that this head was not told to run")),
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn desired(uid: &str, attempt: i32) -> Desired {
        let job = Job { namespace: "x".into(), name: uid.into(), uid: uid.into() };
        Desired { job, attempt, order: "{}".into(), deadline_unix_seconds: None, environment: BTreeMap::new() }
    }

    #[test]
    fn a_head_reports_for_the_job_that_it_was_told_to_run_and_for_no_other() {
        let desires = Desires::default();
        let head = desires.hear("cluster");
        let answer = |uid: &str, attempt| match head.borrow().job(uid, attempt) {
            Ok(job) => Ok(job.map(|job| job.uid)),
            Err(status) => Err(status.code()),
        };
        assert_eq!(answer("a", 1), Ok(None), "nothing was said since the operator started");
        desires.say("other", Some(desired("z", 1)));
        desires.say("cluster", Some(desired("a", 1)));
        assert_eq!(answer("a", 1), Ok(Some("a".to_owned())));
        for (uid, attempt) in [("b", 1), ("a", 2), ("z", 1), ("", 0)] {
            assert_eq!(answer(uid, attempt), Err(Code::PermissionDenied), "{uid} {attempt}");
        }
        desires.say("cluster", None);
        assert_eq!(answer("a", 1), Ok(None), "it may not know yet");
        assert_eq!(answer("b", 1), Err(Code::PermissionDenied));
        desires.say("cluster", Some(desired("b", 1)));
        assert_eq!((answer("b", 1), answer("a", 1)), (Ok(Some("b".to_owned())), Ok(None)));
        desires.say("cluster", Some(desired("c", 1)));
        assert_eq!(answer("a", 1), Err(Code::PermissionDenied), "long ago");
        let shared = answer("c", 1);
        desires.forget("cluster");
        assert_eq!(shared, Ok(Some("c".to_owned())));
    }

    #[test]
    fn the_same_again_is_not_passed_on() {
        let desires = Desires::default();
        let mut head = desires.hear("cluster");
        assert_eq!(head.borrow_and_update().to_wire(), None, "not known is not nothing");
        desires.say("cluster", None);
        assert!(head.has_changed().unwrap());
        assert_eq!(head.borrow_and_update().to_wire(), Some(wire::Desired::default()));
        desires.say("cluster", Some(desired("a", 2)));
        let told = head.borrow_and_update().to_wire().unwrap();
        assert_eq!((told.job_uid.as_str(), told.attempt, told.job), ("a", 2, b"{}".to_vec()));
        desires.say("cluster", Some(desired("a", 2)));
        assert!(!head.has_changed().unwrap());
        let later = Desired { deadline_unix_seconds: Some(7), ..desired("a", 2) };
        desires.say("cluster", Some(later));
        assert_eq!(head.borrow_and_update().to_wire().unwrap().deadline_unix_seconds, 7);
        assert!(head.borrow().job("a", 2).unwrap().is_some(), "a deadline that moves is no other job");
    }
}
