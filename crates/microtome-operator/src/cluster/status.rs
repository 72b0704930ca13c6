//! What a cluster's status says: pure.

use jiff::Timestamp;
use kube::ResourceExt;
use microtome_api::condition::{self, ADMITTED, COMPLETE, FAILED, READY, Reason, STALLED};
use microtome_api::{ClusterStatus, HeadState, names};

use super::decide::Decision;
use super::head::{End, Head};
use super::observe::{ATTEMPT, Observed};

/// What stands in `Ready`, and in `Stalled` where nothing will change by itself.
struct Ready {
    status: Option<bool>,
    reason: Reason,
    message: String,
    stalled: bool,
}

impl Ready {
    fn new(status: Option<bool>, reason: Reason, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into(), stalled: false }
    }

    fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self { status: Some(false), reason, message: message.into(), stalled: true }
    }
}

/// The status after `decision` was carried out.
pub(crate) fn status(observed: &Observed, decision: &Decision, now: Timestamp) -> ClusterStatus {
    let mut status = observed.cluster.status.clone().unwrap_or_default();
    status.workers_ready = observed.workers.map_or(0, |workers| workers.ready);
    let ready = match decision {
        Decision::Rest | Decision::Tidy => return status,
        Decision::Greet => Ready::new(None, Reason::Pending, "seen, not yet looked at"),
        Decision::Refuse(refusal) => Ready::stalled(refusal.reason, refusal.message.clone()),
        Decision::Queue => queued(&status),
        Decision::Build(_) => {
            status.head.get_or_insert_with(|| new_head(observed));
            Ready::new(Some(false), Reason::Starting, "pods are being made")
        }
        Decision::Follow(_) => {
            status.head.get_or_insert_with(|| new_head(observed));
            followed(observed)
        }
        Decision::Finish(end) => {
            // They are being removed.
            status.workers_ready = 0;
            let head = status.head.get_or_insert_with(|| new_head(observed));
            head.exit_code = end.exit_code;
            head.message = Some(end.message.clone());
            finished(&mut status, end, now)
        }
    };
    status.observed_generation = observed.cluster.metadata.generation;
    let conditions = &mut status.conditions;
    condition::set(conditions, condition::new(READY, ready.status, ready.reason, ready.message.clone(), now));
    conditions.retain(|condition| ready.stalled || condition.type_ != STALLED);
    if ready.stalled {
        condition::set(conditions, condition::new(STALLED, Some(true), ready.reason, ready.message, now));
    }
    status
}

/// The status where the apiserver did not take what was decided; it is tried again.
pub(crate) fn blocked(observed: &Observed, error: &str, now: Timestamp) -> ClusterStatus {
    let mut status = observed.cluster.status.clone().unwrap_or_default();
    let ended = |kind| condition::is_true(&status.conditions, kind);
    if status.head.is_none() && !ended(COMPLETE) && !ended(FAILED) {
        condition::set(&mut status.conditions, condition::new(READY, Some(false), Reason::Starting, error, now));
    }
    status
}

fn new_head(observed: &Observed) -> HeadState {
    let pod_name = names::head_pod(&observed.cluster.name_any(), ATTEMPT);
    HeadState { attempt: ATTEMPT, pod_name, ..HeadState::default() }
}

/// Admission says why; `Ready` repeats it where people look.
fn queued(status: &ClusterStatus) -> Ready {
    let admission = status.conditions.iter().find(|condition| condition.type_ == ADMITTED);
    match admission {
        Some(condition) if condition.reason == Reason::ExceedsTeamMax.as_str() => {
            Ready::stalled(Reason::ExceedsTeamMax, condition.message.clone())
        }
        Some(condition) => Ready::new(Some(false), Reason::Queued, condition.message.clone()),
        None => Ready::new(Some(false), Reason::Queued, "waits for admission"),
    }
}

fn followed(observed: &Observed) -> Ready {
    let (ready, wanted) = observed.workers.map_or((0, 0), |workers| (workers.ready, workers.replicas));
    let workers = format!("{ready} of {wanted} workers ready");
    let workers = match &observed.worker_trouble {
        Some(trouble) => format!("{workers}; worker: {trouble}"),
        None => workers,
    };
    match &observed.head {
        Some(Head::Running) => Ready::new(Some(true), Reason::Running, workers),
        Some(Head::Starting(trouble)) if !trouble.is_empty() => {
            Ready::new(Some(false), Reason::Starting, format!("head: {trouble}; {workers}"))
        }
        _ => Ready::new(Some(false), Reason::Starting, format!("head starts; {workers}")),
    }
}

fn finished(status: &mut ClusterStatus, end: &End, now: Timestamp) -> Ready {
    if end.reason == Reason::Complete {
        condition::set(
            &mut status.conditions,
            condition::new(COMPLETE, Some(true), Reason::Complete, "exit code 0", now),
        );
        return Ready::new(Some(true), Reason::Complete, "exit code 0");
    }
    let message = match (end.exit_code, end.message.as_str()) {
        (Some(code), "") => format!("exit code {code}"),
        (Some(code), said) => format!("exit code {code}: {said}"),
        (None, said) => said.to_owned(),
    };
    condition::set(&mut status.conditions, condition::new(FAILED, Some(true), end.reason, message.clone(), now));
    Ready::stalled(Reason::Failed, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::observe::{Workers, fixtures};
    use crate::cluster::resolve::Refusal;

    /// `Type=Status Reason: message`, a line a condition.
    fn lines(status: &ClusterStatus) -> Vec<String> {
        let line = |c: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
            format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message)
        };
        status.conditions.iter().map(line).collect()
    }

    fn after(observed: &Observed, decision: &Decision) -> Vec<String> {
        lines(&status(observed, decision, Timestamp::UNIX_EPOCH))
    }

    #[test]
    fn every_decision_has_its_conditions() {
        let mut observed = fixtures::observed();
        assert_eq!(after(&observed, &Decision::Greet), ["Ready=Unknown Pending: seen, not yet looked at"]);
        let refusal = Refusal { reason: Reason::NoTeam, message: "none".into() };
        assert_eq!(
            after(&observed, &Decision::Refuse(refusal)),
            ["Ready=False NoTeam: none", "Stalled=True NoTeam: none"]
        );
        assert_eq!(after(&observed, &Decision::Queue), ["Ready=False Queued: waits for admission"]);
        observed.workers = Some(Workers { replicas: 2, ready: 1 });
        observed.head = Some(Head::Starting("ImagePullBackOff: no such image".into()));
        let line = "Ready=False Starting: head: ImagePullBackOff: no such image; 1 of 2 workers ready";
        assert_eq!(after(&observed, &Decision::Follow(None)), [line]);
        observed.head = Some(Head::Running);
        observed.worker_trouble = Some("Unschedulable: 0/2 nodes".into());
        let line = "Ready=True Running: 1 of 2 workers ready; worker: Unschedulable: 0/2 nodes";
        assert_eq!(after(&observed, &Decision::Follow(None)), [line]);
    }

    #[test]
    fn ends_are_written_once_with_code_and_last_words() {
        let mut observed = fixtures::observed();
        observed.workers = Some(Workers { replicas: 2, ready: 2 });
        let end = End { reason: Reason::Failed, exit_code: Some(3), message: "boom".into() };
        let failed = status(&observed, &Decision::Finish(end), Timestamp::UNIX_EPOCH);
        let head = failed.head.clone().unwrap();
        assert_eq!((head.attempt, head.pod_name.as_str(), head.exit_code), (1, "a-head-1", Some(3)));
        assert_eq!((head.message.as_deref(), failed.workers_ready), (Some("boom"), 0));
        let wanted = [
            "Failed=True Failed: exit code 3: boom",
            "Ready=False Failed: exit code 3: boom",
            "Stalled=True Failed: exit code 3: boom",
        ];
        assert_eq!(lines(&failed), wanted);
        let end = End { reason: Reason::Complete, exit_code: Some(0), message: "{}".into() };
        assert_eq!(
            after(&observed, &Decision::Finish(end)),
            ["Complete=True Complete: exit code 0", "Ready=True Complete: exit code 0"]
        );
        let end = End { reason: Reason::HeadLost, exit_code: None, message: "gone".into() };
        assert_eq!(after(&observed, &Decision::Finish(end))[0], "Failed=True HeadLost: gone");
    }

    #[test]
    fn what_the_apiserver_refuses_is_shown_until_there_is_a_head() {
        let mut observed = fixtures::observed();
        let blocked_now =
            |observed: &Observed| lines(&blocked(observed, "cannot create Pod a-head-1: no", Timestamp::UNIX_EPOCH));
        assert_eq!(blocked_now(&observed), ["Ready=False Starting: cannot create Pod a-head-1: no"]);
        observed.cluster.status = Some(ClusterStatus { head: Some(HeadState::default()), ..ClusterStatus::default() });
        assert!(blocked_now(&observed).is_empty());
    }

    #[test]
    fn a_stall_that_is_over_is_taken_back_and_admissions_word_is_repeated() {
        let mut observed = fixtures::observed();
        let refusal = Refusal { reason: Reason::NoTeam, message: "none".into() };
        observed.cluster.status = Some(status(&observed, &Decision::Refuse(refusal), Timestamp::UNIX_EPOCH));
        assert_eq!(after(&observed, &Decision::Queue), ["Ready=False Queued: waits for admission"]);
        let never = condition::new(ADMITTED, Some(false), Reason::ExceedsTeamMax, "too much", Timestamp::UNIX_EPOCH);
        observed.cluster.status = Some(ClusterStatus { conditions: vec![never], ..ClusterStatus::default() });
        let wanted = [
            "Admitted=False ExceedsTeamMax: too much",
            "Ready=False ExceedsTeamMax: too much",
            "Stalled=True ExceedsTeamMax: too much",
        ];
        assert_eq!(after(&observed, &Decision::Queue), wanted);
    }
}
