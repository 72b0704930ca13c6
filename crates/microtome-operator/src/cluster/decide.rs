//! What a pass does about a cluster: pure and total.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use microtome_api::condition::{self, ADMITTED, Reason};
use microtome_api::{ClusterStatus, names};

use super::head::{End, Head, HeadPod};
use super::observe::Observed;
use super::resolve::{Refusal, Resolved};
use crate::backoff;

/// For a standing cluster that says none: an hour, so that a GPU that nobody remembers is somebody else's by lunch.
const IDLE_TIMEOUT_SECONDS: i64 = 3600;

/// What a pass does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decision {
    /// Being deleted, or ended and tidied up: nothing.
    Rest,
    /// It may not be built.
    Refuse(Refusal),
    /// It may be built once it is admitted.
    Queue,
    /// It is to hold nothing, for this reason, and holds nothing.
    Suspended,
    /// It is to hold nothing, for this reason (`Suspending` or `Evicting`): remove its pods.
    Withdraw(Reason),
    /// The next attempt is made, but not before this time.
    Backoff(Timestamp),
    /// Admitted, and there is no head: make everything of this attempt.
    Build(Box<Resolved>),
    /// The head is on its way or runs.
    Follow(Follow),
    /// The head has ended, and another one will follow: write that down.
    Record(End),
    /// The head has ended for good: write that down and remove the workers.
    Finish(End),
    /// That is written down, but the workers are still there.
    Tidy,
}

/// What is kept right while the head is there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Follow {
    /// Workers are missing or of an earlier attempt: make them. None: they are as they should be, or what they are built
    /// from is no longer there.
    pub(crate) workers: Option<Box<Resolved>>,
    /// The pod's deadline from now on: what is left of the cluster's, counted as the kubelet counts.
    pub(crate) deadline_seconds: Option<i64>,
}

impl Decision {
    /// The decision's name, for the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Refuse(_) => "refuse",
            Self::Queue => "queue",
            Self::Suspended => "suspended",
            Self::Withdraw(_) => "withdraw",
            Self::Backoff(_) => "backoff",
            Self::Build(_) => "build",
            Self::Follow(_) => "follow",
            Self::Record(_) => "record",
            Self::Finish(_) => "finish",
            Self::Tidy => "tidy",
        }
    }

    /// When the next pass is due although nothing has happened.
    pub(crate) fn due(&self, observed: &Observed) -> Option<Duration> {
        let at = match self {
            Self::Backoff(until) => *until,
            Self::Follow(_) => {
                let lost = observed.unreachable_since.map(|since| since + loss(observed));
                let idle = observed.cluster.status.as_ref().and_then(|status| idle_until(observed, status));
                lost.into_iter().chain(idle).min()?
            }
            _ => return None,
        };
        Some(Duration::try_from(at.duration_since(observed.now)).unwrap_or_default())
    }
}

/// What is wanted of a cluster.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wanted {
    Run,
    Suspend,
    /// Its quota was taken back, or it has none yet.
    Wait,
}

/// Decides.
pub(crate) fn decide(observed: &Observed) -> Decision {
    let cluster = &observed.cluster;
    if cluster.metadata.deletion_timestamp.is_some() {
        // What it owns goes with it.
        return Decision::Rest;
    }
    let unseen = ClusterStatus::default();
    let status = cluster.status.as_ref().unwrap_or(&unseen);
    if condition::has_ended(&status.conditions) {
        return if observed.workers.is_some() { Decision::Tidy } else { Decision::Rest };
    }
    let wanted = wanted(observed, status);
    let is_open = status.head.as_ref().is_some_and(|head| head.ended.is_none());
    match &observed.head {
        Some(HeadPod { head: Head::Ended(end), .. }) => settle(observed, status, wanted, end.clone()),
        Some(_) if is_lost(observed) => {
            let message = format!("its node was unreachable for {} s", observed.head_loss_seconds);
            settle(observed, status, wanted, End { reason: Reason::HeadLost, exit_code: None, message })
        }
        Some(_) if wanted != Wanted::Run => withdraw(wanted),
        Some(_) if idle_until(observed, status).is_some_and(|until| until <= observed.now) => {
            let message = "it had no job for spec.idleTimeoutSeconds".to_owned();
            Decision::Finish(End { reason: Reason::IdleTimeout, exit_code: None, message })
        }
        Some(head) => Decision::Follow(follow(observed, status, head)),
        None if is_open => {
            let pod = names::head_pod(cluster.metadata.name.as_deref().unwrap_or_default(), observed.attempt());
            let message = format!("the head's pod {pod} vanished: its node was lost, or somebody deleted it");
            settle(observed, status, wanted, End { reason: Reason::HeadLost, exit_code: None, message })
        }
        None => start(observed, status, wanted),
    }
}

fn wanted(observed: &Observed, status: &ClusterStatus) -> Wanted {
    let spec = &observed.cluster.spec;
    // Who manages it admits it by taking `suspend` away.
    let admitted = spec.managed_by.is_some() || condition::is_true(&status.conditions, ADMITTED);
    match (spec.suspend, admitted) {
        (true, _) => Wanted::Suspend,
        (false, true) => Wanted::Run,
        (false, false) => Wanted::Wait,
    }
}

fn withdraw(wanted: Wanted) -> Decision {
    Decision::Withdraw(if wanted == Wanted::Suspend { Reason::Suspending } else { Reason::Evicting })
}

/// There is no head: what comes first.
fn start(observed: &Observed, status: &ClusterStatus, wanted: Wanted) -> Decision {
    let resolved = match &observed.resolved {
        Err(refusal) => return Decision::Refuse(refusal.clone()),
        Ok(resolved) => resolved,
    };
    let is_empty = observed.workers.is_none() && observed.pods == 0;
    match wanted {
        Wanted::Suspend if is_empty => return Decision::Suspended,
        Wanted::Wait if is_empty => return Decision::Queue,
        Wanted::Suspend | Wanted::Wait => return withdraw(wanted),
        Wanted::Run => {}
    }
    if remaining(observed, status).is_some_and(|left| left.is_zero()) {
        return Decision::Finish(expired());
    }
    match next_attempt_at(status) {
        Some(at) if at > observed.now => Decision::Backoff(at),
        _ => Decision::Build(Box::new(resolved.clone())),
    }
}

/// The head has ended: for good, or is there another attempt?
fn settle(observed: &Observed, status: &ClusterStatus, wanted: Wanted, end: End) -> Decision {
    let is_standing = observed.job.is_none();
    // The head said so before it was lost; the program is not run again.
    let is_done = observed.job.as_ref().and_then(|job| job.status.as_ref()).is_some_and(|job| job.exit_code == Some(0));
    let limit = observed.job.as_ref().map_or(i32::MAX, |job| job.spec.backoff_limit);
    match end.reason {
        Reason::HeadLost if is_done => Decision::Finish(End { reason: Reason::Complete, exit_code: Some(0), ..end }),
        Reason::HeadLost => match wanted {
            Wanted::Run if remaining(observed, status).is_some_and(|left| left.is_zero()) => {
                Decision::Finish(expired())
            }
            Wanted::Run => Decision::Record(end),
            Wanted::Suspend => Decision::Record(End { reason: Reason::Suspended, ..end }),
            Wanted::Wait => Decision::Record(End { reason: Reason::Evicted, ..end }),
        },
        // A standing head has no program that could be at fault.
        Reason::Failed if is_standing => Decision::Record(End { reason: Reason::HeadLost, ..end }),
        Reason::Failed if status.failures < limit => Decision::Record(end),
        Reason::Failed if limit > 0 => Decision::Finish(End { reason: Reason::BackoffLimitExceeded, ..end }),
        _ => Decision::Finish(end),
    }
}

fn expired() -> End {
    let message = "it ran longer than spec.activeDeadlineSeconds".to_owned();
    End { reason: Reason::DeadlineExceeded, exit_code: None, message }
}

/// What is left of the deadline, where there is one and it runs; never less than nothing.
pub(crate) fn remaining(observed: &Observed, status: &ClusterStatus) -> Option<SignedDuration> {
    let deadline = SignedDuration::from_secs(observed.cluster.spec.active_deadline_seconds?);
    let start = status.start_time.as_ref()?.0;
    Some((deadline - observed.now.duration_since(start)).max(SignedDuration::ZERO))
}

/// When the next attempt may be made.
fn next_attempt_at(status: &ClusterStatus) -> Option<Timestamp> {
    let head = status.head.as_ref()?;
    let ended = head.end_time.as_ref()?.0;
    let wait = if head.ended.as_deref() == Some(Reason::Failed.as_str()) {
        backoff::FAILED.after(status.failures - 1)
    } else {
        backoff::DISRUPTED.after(head.attempt - status.failures - 1)
    };
    ended.checked_add(wait).ok()
}

/// When a standing cluster without a job has been so for as long as it may.
fn idle_until(observed: &Observed, status: &ClusterStatus) -> Option<Timestamp> {
    if observed.job.is_some() || observed.line.is_wanted {
        return None;
    }
    let limit = observed.cluster.spec.idle_timeout_seconds.unwrap_or(IDLE_TIMEOUT_SECONDS);
    status.idle_since.as_ref()?.0.checked_add(SignedDuration::from_secs(limit)).ok()
}

fn loss(observed: &Observed) -> SignedDuration {
    SignedDuration::from_secs(observed.head_loss_seconds.into())
}

fn is_lost(observed: &Observed) -> bool {
    observed.unreachable_since.is_some_and(|since| since + loss(observed) <= observed.now)
}

fn follow(observed: &Observed, status: &ClusterStatus, head: &HeadPod) -> Follow {
    let there = observed.workers.is_some_and(|workers| workers.attempt == observed.attempt());
    Follow {
        workers: if there { None } else { observed.resolved.clone().ok().map(Box::new) },
        deadline_seconds: deadline(observed, status, head),
    }
}

/// The kubelet counts a pod's deadline from when it took the pod, the researcher from when the first program began. Only ever
/// shortened: that is all that the apiserver allows.
fn deadline(observed: &Observed, status: &ClusterStatus, head: &HeadPod) -> Option<i64> {
    let (taken, started) = (head.taken?, head.started?);
    let deadline = SignedDuration::from_secs(observed.cluster.spec.active_deadline_seconds?);
    let begun = status.start_time.as_ref().map_or(started, |time| time.0);
    let wanted = (begun + deadline).duration_since(taken).as_secs().max(1);
    (head.deadline_seconds.is_none_or(|there| there > wanted)).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use microtome_api::HeadState;

    use super::*;
    use crate::cluster::observe::{Workers, fixtures};

    fn decide_with(change: impl FnOnce(&mut Observed, &mut ClusterStatus)) -> Decision {
        let mut observed = fixtures::observed();
        let pending = condition::new(condition::READY, None, Reason::Pending, "", Timestamp::UNIX_EPOCH);
        let mut status = ClusterStatus { conditions: vec![pending], ..ClusterStatus::default() };
        change(&mut observed, &mut status);
        observed.cluster.status = Some(status);
        decide(&observed)
    }

    fn decision(change: impl FnOnce(&mut Observed, &mut ClusterStatus)) -> String {
        match decide_with(change) {
            Decision::Finish(end) => format!("finish {} {:?}", end.reason.as_str(), end.exit_code),
            Decision::Record(end) => format!("record {} {:?}", end.reason.as_str(), end.exit_code),
            Decision::Withdraw(reason) => format!("withdraw {}", reason.as_str()),
            Decision::Backoff(until) => format!("backoff {}", until.as_second()),
            decision => decision.name().to_owned(),
        }
    }

    fn set(status: &mut ClusterStatus, kind: &str) {
        condition::set(
            &mut status.conditions,
            condition::new(kind, Some(true), Reason::Admitted, "", Timestamp::UNIX_EPOCH),
        );
    }

    fn refused(observed: &mut Observed) {
        observed.resolved = Err(Refusal { reason: Reason::NoTeam, message: String::new() });
    }

    fn at(second: i64) -> Option<Time> {
        Some(Time(Timestamp::from_second(second).unwrap()))
    }

    fn ended(reason: Reason, code: Option<i32>) -> Option<HeadPod> {
        Some(fixtures::head_pod(Head::Ended(End { reason, exit_code: code, message: String::new() })))
    }

    /// The newest head: open, or ended at second 990 for a reason.
    fn newest(attempt: i32, ended: Option<Reason>) -> Option<HeadState> {
        let word = ended.map(|reason| reason.as_str().to_owned());
        Some(HeadState { attempt, end_time: word.as_ref().and_then(|_| at(990)), ended: word, ..HeadState::default() })
    }

    const TWO: Option<Workers> = Some(Workers { replicas: 2, ready: 2, attempt: 1 });

    #[test]
    fn before_there_is_a_head() {
        let mut gone = fixtures::observed();
        gone.cluster.metadata.deletion_timestamp = at(0);
        assert_eq!(decide(&gone).name(), "rest");
        assert_eq!(decide(&fixtures::observed()).name(), "queue");
        assert_eq!(decision(|o, _| refused(o)), "refuse");
        assert_eq!(decision(|_, _| ()), "queue");
        assert_eq!(decision(|_, s| set(s, ADMITTED)), "build");
        assert_eq!(decision(|o, s| (set(s, ADMITTED), refused(o)).1), "refuse");
        assert_eq!(decision(|o, _| o.cluster.spec.suspend = true), "suspended");
        assert_eq!(decision(|o, s| (set(s, ADMITTED), o.cluster.spec.suspend = true).1), "suspended");
        assert_eq!(decision(|o, _| o.cluster.spec.managed_by = Some("kueue.x-k8s.io/kueue".into())), "build");
        assert_eq!(decision(|o, _| o.pods = 1), "withdraw Evicting", "an earlier attempt's pods go first");
    }

    #[test]
    fn while_there_is_one() {
        let running = || Some(fixtures::head_pod(Head::Running));
        let starting = || Some(fixtures::head_pod(Head::Starting(String::new())));
        assert_eq!(decision(|o, s| (set(s, ADMITTED), o.head = starting()).1), "follow");
        assert_eq!(decision(|o, s| (set(s, ADMITTED), o.head = running(), refused(o)).2), "follow");
        assert_eq!(decision(|o, _| o.head = running()), "withdraw Evicting");
        let suspend = |o: &mut Observed, s: &mut ClusterStatus| {
            set(s, ADMITTED);
            (o.head, o.cluster.spec.suspend) = (running(), true);
        };
        assert_eq!(decision(suspend), "withdraw Suspending");
        let lost = |since: i64| {
            decision(|o, s| {
                set(s, ADMITTED);
                (o.head, o.unreachable_since) = (running(), at(since).map(|time| time.0));
            })
        };
        assert_eq!((lost(941).as_str(), lost(940).as_str()), ("follow", "record HeadLost None"));
    }

    #[test]
    fn workers_are_made_where_they_are_missing_or_an_earlier_attempts() {
        let follow = |workers: Option<Workers>, attempt| {
            decide_with(|o, s| {
                set(s, ADMITTED);
                (o.head, o.workers, s.head) = (Some(fixtures::head_pod(Head::Running)), workers, newest(attempt, None));
            })
        };
        let made = |decision: Decision| matches!(decision, Decision::Follow(Follow { workers: Some(_), .. }));
        assert!(made(follow(None, 1)) && made(follow(TWO, 2)));
        assert!(!made(follow(TWO, 1)));
    }

    #[test]
    fn ends_use_up_retries_only_where_the_program_is_at_fault() {
        let end = |reason, code, failures| {
            decision(|o, s| {
                set(s, ADMITTED);
                (o.head, s.failures, s.head) = (ended(reason, code), failures, newest(1, None));
            })
        };
        assert_eq!(end(Reason::Complete, Some(0), 0), "finish Complete Some(0)");
        assert_eq!(end(Reason::Failed, Some(3), 2), "record Failed Some(3)");
        assert_eq!(end(Reason::Failed, Some(3), 3), "finish BackoffLimitExceeded Some(3)");
        assert_eq!(end(Reason::HeadLost, Some(137), 3), "record HeadLost Some(137)");
        assert_eq!(end(Reason::DeadlineExceeded, None, 0), "finish DeadlineExceeded None");
        assert_eq!(end(Reason::StorageDenied, Some(1), 0), "finish StorageDenied Some(1)");
        let no_retries = decision(|o, s| {
            set(s, ADMITTED);
            o.job.as_mut().unwrap().spec.backoff_limit = 0;
            o.head = ended(Reason::Failed, Some(3));
            s.head = newest(1, None);
        });
        assert_eq!(no_retries, "finish Failed Some(3)");
        assert_eq!(decision(|_, s| (set(s, ADMITTED), s.head = newest(1, None)).1), "record HeadLost None");
        let withdrawn = |suspend| {
            decision(|o, s| {
                o.cluster.spec.suspend = suspend;
                s.head = newest(1, None);
            })
        };
        assert_eq!(
            (withdrawn(true).as_str(), withdrawn(false).as_str()),
            ("record Suspended None", "record Evicted None")
        );
    }

    #[test]
    fn a_program_that_had_ended_well_before_its_head_was_lost_is_not_run_again() {
        let lost = decision(|o, s| {
            set(s, ADMITTED);
            s.head = newest(1, None);
            o.job.as_mut().unwrap().status =
                Some(microtome_api::JobStatus { exit_code: Some(0), ..microtome_api::JobStatus::default() });
        });
        assert_eq!(lost, "finish Complete Some(0)");
    }

    #[test]
    fn the_next_attempt_waits_longer_each_time() {
        let next = |reason, attempt, failures| {
            decision(|_, s| {
                set(s, ADMITTED);
                (s.head, s.failures) = (newest(attempt, Some(reason)), failures);
            })
        };
        assert_eq!(next(Reason::Failed, 1, 1), "build", "ten seconds are over");
        assert_eq!(next(Reason::Failed, 2, 2), "backoff 1010");
        assert_eq!(next(Reason::Failed, 9, 9), "backoff 1350");
        assert_eq!(next(Reason::HeadLost, 1, 0), "build");
        assert_eq!(next(Reason::HeadLost, 5, 0), "backoff 1006");
        assert_eq!(next(Reason::HeadLost, 50, 0), "backoff 1050");
    }

    #[test]
    fn the_deadline_is_the_programs_and_goes_on_over_attempts() {
        let deadline = |begun: Option<i64>, there| {
            let decision = decide_with(|o, s| {
                set(s, ADMITTED);
                s.start_time = begun.and_then(at);
                let second = |second| at(second).map(|time| time.0);
                let pod = fixtures::head_pod(Head::Running);
                o.head = Some(HeadPod { taken: second(900), started: second(950), deadline_seconds: there, ..pod });
            });
            let Decision::Follow(follow) = decision else { panic!("{decision:?}") };
            follow.deadline_seconds
        };
        assert_eq!(deadline(None, Some(5400)), Some(3650), "50 s of pulling images are not the program's");
        assert_eq!(deadline(Some(500), Some(5400)), Some(3200), "the first attempt began earlier");
        assert_eq!(deadline(Some(500), Some(3200)), None);
        assert_eq!(deadline(Some(500), Some(3100)), None, "it is never made longer");
        let over = |head: Option<HeadState>| {
            decision(|_, s| {
                set(s, ADMITTED);
                s.start_time = Some(Time(Timestamp::from_second(1000 - 3600).unwrap()));
                s.head = head;
            })
        };
        assert_eq!(over(newest(1, None)), "finish DeadlineExceeded None");
        assert_eq!(over(newest(1, Some(Reason::Failed))), "finish DeadlineExceeded None");
    }

    #[test]
    fn a_standing_cluster_that_nobody_wants_ends() {
        let idle = |since: i64, wanted: bool| {
            let decision = decide_with(|o, s| {
                set(s, ADMITTED);
                (o.job, o.head) = (None, Some(fixtures::head_pod(Head::Running)));
                o.cluster.spec.idle_timeout_seconds = Some(100);
                (o.line.is_wanted, s.idle_since) = (wanted, at(since));
            });
            decision.name()
        };
        assert_eq!((idle(901, false), idle(900, false), idle(0, true)), ("follow", "finish", "follow"));
    }

    #[test]
    fn what_is_over_stays_over() {
        assert_eq!(decision(|o, s| (set(s, condition::FAILED), o.workers = TWO).1), "tidy");
        assert_eq!(decision(|_, s| set(s, condition::COMPLETE)), "rest");
    }

    #[test]
    fn a_pass_is_due_when_time_alone_changes_something() {
        let mut observed = fixtures::observed();
        let until = observed.now + SignedDuration::from_secs(7);
        assert_eq!(Decision::Backoff(until).due(&observed), Some(Duration::from_secs(7)));
        let follow = Decision::Follow(Follow { workers: None, deadline_seconds: None });
        assert_eq!(follow.due(&observed), None);
        observed.unreachable_since = Some(observed.now - SignedDuration::from_secs(20));
        assert_eq!(follow.due(&observed), Some(Duration::from_secs(40)));
    }
}
