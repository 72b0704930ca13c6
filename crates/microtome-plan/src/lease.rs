//! Who cuts what: leases of work to workers that may die, hang, or answer twice.
//!
//! A lease is known by its number, which is also its rank: the waiting lease of the lowest number is granted first, always.
//! Each grant has an attempt; an answer counts only if it names the attempt that is out now, so late and repeated copies
//! fall away. Time is the caller's: milliseconds of any clock that does not go back.

mod session;

use std::collections::BTreeMap;

use session::Sessions;

/// A worker's connection. A worker that dials again is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u64);

/// A lease's number and rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub u64);

/// How long a worker may keep a lease, counted anew with each part of it that arrives. A block takes a second on a slow
/// core and a slow store; a closed stream is noticed at once, so this ends only what hangs.
pub const LEASE_MS: u64 = 60_000;

/// A lease whose work fails this often, on whichever workers, fails the job: the work itself is bad.
const MAX_FAILURES: u32 = 3;

/// Work handed to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant<W> {
    /// To whom.
    pub worker: WorkerId,
    /// Which lease.
    pub lease: LeaseId,
    /// Which grant of it; counts from 1.
    pub attempt: u32,
    /// What to do.
    pub work: W,
}

/// What became of a failed lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Somebody will try it again.
    Retried,
    /// It failed too often.
    GivenUp,
    /// The answer was of a grant that is no longer out.
    Stale,
}

/// All leases of a stream.
#[derive(Debug)]
pub struct Leases<W> {
    next: u64,
    waiting: BTreeMap<LeaseId, Entry<W>>,
    out: BTreeMap<LeaseId, Out<W>>,
    sessions: Sessions,
}

#[derive(Debug)]
struct Entry<W> {
    work: W,
    /// Work on the same slide goes to the same worker where it can: it has the slide open.
    slide: u32,
    attempts: u32,
    failures: u32,
}

#[derive(Debug)]
struct Out<W> {
    entry: Entry<W>,
    worker: WorkerId,
    deadline_ms: u64,
}

/// The workers that take leases, whatever the work is: they come, end, and leave their leases to others.
pub trait Workforce {
    /// A worker connected that takes `slots` leases at once.
    fn join(&mut self, worker: WorkerId, slots: u32);
    /// A worker ends soon: it is granted nothing more, and finishes or returns what it has.
    fn retire(&mut self, worker: WorkerId);
    /// A worker returns a grant undone, for no fault of the work: it waits again. Whether it was still out.
    fn hand_back(&mut self, lease: LeaseId, attempt: u32) -> bool;
    /// A worker's connection is gone; what it had waits again. Returns how many leases that were.
    fn leave(&mut self, worker: WorkerId) -> usize;
    /// Takes back what has been out for too long. Returns how many leases that were.
    fn expire(&mut self, now_ms: u64) -> usize;
}

impl<W: Clone> Workforce for Leases<W> {
    fn join(&mut self, worker: WorkerId, slots: u32) {
        self.sessions.join(worker, slots);
    }

    fn retire(&mut self, worker: WorkerId) {
        self.sessions.retire(worker);
    }

    fn hand_back(&mut self, lease: LeaseId, attempt: u32) -> bool {
        let entry = self.take_out(lease, attempt);
        entry.map(|entry| self.waiting.insert(lease, entry)).is_some()
    }

    fn leave(&mut self, worker: WorkerId) -> usize {
        self.sessions.leave(worker);
        self.requeue(|out| out.worker == worker)
    }

    fn expire(&mut self, now_ms: u64) -> usize {
        self.requeue(|out| out.deadline_ms <= now_ms)
    }
}

impl<W: Clone> Leases<W> {
    /// No work and no workers.
    pub fn new() -> Self {
        Self { next: 0, waiting: BTreeMap::new(), out: BTreeMap::new(), sessions: Sessions::default() }
    }

    /// Adds work behind all other.
    pub fn offer(&mut self, slide: u32, work: W) -> LeaseId {
        let lease = LeaseId(self.next);
        self.next += 1;
        self.waiting.insert(lease, Entry { work, slide, attempts: 0, failures: 0 });
        lease
    }

    /// The next grant, if somebody is free and something waits.
    pub fn grant(&mut self, now_ms: u64) -> Option<Grant<W>> {
        let slide = self.waiting.first_key_value()?.1.slide;
        let worker = self.sessions.pick(slide)?;
        let (lease, mut entry) = self.waiting.pop_first()?;
        self.sessions.started(worker, slide);
        entry.attempts += 1;
        let grant = Grant { worker, lease, attempt: entry.attempts, work: entry.work.clone() };
        self.out.insert(lease, Out { entry, worker, deadline_ms: now_ms.saturating_add(LEASE_MS) });
        Some(grant)
    }

    /// Part of a lease arrived: its deadline counts anew. Whether that grant is still out.
    pub fn touch(&mut self, lease: LeaseId, attempt: u32, now_ms: u64) -> bool {
        match self.out.get_mut(&lease) {
            Some(out) if out.entry.attempts == attempt => {
                out.deadline_ms = now_ms.saturating_add(LEASE_MS);
                true
            }
            _ => false,
        }
    }

    /// The work of a grant that is out.
    pub fn work(&self, lease: LeaseId, attempt: u32) -> Option<&W> {
        self.out.get(&lease).filter(|out| out.entry.attempts == attempt).map(|out| &out.entry.work)
    }

    /// The work of a grant is done. `None`: it is no longer out, and its results are to be dropped.
    pub fn settle(&mut self, lease: LeaseId, attempt: u32) -> Option<W> {
        self.take_out(lease, attempt).map(|entry| entry.work)
    }

    /// A worker could not do a grant.
    pub fn fail(&mut self, lease: LeaseId, attempt: u32) -> Failed {
        let Some(mut entry) = self.take_out(lease, attempt) else {
            return Failed::Stale;
        };
        entry.failures += 1;
        if entry.failures >= MAX_FAILURES {
            return Failed::GivenUp;
        }
        self.waiting.insert(lease, entry);
        Failed::Retried
    }

    /// Forgets all work, and returns it: answers to grants that are out will be stale, and no number is used again.
    pub fn withdraw(&mut self) -> Vec<W> {
        let out = std::mem::take(&mut self.out).into_values().map(|out| {
            self.sessions.ended(out.worker);
            out.entry
        });
        let entries: Vec<Entry<W>> = out.collect();
        entries.into_iter().chain(std::mem::take(&mut self.waiting).into_values()).map(|entry| entry.work).collect()
    }

    /// Whether all work that was offered is settled.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.out.is_empty()
    }

    fn take_out(&mut self, lease: LeaseId, attempt: u32) -> Option<Entry<W>> {
        if self.out.get(&lease)?.entry.attempts != attempt {
            return None;
        }
        let out = self.out.remove(&lease)?;
        self.sessions.ended(out.worker);
        Some(out.entry)
    }

    fn requeue(&mut self, lost: impl Fn(&Out<W>) -> bool) -> usize {
        let leases: Vec<LeaseId> = self.out.iter().filter(|(_, out)| lost(out)).map(|(lease, _)| *lease).collect();
        for lease in &leases {
            if let Some(out) = self.out.remove(lease) {
                self.sessions.ended(out.worker);
                self.waiting.insert(*lease, out.entry);
            }
        }
        leases.len()
    }
}

impl<W: Clone> Default for Leases<W> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: WorkerId = WorkerId(1);
    const B: WorkerId = WorkerId(2);

    fn leases(works: &[(u32, char)]) -> Leases<char> {
        let mut leases = Leases::new();
        for (slide, work) in works {
            leases.offer(*slide, *work);
        }
        leases
    }

    #[test]
    fn a_dead_workers_leases_go_out_again_before_all_other() {
        let mut leases = leases(&[(0, 'a'), (0, 'b'), (0, 'c')]);
        leases.join(A, 2);
        assert_eq!(leases.grant(0).unwrap().work, 'a');
        assert_eq!(leases.grant(0).unwrap().work, 'b');
        assert_eq!(leases.grant(0), None, "no slot is free");
        leases.join(B, 1);
        assert_eq!(leases.leave(A), 2);
        let again = leases.grant(0).unwrap();
        assert_eq!((again.work, again.attempt, again.worker), ('a', 2, B));
        assert_eq!(leases.settle(LeaseId(0), 1), None, "the dead worker's late answer");
        assert_eq!(leases.settle(LeaseId(0), 2), Some('a'));
        assert_eq!(leases.settle(LeaseId(0), 2), None, "the same answer again");
    }

    #[test]
    fn what_hangs_is_taken_back_unless_parts_arrive() {
        let mut leases = leases(&[(0, 'a')]);
        leases.join(A, 1);
        leases.grant(0).unwrap();
        assert!(leases.touch(LeaseId(0), 1, LEASE_MS - 1));
        assert_eq!(leases.expire(LEASE_MS), 0);
        assert_eq!(leases.expire(2 * LEASE_MS), 1);
        assert!(!leases.touch(LeaseId(0), 1, 2 * LEASE_MS));
        assert_eq!(leases.grant(2 * LEASE_MS).unwrap().attempt, 2, "its slot is free again");
    }

    #[test]
    fn work_that_always_fails_is_given_up() {
        let mut leases = leases(&[(0, 'a')]);
        leases.join(A, 1);
        for (attempt, outcome) in [(1, Failed::Retried), (2, Failed::Retried), (3, Failed::GivenUp)] {
            leases.grant(0).unwrap();
            assert_eq!(leases.fail(LeaseId(0), attempt), outcome);
        }
        assert_eq!(leases.fail(LeaseId(0), 3), Failed::Stale);
        assert!(leases.is_idle());
    }

    #[test]
    fn a_worker_that_ends_gets_nothing_more_and_returns_what_it_has() {
        let mut leases = leases(&[(0, 'a'), (0, 'b')]);
        leases.join(A, 1);
        for attempt in 1..10 {
            assert_eq!(leases.grant(0).unwrap().attempt, attempt, "no return counts as a failure");
            assert!(leases.hand_back(LeaseId(0), attempt));
            assert!(!leases.hand_back(LeaseId(0), attempt));
        }
        leases.retire(A);
        assert_eq!(leases.grant(0), None);
        leases.join(B, 1);
        assert_eq!(leases.grant(0).map(|grant| grant.worker), Some(B));
        assert_eq!(leases.leave(A), 0);
    }

    #[test]
    fn a_slide_stays_with_its_worker_while_that_is_free() {
        let mut leases = leases(&[(7, 'a'), (8, 'b'), (7, 'c'), (8, 'd'), (7, 'e')]);
        leases.join(A, 2);
        leases.join(B, 2);
        let grants: Vec<(char, WorkerId)> =
            (0..4).map(|_| leases.grant(0).unwrap()).map(|g| (g.work, g.worker)).collect();
        assert_eq!(grants, [('a', A), ('b', B), ('c', A), ('d', B)]);
        assert_eq!(leases.settle(LeaseId(1), 1), Some('b'));
        assert_eq!(leases.grant(0).unwrap().worker, B, "a free stranger is better than waiting");
    }
}
