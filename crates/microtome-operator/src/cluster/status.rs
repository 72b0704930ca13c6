//! What a cluster's status says: pure.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use microtome_api::condition::{self, ADMITTED, COMPLETE, FAILED, READY, Reason, STALLED};
use microtome_api::{ClusterStatus, HeadState, names};

use super::decide::Decision;
use super::head::{End, Head};
use super::observe::Observed;

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
pub(crate) fn status(observed: &Observed, decision: &Decision) -> ClusterStatus {
    let now = observed.now;
    let mut status = observed.cluster.status.clone().unwrap_or_default();
    status.workers_ready = observed.workers.map_or(0, |workers| workers.ready);
    let ready = match decision {
        Decision::Rest | Decision::Tidy => return status,
        Decision::Refuse(refusal) => Ready::stalled(refusal.reason, refusal.message.clone()),
        Decision::Queue => queued(&status),
        Decision::Suspended => Ready::new(Some(false), Reason::Suspended, "spec.suspend is true; it holds nothing"),
        Decision::Withdraw(reason) => {
            let message = format!("{} pods are going", observed.pods);
            Ready::new(Some(false), *reason, message)
        }
        Decision::Backoff(until) => waits_for_attempt(&status, *until),
        Decision::Build(_) => {
            open_head(&mut status, observed);
            Ready::new(Some(false), Reason::Starting, "pods are being made")
        }
        Decision::Follow(_) => {
            open_head(&mut status, observed);
            if observed.job.is_none() {
                stand(&mut status, observed);
            }
            followed(observed)
        }
        Decision::Record(end) => {
            record(&mut status, observed, end);
            status.failures += i32::from(end.reason == Reason::Failed);
            if matches!(end.reason, Reason::Suspended | Reason::Evicted) {
                // It has its whole time again when it is admitted again.
                status.start_time = None;
            }
            Ready::new(Some(false), Reason::Retrying, attempt_ended(&status))
        }
        Decision::Finish(end) => {
            record(&mut status, observed, end);
            // They are being removed.
            (status.workers_ready, status.running_job, status.idle_since) = (0, None, None);
            finished(&mut status, observed, end)
        }
    };
    status.team.clone_from(&observed.team);
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
pub(crate) fn blocked(observed: &Observed, error: &str) -> ClusterStatus {
    let mut status = observed.cluster.status.clone().unwrap_or_default();
    let open = status.head.as_ref().is_some_and(|head| head.ended.is_none());
    if !open && !condition::has_ended(&status.conditions) {
        let starting = condition::new(READY, Some(false), Reason::Starting, error, observed.now);
        condition::set(&mut status.conditions, starting);
    }
    status
}

/// The attempt under way, in the status; and when the first program began.
fn open_head(status: &mut ClusterStatus, observed: &Observed) {
    let attempt = observed.attempt();
    if status.head.as_ref().is_none_or(|head| head.attempt != attempt) {
        let pod_name = names::head_pod(&observed.cluster.name_any(), attempt);
        status.head = Some(HeadState { attempt, pod_name, ..HeadState::default() });
    }
    if status.start_time.is_none() {
        status.start_time = observed.head.as_ref().and_then(|head| head.started).map(Time);
    }
}

/// What a standing cluster does, or since when nothing.
fn stand(status: &mut ClusterStatus, observed: &Observed) {
    status.running_job = observed.line.running.as_ref().map(ResourceExt::name_any);
    if observed.line.is_wanted {
        status.idle_since = None;
    } else if status.idle_since.is_none() {
        status.idle_since = Some(Time(observed.now));
    }
}

/// How an attempt ended.
fn record(status: &mut ClusterStatus, observed: &Observed, end: &End) {
    // A deadline may come between two attempts: then there is no head to be opened.
    if observed.head.is_some() || status.head.as_ref().is_none_or(|head| head.ended.is_none()) {
        open_head(status, observed);
    }
    if let Some(head) = status.head.as_mut().filter(|head| head.ended.is_none()) {
        head.ended = Some(end.reason.as_str().to_owned());
        head.end_time = Some(Time(observed.now));
        head.exit_code = end.exit_code;
        head.message = Some(end.message.clone());
    }
}

/// `attempt 1 ended: exit code 3: boom`.
fn attempt_ended(status: &ClusterStatus) -> String {
    let Some(head) = &status.head else { return String::new() };
    let why = head.ended.as_deref().unwrap_or_default();
    let said = said(head.exit_code, head.message.as_deref().unwrap_or_default());
    format!("attempt {} ended: {}", head.attempt, if said.is_empty() { why } else { &said })
}

fn waits_for_attempt(status: &ClusterStatus, until: Timestamp) -> Ready {
    let next = status.head.as_ref().map_or(1, |head| head.attempt + 1);
    let at = until.strftime("%H:%M:%S UTC");
    Ready::new(Some(false), Reason::Retrying, format!("{}; attempt {next} is made at {at}", attempt_ended(status)))
}

/// The exit code and the last words.
fn said(exit_code: Option<i32>, words: &str) -> String {
    match (exit_code, words) {
        (Some(code), "") => format!("exit code {code}"),
        (Some(code), words) => format!("exit code {code}: {words}"),
        (None, words) => words.to_owned(),
    }
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
    match observed.head.as_ref().map(|head| &head.head) {
        Some(Head::Running) => Ready::new(Some(true), Reason::Running, workers),
        Some(Head::Starting(trouble)) if !trouble.is_empty() => {
            Ready::new(Some(false), Reason::Starting, format!("head: {trouble}; {workers}"))
        }
        _ => Ready::new(Some(false), Reason::Starting, format!("head starts; {workers}")),
    }
}

fn finished(status: &mut ClusterStatus, observed: &Observed, end: &End) -> Ready {
    let now = observed.now;
    let standing_is_over =
        observed.job.is_none() && matches!(end.reason, Reason::DeadlineExceeded | Reason::IdleTimeout);
    if end.reason == Reason::Complete || standing_is_over {
        let message = if standing_is_over { end.message.as_str() } else { "exit code 0" };
        condition::set(&mut status.conditions, condition::new(COMPLETE, Some(true), end.reason, message, now));
        return Ready::new(Some(true), Reason::Complete, message);
    }
    let message = said(end.exit_code, &end.message);
    let message = match status.failures {
        0 => message,
        failures => format!("{message} (it had failed {failures} times before)"),
    };
    condition::set(&mut status.conditions, condition::new(FAILED, Some(true), end.reason, message.clone(), now));
    Ready::stalled(if end.reason == Reason::StorageDenied { end.reason } else { Reason::Failed }, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::decide::Follow;
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
        lines(&status(observed, decision))
    }

    fn end(reason: Reason, exit_code: Option<i32>, message: &str) -> End {
        End { reason, exit_code, message: message.into() }
    }

    fn follow() -> Decision {
        Decision::Follow(Follow { workers: None, deadline_seconds: None })
    }

    #[test]
    fn every_decision_has_its_conditions() {
        let mut observed = fixtures::observed();
        let refusal = Refusal { reason: Reason::NoTeam, message: "none".into() };
        assert_eq!(
            after(&observed, &Decision::Refuse(refusal)),
            ["Ready=False NoTeam: none", "Stalled=True NoTeam: none"]
        );
        assert_eq!(after(&observed, &Decision::Queue), ["Ready=False Queued: waits for admission"]);
        let line = "Ready=False Suspended: spec.suspend is true; it holds nothing";
        assert_eq!(after(&observed, &Decision::Suspended), [line]);
        observed.pods = 3;
        assert_eq!(after(&observed, &Decision::Withdraw(Reason::Evicting)), ["Ready=False Evicting: 3 pods are going"]);
        observed.workers = Some(Workers { replicas: 2, ready: 1, attempt: 1 });
        observed.head = Some(fixtures::head_pod(Head::Starting("ImagePullBackOff: no such image".into())));
        let line = "Ready=False Starting: head: ImagePullBackOff: no such image; 1 of 2 workers ready";
        assert_eq!(after(&observed, &follow()), [line]);
        observed.head = Some(fixtures::head_pod(Head::Running));
        observed.worker_trouble = Some("Unschedulable: 0/2 nodes".into());
        let line = "Ready=True Running: 1 of 2 workers ready; worker: Unschedulable: 0/2 nodes";
        assert_eq!(after(&observed, &follow()), [line]);
    }

    #[test]
    fn ends_are_written_once_with_code_and_last_words() {
        let mut observed = fixtures::observed();
        observed.workers = Some(Workers { replicas: 2, ready: 2, attempt: 1 });
        let failed = status(&observed, &Decision::Finish(end(Reason::Failed, Some(3), "boom")));
        let head = failed.head.clone().unwrap();
        assert_eq!((head.attempt, head.pod_name.as_str(), head.exit_code), (1, "a-head-1", Some(3)));
        assert_eq!((head.ended.as_deref(), head.end_time), (Some("Failed"), Some(Time(observed.now))));
        assert_eq!((head.message.as_deref(), failed.workers_ready), (Some("boom"), 0));
        let wanted = [
            "Failed=True Failed: exit code 3: boom",
            "Ready=False Failed: exit code 3: boom",
            "Stalled=True Failed: exit code 3: boom",
        ];
        assert_eq!(lines(&failed), wanted);
        let complete = Decision::Finish(end(Reason::Complete, Some(0), "{}"));
        let wanted = ["Complete=True Complete: exit code 0", "Ready=True Complete: exit code 0"];
        assert_eq!(after(&observed, &complete), wanted);
        let denied = after(&observed, &Decision::Finish(end(Reason::StorageDenied, Some(1), "Denied: 403")));
        assert_eq!(denied[1], "Ready=False StorageDenied: exit code 1: Denied: 403");
        observed.job = None;
        let over = after(&observed, &Decision::Finish(end(Reason::DeadlineExceeded, None, "it ran long")));
        assert_eq!(over, ["Complete=True DeadlineExceeded: it ran long", "Ready=True Complete: it ran long"]);
    }

    #[test]
    fn attempts_count_up_and_failures_only_where_the_program_failed() {
        let mut observed = fixtures::observed();
        let recorded = |observed: &mut Observed, end: End| {
            let status = status(observed, &Decision::Record(end));
            observed.cluster.status = Some(status.clone());
            (status.head.as_ref().unwrap().attempt, status.failures, lines(&status).remove(0))
        };
        let first = recorded(&mut observed, end(Reason::HeadLost, None, "gone"));
        assert_eq!(first, (1, 0, "Ready=False Retrying: attempt 1 ended: gone".into()));
        assert_eq!(observed.attempt(), 2);
        observed.head = Some(fixtures::head_pod(Head::Running));
        let second = recorded(&mut observed, end(Reason::Failed, Some(3), ""));
        assert_eq!(second, (2, 1, "Ready=False Retrying: attempt 2 ended: exit code 3".into()));
        let until = Timestamp::from_second(1010).unwrap();
        let line = "Ready=False Retrying: attempt 2 ended: exit code 3; attempt 3 is made at 00:16:50 UTC";
        assert_eq!(after(&observed, &Decision::Backoff(until)), [line]);
        let built = status(&observed, &Decision::Build(Box::new(fixtures::resolved())));
        let head = built.head.unwrap();
        assert_eq!((head.attempt, head.pod_name.as_str(), head.ended, head.exit_code), (3, "a-head-3", None, None));
    }

    #[test]
    fn the_clock_starts_with_the_program_and_again_after_an_eviction() {
        let mut observed = fixtures::observed();
        let started = Timestamp::from_second(950).unwrap();
        let pod = fixtures::head_pod(Head::Running);
        observed.head = Some(crate::cluster::head::HeadPod { started: Some(started), ..pod });
        observed.cluster.status = Some(status(&observed, &follow()));
        let time =
            |observed: &Observed| observed.cluster.status.as_ref().unwrap().start_time.clone().map(|time| time.0);
        assert_eq!(time(&observed), Some(started));
        let lost = status(&observed, &Decision::Record(end(Reason::HeadLost, None, "")));
        assert_eq!(lost.start_time, Some(Time(started)));
        let evicted = status(&observed, &Decision::Record(end(Reason::Evicted, None, "")));
        assert_eq!(evicted.start_time, None);
    }

    #[test]
    fn a_standing_cluster_says_what_it_runs_or_since_when_nothing() {
        let mut observed = fixtures::observed();
        (observed.job, observed.head) = (None, Some(fixtures::head_pod(Head::Running)));
        let idle = status(&observed, &follow());
        assert_eq!((idle.running_job.clone(), idle.idle_since.clone()), (None, Some(Time(observed.now))));
        observed.cluster.status = Some(idle);
        observed.line.running = Some(fixtures::job());
        observed.line.is_wanted = true;
        let busy = status(&observed, &follow());
        assert_eq!((busy.running_job.as_deref(), busy.idle_since), (Some("a"), None));
    }

    #[test]
    fn it_names_its_team_as_long_as_it_has_one() {
        let mut observed = fixtures::observed();
        let queued = status(&observed, &Decision::Queue);
        assert_eq!(queued.team.as_deref(), Some("t"));
        (observed.team, observed.cluster.status) = (None, Some(queued));
        let refusal = Refusal { reason: Reason::NoTeam, message: "none".into() };
        assert_eq!(status(&observed, &Decision::Refuse(refusal)).team, None);
    }

    #[test]
    fn what_the_apiserver_refuses_is_shown_until_there_is_a_head() {
        let mut observed = fixtures::observed();
        let blocked_now = |observed: &Observed| lines(&blocked(observed, "cannot create Pod a-head-1: no"));
        assert_eq!(blocked_now(&observed), ["Ready=False Starting: cannot create Pod a-head-1: no"]);
        observed.cluster.status = Some(ClusterStatus { head: Some(HeadState::default()), ..ClusterStatus::default() });
        assert!(blocked_now(&observed).is_empty());
    }

    #[test]
    fn a_stall_that_is_over_is_taken_back_and_admissions_word_is_repeated() {
        let mut observed = fixtures::observed();
        let refusal = Refusal { reason: Reason::NoTeam, message: "none".into() };
        observed.cluster.status = Some(status(&observed, &Decision::Refuse(refusal)));
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
