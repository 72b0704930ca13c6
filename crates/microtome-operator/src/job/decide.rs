//! What a pass does about a job: pure and total.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use microtome_api::condition::{self, Reason};
use microtome_api::names;

use super::observe::{Observed, is_new};
use super::standing::{self, Standing};
use crate::write;

/// Who manages a job that runs in another cluster: here, nothing is done about it (Kueue's MultiKueue).
const ELSEWHERE: &str = "kueue.x-k8s.io/multikueue";
const RECHECK_OCCUPIED: Duration = Duration::from_secs(2);

/// What a pass does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decision {
    /// Being deleted, or ended: nothing.
    Rest,
    /// Never seen before: say so.
    Greet,
    /// It cannot be carried out as it is written.
    Refuse(Reason, String),
    /// A PatchCluster of its name is not its own.
    Occupied(String),
    /// Make its cluster.
    Build,
    /// Repeat what its cluster says.
    Mirror,
    /// As [`Self::Mirror`], and tell the cluster to be suspended or to go on.
    Sync,
    /// It ended as long ago as it is kept: delete it.
    Expire,
    /// Its cluster was deleted under it.
    Lost,
    /// It runs, or is to run, on a standing cluster.
    Stand(Standing),
}

impl Decision {
    /// The decision's name, for the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Greet => "greet",
            Self::Refuse(..) => "refuse",
            Self::Occupied(_) => "occupied",
            Self::Build => "build",
            Self::Mirror => "mirror",
            Self::Sync => "sync",
            Self::Expire => "expire",
            Self::Lost => "lost",
            Self::Stand(_) => "stand",
        }
    }

    /// When the next pass is due although nothing has happened.
    pub(crate) fn due(&self, observed: &Observed) -> Option<Duration> {
        match self {
            // The garbage collector removes an earlier job's cluster without telling us.
            Self::Occupied(_) => Some(RECHECK_OCCUPIED),
            Self::Rest => {
                let left = expiry(observed)?.duration_since(observed.now);
                Some(Duration::try_from(left).unwrap_or_default())
            }
            Self::Stand(standing) => standing::due(standing, observed),
            _ => None,
        }
    }
}

/// When the job has been kept for as long as it may.
fn expiry(observed: &Observed) -> Option<Timestamp> {
    let ended = observed.job.status.as_ref()?.completion_time.as_ref()?.0;
    ended.checked_add(SignedDuration::from_secs(observed.job.spec.ttl_seconds_after_finished?)).ok()
}

/// Decides.
pub(crate) fn decide(observed: &Observed) -> Decision {
    let job = &observed.job;
    if job.metadata.deletion_timestamp.is_some() || job.spec.managed_by.as_deref() == Some(ELSEWHERE) {
        return Decision::Rest;
    }
    let Some(status) = job.status.as_ref().filter(|_| !is_new(job)) else { return Decision::Greet };
    if condition::has_ended(&status.conditions) {
        return match expiry(observed) {
            Some(at) if at <= observed.now => Decision::Expire,
            _ => Decision::Rest,
        };
    }
    if let Some((reason, message)) = fault(observed) {
        return Decision::Refuse(reason, message);
    }
    if let Some(cluster) = &job.spec.cluster_name {
        return match standing::decide(observed, cluster) {
            Standing::Refuse(reason, message) => Decision::Refuse(reason, message),
            standing => Decision::Stand(standing),
        };
    }
    match &observed.cluster {
        Some(cluster) if write::owner_uid(cluster) == job.uid() => {
            if cluster.spec.suspend == job.spec.suspend {
                Decision::Mirror
            } else {
                Decision::Sync
            }
        }
        Some(_) => {
            let name = job.name_any();
            Decision::Occupied(format!(
                "a PatchCluster {name:?} that is not this job's is in the way; it must go first"
            ))
        }
        // Made anew, it would run the program again from the start.
        None if status.attempt > 0 => Decision::Lost,
        None => Decision::Build,
    }
}

/// What is wrong with the job itself.
fn fault(observed: &Observed) -> Option<(Reason, String)> {
    let name = observed.job.name_any();
    if !is_label(&name) {
        let most = names::MAX_NAME;
        let message = format!(
            "name {name:?} must be at most {most} of a-z, 0-9 and -, begin with a letter and not end with -; \
             pods and a service are named after it"
        );
        return Some((Reason::InvalidName, message));
    }
    let datasets = observed.job.spec.datasets.iter().enumerate();
    datasets
        .filter_map(|(index, dataset)| dataset.recipe().err().map(|error| (index, error)))
        .map(|(index, error)| (Reason::InvalidDataset, format!("spec.datasets[{index}].{error}")))
        .next()
}

/// Whether a name can begin the names of services (RFC 1035) and leaves room for suffixes.
fn is_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= names::MAX_NAME
        && name.bytes().all(inner)
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use microtome_api::JobStatus;

    use super::*;
    use crate::cluster::fixtures;

    fn decision(change: impl FnOnce(&mut Observed, &mut JobStatus)) -> Decision {
        let mut observed = fixtures::observed_job();
        let pending = condition::new(condition::READY, None, Reason::Pending, "", Timestamp::UNIX_EPOCH);
        let mut status = JobStatus { conditions: vec![pending], ..JobStatus::default() };
        change(&mut observed, &mut status);
        observed.job.status = Some(status);
        decide(&observed)
    }

    #[test]
    fn every_state_has_one_decision() {
        let ended = condition::new(condition::FAILED, Some(true), Reason::Failed, "", Timestamp::UNIX_EPOCH);
        assert_eq!(decide(&fixtures::observed_job()), Decision::Greet);
        assert_eq!(decision(|_, _| ()), Decision::Build);
        assert_eq!(decision(|o, _| o.cluster = Some(fixtures::cluster())), Decision::Mirror);
        assert_eq!(decision(|_, s| s.attempt = 1), Decision::Lost);
        assert_eq!(decision(|_, s| (s.attempt = 1, s.conditions.push(ended)).1), Decision::Rest);
        let stranger = decision(|o, _| {
            o.job.metadata.uid = Some("another".into());
            o.cluster = Some(fixtures::cluster());
        });
        assert_eq!(stranger.name(), "occupied");
    }

    #[test]
    fn suspend_is_passed_on_to_the_cluster() {
        let suspended = |job, cluster| {
            decision(|o, _| {
                o.job.spec.suspend = job;
                let mut there = fixtures::cluster();
                there.spec.suspend = cluster;
                o.cluster = Some(there);
            })
        };
        assert_eq!((suspended(true, false), suspended(false, true)), (Decision::Sync, Decision::Sync));
        assert_eq!((suspended(true, true), suspended(false, false)), (Decision::Mirror, Decision::Mirror));
    }

    #[test]
    fn an_ended_job_goes_when_it_was_kept_for_as_long_as_it_says() {
        let mut observed = fixtures::observed_job();
        let ended = condition::new(condition::COMPLETE, Some(true), Reason::Complete, "", Timestamp::UNIX_EPOCH);
        let completion_time = Some(Time(Timestamp::from_second(950).unwrap()));
        observed.job.status = Some(JobStatus { conditions: vec![ended], completion_time, ..JobStatus::default() });
        assert_eq!((decide(&observed), Decision::Rest.due(&observed)), (Decision::Rest, None), "for ever");
        observed.job.spec.ttl_seconds_after_finished = Some(60);
        assert_eq!((decide(&observed), Decision::Rest.due(&observed)), (Decision::Rest, Some(Duration::from_secs(10))));
        observed.job.spec.ttl_seconds_after_finished = Some(50);
        assert_eq!(decide(&observed), Decision::Expire);
    }

    #[test]
    fn a_job_that_runs_in_another_cluster_is_left_alone() {
        assert_eq!(decision(|o, _| o.job.spec.managed_by = Some(ELSEWHERE.into())), Decision::Rest);
    }

    #[test]
    fn what_is_wrong_with_a_job_is_named() {
        let fault = decision(|o, _| o.job.spec.datasets[0].views[0].size = 0);
        let wanted = "spec.datasets[0].views[0].size: must be at least 1".to_owned();
        assert_eq!(fault, Decision::Refuse(Reason::InvalidDataset, wanted));
        for name in ["1a", "a.b", "a-", "A", &"a".repeat(53)] {
            let fault = decision(|o, _| o.job.metadata.name = Some((*name).to_owned()));
            assert!(matches!(fault, Decision::Refuse(Reason::InvalidName, _)), "{name}");
        }
        assert_eq!(decision(|o, _| o.job.metadata.name = Some("a".repeat(52))), Decision::Build);
    }
}
