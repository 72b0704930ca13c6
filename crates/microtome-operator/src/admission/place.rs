//! A waiting cluster's place in its team's queue and what is in its way, as its status tells it: pure.
//!
//! Every change is a write, and one start moves everybody behind it. So only the first few are told their positions, what was
//! said stands for a while, and a time stands until it is off by more than people would notice. The condition `Admitted` repeats
//! what stands here, so it changes no more often.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use microtome_api::quantity::Quantity;
use microtome_api::{PatchCluster, QueueState, Short};
use microtome_queue::{Change, Explanation, Previous, Reason as Why, Snapshot};

use super::observe::Observed;
use super::snapshot::{Cluster, State};

/// Positions are told up to here.
pub(super) const TOLD_POSITIONS: usize = 10;
/// What was said stands for so long.
const STANDS_SECONDS: i64 = 30;
/// Of those who are not told a position: they may be thousands, and what changes for them is how much others use.
const FAR_STANDS_SECONDS: i64 = 300;
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
    let seconds = if said.position.is_some() { STANDS_SECONDS } else { FAR_STANDS_SECONDS };
    now < said.said_at.0.as_second().saturating_add(seconds)
}

/// What a pass found out about one that waits.
pub(super) struct News<'a> {
    pub(super) told: &'a Explanation,
    /// The reason in words.
    pub(super) message: String,
    /// About when it starts, in seconds.
    pub(super) expected: Option<i64>,
}

/// What is to be said now, which may be what was said before.
pub(super) fn place(news: News<'_>, said: Option<&QueueState>, now: Timestamp) -> QueueState {
    let News { told, message, expected } = news;
    let (reason, second) = (word(&told.reason).to_owned(), now.as_second());
    let is_told = told.position <= TOLD_POSITIONS;
    // Who comes near is told so as soon as those who are there.
    let near_stands = |said: &QueueState| !is_told || said.said_at.0.as_second() + STANDS_SECONDS > second;
    if let Some(said) = said.filter(|said| said.reason == reason && stands(said, second) && near_stands(said)) {
        return said.clone();
    }
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let (position, of) = (is_told.then(|| count(told.position)), is_told.then(|| count(told.waiting)));
    let summary = match is_told {
        true => format!("{}/{}", told.position, told.waiting),
        false => format!(">{TOLD_POSITIONS}"),
    };
    let starts_at = expected.or(told.reserved_at).filter(|_| is_told);
    let starts_at = settled(starts_at, said.and_then(|said| said.starts_at.as_ref()), second);
    let reserved_at = settled(told.reserved_at, said.and_then(|said| said.reserved_at.as_ref()), second);
    let short = short(told);
    let fresh =
        QueueState { summary, position, of, starts_at, reserved_at, reason, message, short, said_at: Time(now) };
    match said {
        Some(said) if (QueueState { said_at: said.said_at.clone(), ..fresh.clone() }) == *said => said.clone(),
        _ => fresh,
    }
}

/// What is missing of the resource that is in the way.
fn short(told: &Explanation) -> Option<Short> {
    let (resource, by) = match told.change.as_ref()? {
        Change::TeamMax { resource, by, .. } | Change::Free { resource, by } => (resource, *by),
        Change::TeamRunning { .. } | Change::Room { .. } | Change::Deadline { .. } => return None,
    };
    (by > 0).then(|| Short { resource: resource.clone(), amount: Quantity::from_milli(by) })
}

/// The reason in words; `title` says what people call a job.
pub(super) fn words(reason: &Why, title: impl Fn(&str) -> String) -> String {
    match reason {
        Why::TeamMax { team, resource, used, max, wanted } => {
            let [used, max, wanted] = [used, max, wanted].map(|&amount| Quantity::from_milli(amount));
            format!("team {team} uses {used} of its max {max} {resource}, and this wants {wanted}")
        }
        Why::Short { resource, free, wanted } => {
            let [free, wanted] = [free, wanted].map(|&amount| Quantity::from_milli(amount));
            format!("{free} {resource} free on all nodes, and this wants {wanted}")
        }
        Why::Behind { holder, at } => {
            format!("it would delay {}, which is to start at {}", title(holder), clock(*at))
        }
        Why::NoFit { group: 0, .. } => "no node has room for its head".to_owned(),
        Why::NoFit { unplaced, .. } => format!("no node has room for {unplaced} of its workers"),
        other => other.to_string(),
    }
}

/// All of it in one line.
pub(super) fn line(place: &QueueState) -> String {
    let position = match place.position {
        Some(position) => format!("position {position} in the team's queue"),
        None => format!("behind {TOLD_POSITIONS} or more in the team's queue"),
    };
    match &place.reserved_at {
        Some(at) => {
            format!("{}; {position}; starts at {} at the latest", place.message, clock(at.0.as_second()))
        }
        None => format!("{}; {position}", place.message),
    }
}

/// A time for a message.
pub(super) fn clock(second: i64) -> String {
    Timestamp::from_second(second)
        .map_or_else(|_| "an unknown time".to_owned(), |at| at.strftime("%F %H:%M UTC").to_string())
}

/// To the minute, and as it was said before where it is near that.
fn settled(at: Option<i64>, before: Option<&Time>, now: i64) -> Option<Time> {
    let at = minute(at?, now)?;
    match before {
        Some(before) if is_near(before.0.as_second(), at.as_second(), now) => Some(before.clone()),
        _ => Some(Time(at)),
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

    fn said_of(told: &Explanation, expected: Option<i64>, said: Option<&QueueState>, second: i64) -> QueueState {
        let message = words(&told.reason, |uid| format!("x/{uid}"));
        place(News { told, message, expected }, said, at(second))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn starts(state: &QueueState) -> Option<i64> {
        state.starts_at.as_ref().map(|time| time.0.as_second())
    }

    #[test]
    fn what_was_said_stands_for_a_while_unless_the_reason_is_another() {
        let first = said_of(&told(2), Some(1_000), None, 600);
        assert_eq!((first.summary.as_str(), starts(&first)), ("2/14", Some(1_020)), "the minute is over by then");
        assert_eq!(said_of(&told(1), Some(700), Some(&first), 629), first);
        let later = said_of(&told(1), Some(700), Some(&first), 630);
        assert_eq!((later.summary.as_str(), starts(&later)), ("1/14", Some(720)));
        let other = Explanation { reason: Why::Nothing, ..told(1) };
        assert_eq!(said_of(&other, None, Some(&first), 601).reason, "Next");
    }

    #[test]
    fn amounts_that_come_and_go_are_said_no_more_often_and_less_often_to_those_far_behind() {
        let uses = |position, used| {
            let (team, resource) = ("t".to_owned(), "cpu".to_owned());
            let reason = Why::TeamMax { team, resource, used, max: 8000, wanted: 2000 };
            Explanation { reason, ..told(position) }
        };
        let near = said_of(&uses(1, 8000), None, None, 600);
        assert_eq!(said_of(&uses(1, 7000), None, Some(&near), 629), near);
        let wanted = "team t uses 7 of its max 8 cpu, and this wants 2";
        assert_eq!(said_of(&uses(1, 7000), None, Some(&near), 630).message, wanted);
        assert_eq!(said_of(&uses(1, 8000), None, Some(&near), 999), near, "nothing is new");
        let far = said_of(&uses(11, 8000), None, None, 600);
        assert_eq!(said_of(&uses(11, 7000), None, Some(&far), 899), far);
        assert_eq!(said_of(&uses(11, 7000), None, Some(&far), 900).message, wanted);
        assert_eq!(said_of(&uses(10, 8000), None, Some(&far), 629), far);
        assert_eq!(said_of(&uses(10, 8000), None, Some(&far), 630).summary, "10/14", "it has come near");
    }

    #[test]
    fn a_time_stands_until_it_is_off_by_a_minute_or_a_twentieth_of_the_wait() {
        let first = said_of(&told(2), Some(6_000), None, 0);
        let again = |expected| said_of(&told(2), Some(expected), Some(&first), 60);
        assert_eq!(again(6_240), first, "297 s of 5,940 s are a twentieth");
        assert_eq!(starts(&again(6_300)), Some(6_300));
        assert_eq!(starts(&again(5_700)), Some(5_700));
    }

    #[test]
    fn nobody_is_told_what_nobody_knows() {
        let far = said_of(&told(11), Some(1_000), None, 600);
        assert_eq!((far.summary.as_str(), far.position, far.of, starts(&far)), (">10", None, None, None));
        let undeclared = said_of(&told(1), Some(31_536_000), None, 600);
        assert_eq!(starts(&undeclared), None);
    }

    #[test]
    fn a_reservation_is_told_as_what_it_is_beside_the_time_that_is_expected() {
        let promised = Explanation { reserved_at: Some(890), ..told(1) };
        let times = |state: &QueueState| (starts(state), state.reserved_at.as_ref().map(|at| at.0.as_second()));
        assert_eq!(times(&said_of(&promised, None, None, 600)), (Some(900), Some(900)));
        let first = said_of(&promised, Some(700), None, 600);
        assert_eq!(times(&first), (Some(720), Some(900)));
        let moved = Explanation { reserved_at: Some(1000), ..promised };
        assert_eq!(times(&said_of(&moved, Some(700), Some(&first), 640)), (Some(720), Some(1020)));
        assert_eq!(times(&said_of(&told(1), Some(700), Some(&first), 640)), (Some(720), None), "it was given up");
    }

    #[test]
    fn every_reason_has_a_word_words_and_an_amount_where_it_is_one() {
        let (team, resource) = ("t".to_owned(), "nvidia.com/gpu".to_owned());
        let max = Why::TeamMax { team: team.clone(), resource: resource.clone(), used: 8000, max: 8000, wanted: 2000 };
        let cases = [
            (
                max,
                Some(Change::TeamMax { team: team.clone(), resource: resource.clone(), by: 2000 }),
                "TeamMax",
                "team t uses 8 of its max 8 nvidia.com/gpu, and this wants 2",
                Some(("nvidia.com/gpu", "2")),
            ),
            (
                Why::Short { resource: "memory".into(), free: 1000 << 30, wanted: 3000 << 30 },
                Some(Change::Free { resource: "memory".into(), by: 2000 << 30 }),
                "Short",
                "1Gi memory free on all nodes, and this wants 3Gi",
                Some(("memory", "2Gi")),
            ),
            (
                Why::TeamRunning { team: team.clone(), running: 1, max: 1 },
                Some(Change::TeamRunning { team, by: 1 }),
                "TeamRunning",
                "1 jobs of team t run, and its jobLimits.maxRunning is 1",
                None,
            ),
            (
                Why::Behind { holder: "a".into(), at: 7260 },
                Some(Change::Deadline { seconds: 60 }),
                "Behind",
                "it would delay x/a, which is to start at 1970-01-01 02:01 UTC",
                None,
            ),
            (Why::NoFit { group: 0, unplaced: 1 }, None, "NoFit", "no node has room for its head", None),
            (Why::NoFit { group: 1, unplaced: 3 }, None, "NoFit", "no node has room for 3 of its workers", None),
            (Why::Nothing, None, "Next", "starts with the next pass", None),
        ];
        for (reason, change, word, words, short) in cases {
            let told = Explanation { reason, change, ..told(1) };
            let place = said_of(&told, None, None, 600);
            let amount = place.short.as_ref().map(|short| (short.resource.as_str(), short.amount.0.as_str()));
            assert_eq!((place.reason.as_str(), place.message.as_str(), amount), (word, words, short));
        }
    }

    #[test]
    fn the_condition_says_all_of_it_in_one_line() {
        let first = said_of(&Explanation { reserved_at: Some(890), ..told(2) }, None, None, 600);
        let why = &first.message;
        let wanted = format!("{why}; position 2 in the team's queue; starts at 1970-01-01 00:15 UTC at the latest");
        assert_eq!(line(&first), wanted);
        assert_eq!(line(&said_of(&told(11), None, None, 600)), format!("{why}; behind 10 or more in the team's queue"));
    }
}
