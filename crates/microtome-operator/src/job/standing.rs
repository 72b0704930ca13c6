//! Jobs on a standing cluster: first come, first served, one at a time. Pure.
//!
//! The job's status says which attempt runs on which of the cluster's heads, and so outlives the operator; the cluster's
//! controller tells its head what the statuses say ([`running`]).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt;
use microtome_api::condition::{self, Reason};
use microtome_api::{JobStatus, PatchCluster, PatchJob, PatchProfile};

use super::observe::Observed;
use crate::cluster::check_locations;
use crate::{backoff, write};

/// What becomes of a job on a standing cluster.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Standing {
    /// It cannot run there.
    Refuse(Reason, String),
    /// It is suspended.
    Suspended,
    /// It waits, for this.
    Wait(String),
    /// This attempt runs, on this head of the cluster.
    Run { attempt: i32, cluster_attempt: i32 },
    /// The program failed; another attempt is made, not before this time.
    Retry { said: String, at: Timestamp },
    /// It is over.
    End { reason: Reason, exit_code: Option<i32>, message: String },
}

/// Where a job on a standing cluster is to run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    /// The cluster, if there is one of that name.
    pub(crate) cluster: Option<PatchCluster>,
    /// The profile of that cluster.
    pub(crate) profile: Option<PatchProfile>,
    /// The job that comes before this one.
    pub(crate) ahead: Option<String>,
}

/// Decides.
pub(crate) fn decide(observed: &Observed, name: &str) -> Standing {
    let (job, line) = (&observed.job, &observed.line);
    let status = job.status.clone().unwrap_or_default();
    let has_begun = status.attempt > 0;
    let Some(cluster) = line.cluster.as_ref().filter(|cluster| write::owner_uid(*cluster).is_none()) else {
        let message = format!("there is no standing PatchCluster {name:?} in this namespace");
        return gone(has_begun, message);
    };
    let cluster_status = cluster.status.clone().unwrap_or_default();
    if condition::has_ended(&cluster_status.conditions) {
        return gone(has_begun, format!("PatchCluster {name:?} has ended"));
    }
    if let Some((reason, message)) = fault(job, cluster, line.profile.as_ref()) {
        return Standing::Refuse(reason, message);
    }
    if let Some(told) = told(observed, &status) {
        return told;
    }
    if let Some(start) = status.start_time.as_ref().filter(|_| has_begun) {
        let deadline = SignedDuration::from_secs(job.spec.active_deadline_seconds);
        if start.0 + deadline <= observed.now {
            let message = "it ran longer than spec.activeDeadlineSeconds".to_owned();
            return Standing::End { reason: Reason::DeadlineExceeded, exit_code: None, message };
        }
    }
    if job.spec.suspend {
        return Standing::Suspended;
    }
    if let Some(ahead) = &line.ahead {
        return Standing::Wait(format!("{ahead} came first on PatchCluster {name}"));
    }
    let head = cluster_status.head.as_ref().filter(|head| head.ended.is_none());
    let (Some(head), true) = (head, condition::is_true(&cluster_status.conditions, condition::READY)) else {
        return Standing::Wait(format!("PatchCluster {name} has no head that runs"));
    };
    next(&status, head.attempt, observed.now)
}

/// When the next pass is due although nothing has happened.
pub(crate) fn due(standing: &Standing, observed: &Observed) -> Option<Duration> {
    let status = observed.job.status.as_ref();
    let at = match standing {
        Standing::Retry { at, .. } => *at,
        Standing::Wait(_) => status?.next_attempt_time.as_ref().filter(|time| time.0 > observed.now)?.0,
        Standing::Run { .. } => {
            let start = status?.start_time.as_ref()?.0;
            start + SignedDuration::from_secs(observed.job.spec.active_deadline_seconds)
        }
        _ => return None,
    };
    Some(Duration::try_from(at.duration_since(observed.now)).unwrap_or_default())
}

/// Which attempt runs now.
fn next(status: &JobStatus, cluster_attempt: i32, now: Timestamp) -> Standing {
    if let Some(at) = status.next_attempt_time.as_ref().filter(|time| time.0 > now) {
        return Standing::Wait(format!("attempt {} is made at {}", status.attempt + 1, at.0.strftime("%H:%M:%S UTC")));
    }
    let goes_on = status.cluster_attempt == Some(cluster_attempt);
    let attempt = if goes_on { status.attempt } else { status.attempt + 1 };
    Standing::Run { attempt, cluster_attempt }
}

fn gone(has_begun: bool, message: String) -> Standing {
    if has_begun {
        return Standing::End { reason: Reason::HeadLost, exit_code: None, message };
    }
    Standing::Refuse(Reason::NoCluster, message)
}

/// What the cluster cannot give the job, because its head is there already.
fn fault(job: &PatchJob, cluster: &PatchCluster, profile: Option<&PatchProfile>) -> Option<(Reason, String)> {
    let name = cluster.name_any();
    let spec = &job.spec;
    let fixed = [
        ("package", spec.package.is_some()),
        ("checkpoints", spec.checkpoints.is_some()),
        ("secretNames", !spec.secret_names.is_empty()),
    ];
    if let Some((field, _)) = fixed.iter().find(|(_, given)| *given) {
        let message =
            format!("spec.{field}: a head that is already there gets none; give the job a clusterSpec of its own");
        return Some((Reason::NoCluster, message));
    }
    if spec.command.is_some() && cluster.spec.head.image.is_none() {
        return Some((
            Reason::NoCluster,
            format!("PatchCluster {name} has no spec.head.image in which command could run"),
        ));
    }
    let profile = profile?;
    check_locations(job, profile).err().map(|refusal| (refusal.reason, refusal.message))
}

/// What the head said of the attempt that runs.
fn told(observed: &Observed, status: &JobStatus) -> Option<Standing> {
    let result = observed.report.result.as_ref()?;
    let (attempt, words) = observed.said.as_ref()?;
    if *attempt != status.attempt {
        return None;
    }
    if result.exit_code == 0 {
        return Some(Standing::End { reason: Reason::Complete, exit_code: Some(0), message: "exit code 0".to_owned() });
    }
    let message = match words.trim() {
        "" => format!("exit code {}", result.exit_code),
        words => format!("exit code {}: {words}", result.exit_code),
    };
    if status.failures >= observed.job.spec.backoff_limit {
        let reason = if status.failures > 0 { Reason::BackoffLimitExceeded } else { Reason::Failed };
        return Some(Standing::End { reason, exit_code: Some(result.exit_code), message });
    }
    let wait = backoff::FAILED.after(status.failures);
    Some(Standing::Retry { said: format!("attempt {} ended: {message}", status.attempt), at: observed.now + wait })
}

/// Who comes before `job` on its cluster: the first of all that are not over and may run.
pub(crate) fn ahead(job: &PatchJob, jobs: &[PatchJob]) -> Option<String> {
    let first = jobs.iter().filter(|other| is_in_line(other, job)).min_by_key(|other| order(other))?;
    (first.uid() != job.uid() && order(first) < order(job)).then(|| first.name_any())
}

/// The job that runs on the cluster of this name, as statuses say.
pub(crate) fn running<'a>(cluster: &str, cluster_attempt: i32, jobs: &'a [PatchJob]) -> Option<&'a PatchJob> {
    let runs = |job: &&PatchJob| {
        let status = job.status.as_ref();
        job.spec.cluster_name.as_deref() == Some(cluster)
            && !is_over(job)
            && !job.spec.suspend
            && job.metadata.deletion_timestamp.is_none()
            && status.is_some_and(|status| status.cluster_attempt == Some(cluster_attempt))
    };
    jobs.iter().filter(runs).min_by_key(|job| order(job))
}

/// Whether any job still wants the cluster of this name.
pub(crate) fn is_wanted(cluster: &str, jobs: &[PatchJob]) -> bool {
    jobs.iter().any(|job| job.spec.cluster_name.as_deref() == Some(cluster) && !is_over(job) && !job.spec.suspend)
}

fn is_in_line(other: &PatchJob, job: &PatchJob) -> bool {
    other.spec.cluster_name == job.spec.cluster_name
        && other.namespace() == job.namespace()
        && !is_over(other)
        && !other.spec.suspend
        && !is_refused(other)
}

fn is_over(job: &PatchJob) -> bool {
    let conditions = job.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    condition::has_ended(conditions)
}

/// A job that cannot run holds up nobody.
fn is_refused(job: &PatchJob) -> bool {
    let conditions = job.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    condition::is_true(conditions, condition::STALLED)
}

fn order(job: &PatchJob) -> (Option<Timestamp>, String) {
    (job.metadata.creation_timestamp.as_ref().map(|time| time.0), job.uid().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use microtome_api::{ClusterStatus, HeadState};

    use super::*;
    use crate::cluster::fixtures;
    use crate::control::hub::Outcome;

    /// A job in line for a standing cluster whose first head runs.
    fn observed() -> Observed {
        let mut observed = fixtures::observed_job();
        (observed.job.spec.cluster_spec, observed.job.spec.cluster_name) = (None, Some("bench".into()));
        let mut cluster = fixtures::cluster();
        (cluster.metadata.name, cluster.metadata.owner_references) = (Some("bench".into()), None);
        let ready = condition::new(condition::READY, Some(true), Reason::Running, "", Timestamp::UNIX_EPOCH);
        let head = Some(HeadState { attempt: 1, ..HeadState::default() });
        cluster.status = Some(ClusterStatus { conditions: vec![ready], head, ..ClusterStatus::default() });
        observed.line = Line { cluster: Some(cluster), profile: Some(fixtures::profile()), ahead: None };
        observed
    }

    fn standing(change: impl FnOnce(&mut Observed, &mut JobStatus)) -> Standing {
        let mut observed = observed();
        let mut status = JobStatus::default();
        change(&mut observed, &mut status);
        observed.job.status = Some(status);
        decide(&observed, "bench")
    }

    fn runs(status: &mut JobStatus) {
        (status.attempt, status.cluster_attempt) = (1, Some(1));
    }

    fn result(observed: &mut Observed, exit_code: i32, attempt: i32) {
        observed.report.result = Some(Outcome { exit_code, stream_digest: None });
        observed.said = Some((attempt, "boom\n".into()));
    }

    #[test]
    fn jobs_run_one_after_another() {
        let first = Standing::Run { attempt: 1, cluster_attempt: 1 };
        assert_eq!(standing(|_, _| ()), first);
        assert_eq!(standing(|_, s| runs(s)), first, "it goes on");
        let waits = standing(|o, _| o.line.ahead = Some("other".into()));
        assert_eq!(waits, Standing::Wait("other came first on PatchCluster bench".into()));
        let starting = standing(|o, _| o.line.cluster.as_mut().unwrap().status = None);
        assert_eq!(starting, Standing::Wait("PatchCluster bench has no head that runs".into()));
        assert_eq!(standing(|o, _| o.job.spec.suspend = true), Standing::Suspended);
    }

    #[test]
    fn a_new_head_is_a_new_attempt_that_uses_up_no_retry() {
        let again = standing(|o, s| {
            runs(s);
            o.line.cluster.as_mut().unwrap().status.as_mut().unwrap().head.as_mut().unwrap().attempt = 2;
        });
        assert_eq!(again, Standing::Run { attempt: 2, cluster_attempt: 2 });
    }

    #[test]
    fn results_are_believed_of_the_attempt_that_runs() {
        let told = |code, attempt, failures| {
            standing(|o, s| {
                runs(s);
                s.failures = failures;
                result(o, code, attempt);
            })
        };
        let complete = Standing::End { reason: Reason::Complete, exit_code: Some(0), message: "exit code 0".into() };
        assert_eq!(told(0, 1, 0), complete);
        assert_eq!(told(0, 2, 0), Standing::Run { attempt: 1, cluster_attempt: 1 }, "another attempt's");
        let said = "attempt 1 ended: exit code 3: boom".to_owned();
        assert_eq!(told(3, 1, 0), Standing::Retry { said, at: Timestamp::from_second(1010).unwrap() });
        let message = "exit code 3: boom".to_owned();
        let end = Standing::End { reason: Reason::BackoffLimitExceeded, exit_code: Some(3), message };
        assert_eq!(told(3, 1, 3), end);
    }

    #[test]
    fn what_the_cluster_cannot_give_is_named() {
        let refused = |change: fn(&mut Observed)| match standing(|o, _| change(o)) {
            Standing::Refuse(reason, message) => format!("{}: {message}", reason.as_str()),
            other => panic!("{other:?}"),
        };
        let missing = "NoCluster: there is no standing PatchCluster \"bench\" in this namespace";
        assert_eq!(refused(|o| o.line.cluster = None), missing);
        assert_eq!(refused(|o| o.line.cluster = Some(fixtures::cluster())), missing, "a job's own is none");
        assert!(refused(|o| o.job.spec.secret_names = vec!["a".into()]).starts_with("NoCluster: spec.secretNames: "));
        assert!(refused(|o| o.line.cluster.as_mut().unwrap().spec.head.image = None).contains("head.image"));
        let outside = refused(|o| {
            o.job.spec.datasets[0].urls_mut().for_each(|url| *url = "az://secret/a.svs".to_owned());
        });
        assert!(outside.starts_with("LocationNotAllowed: az://secret/a.svs"), "the profile binds here, too");
    }

    #[test]
    fn a_cluster_that_ends_takes_its_job_along() {
        let over = |begun: bool| {
            standing(|o, s| {
                if begun {
                    runs(s);
                }
                o.line.cluster = None;
            })
        };
        assert!(matches!(over(true), Standing::End { reason: Reason::HeadLost, .. }));
        assert!(matches!(over(false), Standing::Refuse(Reason::NoCluster, _)));
        let late = standing(|_, s| {
            runs(s);
            s.start_time = Some(Time(Timestamp::from_second(1000 - 3600).unwrap()));
        });
        assert!(matches!(late, Standing::End { reason: Reason::DeadlineExceeded, .. }));
    }

    #[test]
    fn the_line_is_by_age_and_holds_up_nobody_for_who_cannot_run() {
        let job = |name: &str, created: i64| {
            let mut job = observed().job;
            (job.metadata.name, job.metadata.uid) = (Some(name.into()), Some(name.into()));
            job.metadata.creation_timestamp = Some(Time(Timestamp::from_second(created).unwrap()));
            job
        };
        let (old, new) = (job("old", 1), job("new", 2));
        let jobs = [new.clone(), old.clone()];
        assert_eq!((ahead(&new, &jobs), ahead(&old, &jobs)), (Some("old".into()), None));
        assert!(is_wanted("bench", &jobs) && !is_wanted("other", &jobs));
        for kind in [condition::COMPLETE, condition::STALLED] {
            let mut out = old.clone();
            let condition = condition::new(kind, Some(true), Reason::Complete, "", Timestamp::UNIX_EPOCH);
            out.status = Some(JobStatus { conditions: vec![condition], ..JobStatus::default() });
            assert_eq!(ahead(&new, &[new.clone(), out]), None);
        }
        let mut begun = new.clone();
        begun.status = Some(JobStatus { attempt: 1, cluster_attempt: Some(1), ..JobStatus::default() });
        assert_eq!(running("bench", 1, &[old.clone(), begun.clone()]), Some(&begun));
        assert_eq!(running("bench", 2, &[old, begun]), None, "it ran on an earlier head");
    }
}
