//! When waiting jobs start if nobody else comes and everybody takes the declared time.

use std::collections::BTreeMap;

use crate::decision::{Action, Previous};
use crate::pass::decide;
use crate::snapshot::Snapshot;

/// The expected start of waiting jobs, in seconds, by id: the queue itself, played forward until `starts` of them have started,
/// jobs have ended at so many `instants`, or nothing more happens. Exact if declared deadlines are; early ends make it earlier for
/// most, and later for a few.
pub fn forecast(snapshot: &Snapshot, previous: &Previous, starts: usize, instants: usize) -> BTreeMap<String, i64> {
    let (mut world, mut previous) = (snapshot.clone(), previous.clone());
    let (mut expected, mut ended) = (BTreeMap::new(), 0);
    loop {
        let decisions = decide(&world, &previous);
        previous = Previous::from(&decisions);
        world.apply(&decisions);
        let mut evicts = false;
        for action in &decisions.actions {
            match action {
                Action::Start(start) => {
                    expected.entry(start.job.clone()).or_insert(world.now());
                }
                Action::Evict { .. } => evicts = true,
                Action::Reject { .. } | Action::Reserve { .. } => {}
            }
        }
        if evicts {
            // Who gave way may fit elsewhere.
            continue;
        }
        let Some(next) =
            world.next_end().filter(|_| world.waiting() > 0 && expected.len() < starts && ended < instants)
        else {
            return expected;
        };
        ended += 1;
        let next = world.next_evictable().map_or(next, |look| look.min(next));
        world.advance(next.max(world.now() + 1));
        world.end_due();
    }
}
