//! What a job's status says: pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use microtome_api::condition::{self, COMPLETE, FAILED, INGEST_BOUND, READY, Reason, STALLED};
use microtome_api::{HeadState, JobStatus};
use serde::Deserialize;

use super::decide::Decision;
use super::observe::Observed;
use super::standing::Standing;

/// What a head writes as its last word after a good end; it counts where no report came through.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LastWord {
    stream_digest: Option<String>,
}

/// The status after `decision` was carried out.
pub(crate) fn status(observed: &Observed, decision: &Decision) -> JobStatus {
    let now = observed.now;
    let mut status = observed.job.status.clone().unwrap_or_default();
    let set = |status: &mut JobStatus, conditions: Vec<Condition>| {
        for condition in conditions {
            condition::set(&mut status.conditions, condition);
        }
    };
    match decision {
        Decision::Rest | Decision::Expire => return status,
        Decision::Greet => {
            let message = "seen, not yet looked at";
            set(&mut status, vec![condition::new(READY, None, Reason::Pending, message, now)]);
        }
        Decision::Refuse(reason, message) => {
            let conditions = [READY, STALLED].map(|kind| (kind, kind == STALLED));
            let conditions = conditions.map(|(kind, on)| condition::new(kind, Some(on), *reason, message, now));
            set(&mut status, conditions.to_vec());
        }
        Decision::Occupied(message) => {
            set(&mut status, vec![condition::new(READY, Some(false), Reason::Conflict, message, now)]);
        }
        Decision::Build => {
            set(&mut status, vec![condition::new(READY, None, Reason::Pending, "its PatchCluster is being made", now)]);
        }
        Decision::Mirror | Decision::Sync => mirror(&mut status, observed, now),
        Decision::Stand(standing) => stand(&mut status, standing, observed),
        Decision::Lost => {
            let lost = |kind, on, reason| condition::new(kind, Some(on), reason, "its PatchCluster was deleted", now);
            set(
                &mut status,
                vec![
                    lost(READY, false, Reason::Failed),
                    lost(STALLED, true, Reason::Failed),
                    lost(FAILED, true, Reason::HeadLost),
                ],
            );
            status.completion_time = Some(Time(now));
        }
    }
    if condition::has_ended(&status.conditions) {
        status.conditions.retain(|condition| condition.type_ != INGEST_BOUND);
        status.queue = None;
        // They are of now, and now there are none.
        if let Some(progress) = &mut status.progress {
            (progress.rate, progress.waiting) = (None, None);
        }
    }
    status.team.clone_from(&observed.team);
    status.observed_generation = observed.job.metadata.generation;
    status
}

/// Repeats the cluster's conditions and takes over what the head reported.
fn mirror(status: &mut JobStatus, observed: &Observed, now: Timestamp) {
    let Some(cluster) = observed.cluster.as_ref().and_then(|cluster| cluster.status.as_ref()) else {
        return;
    };
    for condition in &cluster.conditions {
        // When the job's own condition turned is the job's to say.
        condition::set(&mut status.conditions, Condition { last_transition_time: Time(now), ..condition.clone() });
    }
    let here = |kind: &str| cluster.conditions.iter().any(|condition| condition.type_ == kind);
    status.conditions.retain(|condition| here(&condition.type_) || condition.type_ == INGEST_BOUND);
    status.queue.clone_from(&cluster.queue);
    take_over(status, observed);
    if observed.report.result.as_ref().is_some_and(|result| result.exit_code == 0) {
        // Another end may be followed by another attempt; the kubelet tells it too.
        status.exit_code = Some(0);
    }
    if let Some(head) = &cluster.head {
        status.attempt = head.attempt;
        status.failures = cluster.failures;
        status.start_time.clone_from(&cluster.start_time);
        if condition::has_ended(&cluster.conditions) {
            end(status, head, now);
        }
    }
}

/// What the head reported of itself: how far it is, and what it read.
fn take_over(status: &mut JobStatus, observed: &Observed) {
    if let Some(progress) = &observed.report.progress {
        status.progress = Some(progress.clone());
        match observed.bound {
            Some(bound) => {
                let (reason, message) = bound.said();
                let bound = condition::new(INGEST_BOUND, Some(true), reason, message, observed.now);
                condition::set(&mut status.conditions, bound);
            }
            None => status.conditions.retain(|condition| condition.type_ != INGEST_BOUND),
        }
    }
    let digest = observed.report.result.as_ref().and_then(|result| result.stream_digest.clone());
    status.stream_digest = digest.or_else(|| status.stream_digest.take());
}

/// A job on a standing cluster has no cluster's word to repeat: it says itself how it stands.
fn stand(status: &mut JobStatus, standing: &Standing, observed: &Observed) {
    let now = observed.now;
    take_over(status, observed);
    let ready = |on, reason, message: &str| condition::new(READY, on, reason, message, now);
    let conditions = match standing {
        // Told in another way.
        Standing::Refuse(..) => return,
        Standing::Suspended => {
            status.cluster_attempt = None;
            vec![ready(Some(false), Reason::Suspended, "spec.suspend is true; it holds nothing")]
        }
        Standing::Wait(message) => vec![ready(Some(false), Reason::Queued, message)],
        Standing::Run { attempt, cluster_attempt } => {
            (status.attempt, status.cluster_attempt) = (*attempt, Some(*cluster_attempt));
            status.next_attempt_time = None;
            status.start_time.get_or_insert(Time(now));
            vec![ready(Some(true), Reason::Running, &format!("attempt {attempt} runs"))]
        }
        Standing::Retry { said, at } => {
            status.failures += 1;
            (status.cluster_attempt, status.next_attempt_time) = (None, Some(Time(*at)));
            vec![ready(Some(false), Reason::Retrying, said)]
        }
        Standing::End { reason, exit_code, message } => {
            status.exit_code = *exit_code;
            status.completion_time.get_or_insert(Time(now));
            ended(*reason, message, now)
        }
    };
    status.conditions.retain(|condition| condition.type_ != STALLED);
    for condition in conditions {
        condition::set(&mut status.conditions, condition);
    }
}

/// The conditions of a job on a standing cluster that is over.
fn ended(reason: Reason, message: &str, now: Timestamp) -> Vec<Condition> {
    if reason == Reason::Complete {
        return [COMPLETE, READY].map(|kind| condition::new(kind, Some(true), reason, message, now)).to_vec();
    }
    let failed = condition::new(FAILED, Some(true), reason, message, now);
    let told = [(READY, false), (STALLED, true)];
    let told = told.map(|(kind, on)| condition::new(kind, Some(on), Reason::Failed, message, now));
    [failed].into_iter().chain(told).collect()
}

fn end(status: &mut JobStatus, head: &HeadState, now: Timestamp) {
    status.completion_time.get_or_insert(Time(now));
    // The kubelet's word counts above the head's.
    status.exit_code = head.exit_code;
    let word: Option<LastWord> = head.message.as_deref().and_then(|message| serde_json::from_str(message).ok());
    if status.stream_digest.is_none() {
        status.stream_digest = word.and_then(|word| word.stream_digest).filter(|digest| !digest.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use microtome_api::{ClusterStatus, Progress};

    use super::*;
    use crate::cluster::fixtures;
    use crate::control::hub::Outcome;
    use crate::scale::ingest::IngestBound;

    fn mirrored(cluster: ClusterStatus, change: impl FnOnce(&mut Observed)) -> JobStatus {
        let mut observed = fixtures::observed_job();
        observed.cluster = Some(fixtures::cluster());
        observed.cluster.as_mut().unwrap().status = Some(cluster);
        change(&mut observed);
        status(&observed, &Decision::Mirror)
    }

    fn cluster_status(kinds: &[(&str, Option<bool>, Reason)], head: Option<HeadState>) -> ClusterStatus {
        let new = |&(kind, on, reason): &_| condition::new(kind, on, reason, "m", Timestamp::UNIX_EPOCH);
        let start_time = Some(Time(Timestamp::UNIX_EPOCH));
        ClusterStatus { conditions: kinds.iter().map(new).collect(), head, start_time, ..ClusterStatus::default() }
    }

    fn reasons(status: &JobStatus) -> Vec<String> {
        status.conditions.iter().map(|c| format!("{}={} {}", c.type_, c.status, c.reason)).collect()
    }

    #[test]
    fn a_running_job_repeats_its_cluster_and_shows_its_progress() {
        let cluster = cluster_status(
            &[(READY, Some(true), Reason::Running)],
            Some(HeadState { attempt: 1, ..HeadState::default() }),
        );
        let job = mirrored(cluster, |observed| {
            observed.report.progress = Some(Progress { summary: "41%".into(), ..Progress::default() });
            let stalled = condition::new(STALLED, Some(true), Reason::NoTeam, "", Timestamp::UNIX_EPOCH);
            observed.job.status = Some(JobStatus { conditions: vec![stalled], ..JobStatus::default() });
        });
        assert_eq!(reasons(&job), ["Ready=True Running"], "a stall that is over is taken back");
        assert_eq!((job.attempt, job.team.as_deref(), job.progress.unwrap().summary.as_str()), (1, Some("t"), "41%"));
        assert!(job.start_time.is_some() && job.completion_time.is_none());
    }

    #[test]
    fn what_limits_the_patches_is_said_while_it_does() {
        let runs = || {
            cluster_status(
                &[(READY, Some(true), Reason::Running)],
                Some(HeadState { attempt: 1, ..HeadState::default() }),
            )
        };
        let bound = |observed: &mut Observed| {
            observed.report.progress = Some(Progress::default());
            observed.bound = Some(IngestBound::Storage);
        };
        let job = mirrored(runs(), bound);
        assert_eq!(reasons(&job), ["Ready=True Running", "IngestBound=True Storage"]);
        let earlier = job.clone();
        let job = mirrored(runs(), |observed| observed.job.status = Some(earlier));
        assert_eq!(reasons(&job).len(), 2, "nothing new was reported");
        let earlier = job.clone();
        let job = mirrored(runs(), |observed| {
            observed.job.status = Some(earlier);
            observed.report.progress = Some(Progress::default());
        });
        assert_eq!(reasons(&job), ["Ready=True Running"]);
        let ended =
            cluster_status(&[(READY, Some(true), Reason::Complete), (COMPLETE, Some(true), Reason::Complete)], None);
        assert_eq!(reasons(&mirrored(ended, bound)).len(), 2, "over with the job");
    }

    #[test]
    fn an_ended_job_keeps_how_far_it_came_and_has_no_rate() {
        let ended =
            cluster_status(&[(READY, Some(true), Reason::Complete), (COMPLETE, Some(true), Reason::Complete)], None);
        let job = mirrored(ended, |observed| {
            let (rate, waiting) = (Some("9.6k/s".into()), Some("0.3%".into()));
            observed.report.progress = Some(Progress { summary: "100%".into(), rate, waiting, ..Progress::default() });
        });
        let progress = job.progress.unwrap();
        assert_eq!((progress.summary.as_str(), progress.rate, progress.waiting), ("100%", None, None));
    }

    #[test]
    fn the_end_has_code_time_and_digest() {
        let head = |code, message: &str| {
            Some(HeadState { attempt: 1, exit_code: code, message: Some(message.into()), ..HeadState::default() })
        };
        let complete = [(READY, Some(true), Reason::Complete), (COMPLETE, Some(true), Reason::Complete)];
        let word = r#"{"exitCode":0,"streamDigest":"6d0f","patches":88}"#;
        let job = mirrored(cluster_status(&complete, head(Some(0), word)), |_| ());
        assert_eq!((job.exit_code, job.stream_digest.as_deref()), (Some(0), Some("6d0f")));
        assert!(job.completion_time.is_some());
        let job = mirrored(cluster_status(&complete, head(Some(0), word)), |observed| {
            observed.report.result = Some(Outcome { exit_code: 0, stream_digest: Some("e1".into()) });
        });
        assert_eq!(job.stream_digest.as_deref(), Some("e1"), "a report counts above the last word");
        let failed = [(READY, Some(false), Reason::Failed), (FAILED, Some(true), Reason::Failed)];
        let job = mirrored(cluster_status(&failed, head(Some(3), "boom")), |_| ());
        assert_eq!((job.exit_code, job.stream_digest), (Some(3), None));
    }

    #[test]
    fn a_job_whose_cluster_was_deleted_has_failed() {
        let lost = status(&fixtures::observed_job(), &Decision::Lost);
        assert_eq!(reasons(&lost), ["Ready=False Failed", "Stalled=True Failed", "Failed=True HeadLost"]);
        assert!(lost.completion_time.is_some());
    }
}
