//! What a pass does about a cluster: pure and total.

use microtome_api::condition::{self, ADMITTED, Reason};

use super::build::Objects;
use super::head::{End, Head};
use super::observe::Observed;
use super::resolve::{Refusal, Resolved};

/// What a pass does.
#[derive(Clone, Debug)]
pub(crate) enum Decision {
    /// Being deleted, or ended and tidied up: nothing.
    Rest,
    /// Never seen before: say so.
    Greet,
    /// It may not be built.
    Refuse(Refusal),
    /// It may be built once it is admitted.
    Queue,
    /// Admitted, and there is no head yet: make everything.
    Build(Box<Resolved>),
    /// The head is on its way or runs: keep the workers as they should be. `None`: as they are, because what they are
    /// built from is no longer there.
    Follow(Option<Box<Resolved>>),
    /// The head has ended: write that down and remove the workers.
    Finish(End),
    /// That is written down, but the workers are still there.
    Tidy,
}

impl Decision {
    /// The decision's name, for the log.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Rest => "rest",
            Self::Greet => "greet",
            Self::Refuse(_) => "refuse",
            Self::Queue => "queue",
            Self::Build(_) => "build",
            Self::Follow(_) => "follow",
            Self::Finish(_) => "finish",
            Self::Tidy => "tidy",
        }
    }
}

/// Decides.
pub(crate) fn decide(observed: &Observed) -> Decision {
    let cluster = &observed.cluster;
    if cluster.metadata.deletion_timestamp.is_some() {
        // What it owns goes with it.
        return Decision::Rest;
    }
    let Some(status) = cluster.status.as_ref().filter(|status| !status.conditions.is_empty()) else {
        return Decision::Greet;
    };
    if condition::is_true(&status.conditions, condition::COMPLETE)
        || condition::is_true(&status.conditions, condition::FAILED)
    {
        return if observed.workers.is_some() { Decision::Tidy } else { Decision::Rest };
    }
    match (&observed.head, &status.head) {
        (Some(Head::Ended(end)), _) => Decision::Finish(end.clone()),
        (Some(Head::Starting(_) | Head::Running), _) => Decision::Follow(observed.resolved.clone().ok().map(Box::new)),
        (None, Some(head)) => Decision::Finish(End {
            reason: Reason::HeadLost,
            exit_code: None,
            message: format!("the head's pod {} vanished: its node was lost, or somebody deleted it", head.pod_name),
        }),
        (None, None) => match &observed.resolved {
            Err(refusal) => Decision::Refuse(refusal.clone()),
            Ok(resolved) if condition::is_true(&status.conditions, ADMITTED) => {
                Decision::Build(Box::new(resolved.clone()))
            }
            Ok(_) => Decision::Queue,
        },
    }
}

/// Whether the worker Deployment must be written: it is missing. How many workers it has is for `scale/` to say.
pub(crate) fn workers_differ(observed: &Observed) -> bool {
    observed.workers.is_none()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use microtome_api::{ClusterStatus, HeadState};

    use super::*;
    use crate::cluster::observe::{Workers, fixtures};

    fn decision(change: impl FnOnce(&mut Observed, &mut ClusterStatus)) -> String {
        let mut observed = fixtures::observed();
        let pending = condition::new(condition::READY, None, Reason::Pending, "", Timestamp::UNIX_EPOCH);
        let mut status = ClusterStatus { conditions: vec![pending], ..ClusterStatus::default() };
        change(&mut observed, &mut status);
        observed.cluster.status = Some(status);
        match decide(&observed) {
            Decision::Finish(end) => format!("finish {} {:?}", end.reason.as_str(), end.exit_code),
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

    #[test]
    fn every_state_has_one_decision() {
        let workers = Some(Workers { replicas: 2, ready: 2 });
        let head = || Some(HeadState { pod_name: "a-head-1".into(), ..HeadState::default() });
        let end = || Some(Head::Ended(End { reason: Reason::Failed, exit_code: Some(3), message: String::new() }));
        let mut gone = fixtures::observed();
        gone.cluster.metadata.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH));
        assert_eq!(decide(&gone).name(), "rest");
        assert_eq!(decide(&fixtures::observed()).name(), "greet");
        assert_eq!(decision(|o, _| refused(o)), "refuse");
        assert_eq!(decision(|_, _| ()), "queue");
        assert_eq!(decision(|_, s| set(s, ADMITTED)), "build");
        assert_eq!(decision(|o, s| (set(s, ADMITTED), refused(o)).1), "refuse");
        assert_eq!(decision(|o, _| o.head = Some(Head::Starting(String::new()))), "follow");
        assert_eq!(decision(|o, _| (o.head = Some(Head::Running), refused(o)).1), "follow");
        assert_eq!(decision(|o, _| o.head = end()), "finish Failed Some(3)");
        assert_eq!(decision(|_, s| s.head = head()), "finish HeadLost None");
        assert_eq!(decision(|o, s| (set(s, condition::FAILED), o.workers = workers).1), "tidy");
        assert_eq!(decision(|_, s| set(s, condition::COMPLETE)), "rest");
    }

    #[test]
    fn workers_are_written_only_when_they_differ() {
        let mut observed = fixtures::observed();
        assert!(workers_differ(&observed));
        observed.workers = Some(Workers { replicas: 9, ready: 0 });
        assert!(!workers_differ(&observed), "scaled");
    }
}
