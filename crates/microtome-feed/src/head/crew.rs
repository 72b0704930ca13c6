//! What the workers of a dataset supply: patches a second of one that is busy all the time.
//!
//! A worker is busy with what it is shortest of. Decoding takes a thread, fetching and decoding take one of its slots, and all
//! that its process does takes CPU; so a lease takes the largest of its decoding over all threads, its whole work over all
//! slots, and the CPU that was used meanwhile over all that may be. Waiting for a thread is none of them: it says that the
//! worker is busy, not with what. So the rate is the same however much of the time it has work.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use microtome_plan::lease::WorkerId;

use crate::wire::feed::Spent;

/// Rates are of the last one to two of these.
const SPAN: Duration = Duration::from_secs(5);

/// The workers of a dataset.
#[derive(Debug, Default)]
pub(super) struct Crew {
    workers: BTreeMap<WorkerId, Member>,
    arrived: u64,
    /// What was last known, for when nobody is there.
    last: Option<f64>,
}

#[derive(Debug)]
struct Member {
    slots: f64,
    threads: f64,
    began: Instant,
    now: Work,
    before: Work,
}

/// What was done in a span.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    patches: u64,
    decode: Duration,
    storage: Duration,
    cpu: Duration,
}

impl Crew {
    /// A worker connected that takes `slots` leases at once and decodes on `threads` threads.
    pub(super) fn joins(&mut self, worker: WorkerId, (slots, threads): (u32, u32), now: Instant) {
        let (slots, threads) = (f64::from(slots.max(1)), f64::from(threads.max(1)));
        let (work, before) = (Work::default(), Work::default());
        self.workers.insert(worker, Member { slots, threads, began: now, now: work, before });
    }

    /// A worker is gone.
    pub(super) fn leaves(&mut self, worker: WorkerId) {
        self.last = self.rate();
        self.workers.remove(&worker);
    }

    /// A worker has done a lease of so many patches.
    pub(super) fn works(&mut self, worker: WorkerId, patches: u64, spent: &Spent, now: Instant) {
        self.arrived += patches;
        let Some(member) = self.workers.get_mut(&worker) else { return };
        if now.saturating_duration_since(member.began) >= SPAN {
            (member.before, member.now, member.began) = (member.now, Work::default(), now);
        }
        member.now.patches += patches;
        member.now.decode += Duration::from_micros(spent.decode_us);
        member.now.storage += Duration::from_micros(spent.storage_us);
        member.now.cpu += Duration::from_micros(spent.cpu_us);
    }

    /// Patches that came, of all workers.
    pub(super) fn arrived(&self) -> u64 {
        self.arrived
    }

    /// The median worker's patches a second; what it last was where nobody is there.
    pub(super) fn rate(&self) -> Option<f64> {
        let mut rates: Vec<f64> = self.workers.values().filter_map(Member::rate).collect();
        rates.sort_by(f64::total_cmp);
        let middle = (rates.len().checked_sub(1).map(|last| last / 2), rates.len() / 2);
        match middle {
            (Some(lower), upper) => Some(rates[lower].midpoint(rates[upper])),
            (None, _) => self.last,
        }
    }
}

impl Member {
    fn rate(&self) -> Option<f64> {
        let sum = |part: fn(&Work) -> Duration| (part(&self.now) + part(&self.before)).as_secs_f64();
        let (decode, storage) = (sum(|work| work.decode), sum(|work| work.storage));
        let cpu = sum(|work| work.cpu);
        let busy = (decode / self.threads).max((decode + storage) / self.slots).max(cpu);
        let patches = self.now.patches + self.before.patches;
        (patches > 0 && busy > 0.0).then(|| patches as f64 / busy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(storage_us: u64, decode_us: u64) -> Spent {
        Spent { storage_us, decode_us, queue_us: 7_000_000, ..Spent::default() }
    }

    fn crew(workers: u64) -> (Crew, Instant) {
        let (mut crew, now) = (Crew::default(), Instant::now());
        (1..=workers).for_each(|worker| crew.joins(WorkerId(worker), (48, 4), now));
        (crew, now)
    }

    #[test]
    fn a_worker_is_busy_with_what_it_is_shortest_of() {
        let (mut decodes, now) = crew(1);
        decodes.works(WorkerId(1), 4, &spent(20_000, 2_000), now);
        assert_eq!(decodes.rate(), Some(8000.0), "4 patches in 2 ms on each of 4 threads");
        let (mut fetches, now) = crew(1);
        fetches.works(WorkerId(1), 4, &spent(46_000, 2_000), now);
        assert_eq!(fetches.rate(), Some(4000.0), "4 patches in 48 ms in each of 48 slots");
        let (mut computes, now) = crew(1);
        computes.works(WorkerId(1), 4, &Spent { cpu_us: 8_000, ..spent(46_000, 2_000) }, now);
        assert_eq!(computes.rate(), Some(500.0), "4 patches in 8 ms of all the CPU that it may use");
    }

    #[test]
    fn a_worker_with_little_to_do_has_the_same_rate() {
        let (mut crew, now) = crew(1);
        for seconds in 0..60 {
            crew.works(WorkerId(1), 4, &spent(20_000, 2_000), now + Duration::from_secs(seconds));
            assert_eq!(crew.rate().map(f64::round), Some(8000.0));
        }
        assert_eq!(crew.arrived(), 240);
    }

    #[test]
    fn what_was_long_ago_does_not_count() {
        let (mut crew, now) = crew(1);
        crew.works(WorkerId(1), 4, &spent(0, 8_000), now);
        for seconds in [6, 12] {
            crew.works(WorkerId(1), 4, &spent(0, 2_000), now + Duration::from_secs(seconds));
        }
        assert_eq!(crew.rate(), Some(8000.0));
    }

    #[test]
    fn it_is_the_median_workers_and_stays_when_all_are_gone() {
        let (mut crew, now) = crew(3);
        for (worker, decode_us) in [(1, 2_000), (2, 4_000), (3, 400_000)] {
            crew.works(WorkerId(worker), 4, &spent(0, decode_us), now);
        }
        assert_eq!(crew.rate(), Some(4000.0));
        crew.leaves(WorkerId(3));
        assert_eq!(crew.rate(), Some(6000.0));
        crew.leaves(WorkerId(2));
        crew.leaves(WorkerId(1));
        assert_eq!(crew.rate(), Some(8000.0));
        crew.works(WorkerId(1), 4, &spent(0, 1), now);
        assert_eq!((crew.rate(), crew.arrived()), (Some(8000.0), 16));
    }
}
