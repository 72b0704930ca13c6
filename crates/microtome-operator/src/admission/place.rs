//! A waiting cluster's place in its team's queue, as its status tells it: pure.
//!
//! Every change is a write, and one start moves everybody behind it. So only the first few are told their positions, what was
//! said stands for a while, and a time stands until it is off by more than people would notice.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use microtome_api::{PatchCluster, QueueState};
use microtome_queue::{Explanation, Previous, Reason as Why, Snapshot};

use super::observe::Observed;
use super::snapshot::{Cluster, State};

/// Positions are told up to here.
pub(super) const TOLD_POSITIONS: usize = 10;
/// What was said stands for so long.
const STANDS_SECONDS: i64 = 30;
/// The queue is played forward until so many have started or so many have ended: no more than some tens of passes' time.
const FORECAST_STARTS: usize = 64;
const FORECAST_ENDS: usize = 64;
/// Later than this nobody knows: where no deadline was declared, a year was assumed.
const FARTHEST_SECONDS: i64 = 30 * 86_400;
/// A time stands while it is off by less than a minute, or than this part of the wait.
const NEAR_SECONDS: i64 = 60;
const NEAR_PARTS: i64 = 20;

/// When waiting jobs start, where anybody is to be told; in seconds, by uid.
pub(super) fn expected(
    observed: &Observed,
    clusters: &[Cluster],
    queue: &Snapshot,
    previous: &Previous,
) -> BTreeMap<String, i64> {
    let waiting = clusters.iter().filter(|cluster| cluster.state == State::Waiting);
    let waiting: BTreeSet<&str> = waiting.map(|cluster| cluster.key.uid.as_str()).collect();
    let waits = |object: &&PatchCluster| object.metadata.uid.as_deref().is_some_and(|uid| waiting.contains(uid));
    let is_due = |object: &PatchCluster| match said(object) {
        None => true,
        Some(said) => said.position.is_some() && !stands(said, queue.now()),
    };
    if observed.clusters.iter().filter(waits).any(is_due) {
        microtome_queue::forecast(queue, previous, FORECAST_STARTS, FORECAST_ENDS)
    } else {
        BTreeMap::new()
    }
}

fn said(cluster: &PatchCluster) -> Option<&QueueState> {
    cluster.status.as_ref()?.queue.as_ref()
}

fn stands(said: &QueueState, now: i64) -> bool {
    now < said.said_at.0.as_second().saturating_add(STANDS_SECONDS)
}

/// What is to be said now, which may be what was said before.
pub(super) fn place(
    told: &Explanation,
    expected: Option<i64>,
    said: Option<&QueueState>,
    now: Timestamp,
) -> QueueState {
    let reason = word(&told.reason).to_owned();
    if let Some(said) = said.filter(|said| said.reason == reason && stands(said, now.as_second())) {
        return said.clone();
    }
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let is_told = told.position <= TOLD_POSITIONS;
    let (position, of) = (is_told.then(|| count(told.position)), is_told.then(|| count(told.waiting)));
    let summary = match is_told {
        true => format!("{}/{}", told.position, told.waiting),
        false => format!(">{TOLD_POSITIONS}"),
    };
    let starts_at = expected.or(told.reserved_at).filter(|_| is_told).and_then(|at| minute(at, now.as_second()));
    let before = said.and_then(|said| said.starts_at.as_ref());
    let starts_at = match (before, starts_at) {
        (Some(before), Some(at)) if is_near(before.0.as_second(), at.as_second(), now.as_second()) => {
            Some(before.clone())
        }
        (_, at) => at.map(Time),
    };
    let fresh = QueueState { summary, position, of, starts_at, reason, said_at: Time(now) };
    match said {
        Some(said) if (QueueState { said_at: said.said_at.clone(), ..fresh.clone() }) == *said => said.clone(),
        _ => fresh,
    }
}

/// The minute that is over when it starts; none where that is too far away to be known.
fn minute(at: i64, now: i64) -> Option<Timestamp> {
    let whole = at.max(now).checked_add(59)?.div_euclid(60) * 60;
    Timestamp::from_second(whole).ok().filter(|_| at - now <= FARTHEST_SECONDS)
}

fn is_near(said: i64, at: i64, now: i64) -> bool {
    (said - at).abs() <= NEAR_SECONDS.max((said - now) / NEAR_PARTS)
}

fn word(reason: &Why) -> &'static str {
    match reason {
        Why::TeamMax { .. } => "TeamMax",
        Why::TeamRunning { .. } => "TeamRunning",
        Why::Short { .. } => "Short",
        Why::NoFit { .. } => "NoFit",
        Why::Behind { .. } => "Behind",
        Why::Nothing => "Next",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(position: usize) -> Explanation {
        let reason = Why::TeamRunning { team: "t".into(), running: 1, max: 1 };
        Explanation { position, waiting: 14, reason, reserved_at: None, change: None }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn starts(state: &QueueState) -> Option<i64> {
        state.starts_at.as_ref().map(|time| time.0.as_second())
    }

    #[test]
    fn what_was_said_stands_for_a_while_unless_the_reason_is_another() {
        let first = place(&told(2), Some(1_000), None, at(600));
        assert_eq!((first.summary.as_str(), starts(&first)), ("2/14", Some(1_020)), "the minute is over by then");
        assert_eq!(place(&told(1), Some(700), Some(&first), at(629)), first);
        let later = place(&told(1), Some(700), Some(&first), at(630));
        assert_eq!((later.summary.as_str(), starts(&later)), ("1/14", Some(720)));
        let other = Explanation { reason: Why::Nothing, ..told(1) };
        assert_eq!(place(&other, None, Some(&first), at(601)).reason, "Next");
    }

    #[test]
    fn a_time_stands_until_it_is_off_by_a_minute_or_a_twentieth_of_the_wait() {
        let first = place(&told(2), Some(6_000), None, at(0));
        let again = |expected| place(&told(2), Some(expected), Some(&first), at(60));
        assert_eq!(again(6_240), first, "297 s of 5,940 s are a twentieth");
        assert_eq!(starts(&again(6_300)), Some(6_300));
        assert_eq!(starts(&again(5_700)), Some(5_700));
    }

    #[test]
    fn nobody_is_told_what_nobody_knows() {
        let far = place(&told(11), Some(1_000), None, at(600));
        assert_eq!((far.summary.as_str(), far.position, far.of, starts(&far)), (">10", None, None, None));
        let undeclared = place(&told(1), Some(31_536_000), None, at(600));
        assert_eq!(starts(&undeclared), None);
        let promised = Explanation { reserved_at: Some(900), ..told(1) };
        assert_eq!(starts(&place(&promised, None, None, at(600))), Some(900));
    }
}
