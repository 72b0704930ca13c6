//! The head's desk: hands out work, puts what comes back in order, and never holds more than the budget.
//!
//! Work comes from a [`Producer`]: a plan ([`planned`]), or patches asked for at run time ([`asked`]). It is offered in the
//! producer's order and only while its bytes fit the [`Credit`]; the bytes are given back when the program has taken the
//! batch. A lease that comes back keeps its bytes while it waits to go out again. So when a position is due, everything
//! held belongs to the batch being filled or to what the producer had to offer before it, which each producer bounds and
//! checks against the budget: with that much, the stream cannot get stuck.

pub mod asked;
pub mod planned;

use std::collections::BTreeMap;
use std::ops::Range;

use asked::Spec;

use crate::checkpoint::{Checkpoint, CheckpointError, Cursor, Start};
use crate::credit::Credit;
use crate::lease::{Failed, Grant, LeaseId, Leases, Workforce};
use crate::plan::Work;

/// Work of one epoch, or of one round of patches that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The epoch or round; counts from 0.
    pub epoch: u64,
    /// The patches.
    pub work: Work,
}

/// Consecutive patches of the stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch<P> {
    /// The epoch or round; counts from 0.
    pub epoch: u64,
    /// The batch of the epoch; counts from 0.
    pub step: u64,
    /// The patches in their order; fewer than the batch size only at an epoch's end.
    pub patches: Vec<P>,
}

/// What became of patches that a worker delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// They are part of the stream.
    Accepted,
    /// They came too late, or again: dropped.
    Stale,
    /// Not as many as were asked for: as if the worker had failed.
    Malformed(Failed),
}

/// Who decides which patches there are, and in which order.
pub trait Producer {
    /// The next work in the order in which it must be granted; `None` if there is none, or none yet.
    fn next_work(&mut self) -> Option<Task>;
    /// The positions of a batch in its epoch; `None` if there is no such batch, or not yet.
    fn batch(&self, cursor: Cursor) -> Option<Range<u64>>;
    /// A batch was given out. The place of the one after it.
    fn passed(&mut self, cursor: Cursor) -> Cursor;
    /// Whether no batch comes at or after a place.
    fn is_finished(&self, cursor: Cursor) -> bool;
    /// Batches an epoch, as it is read now; 0 where the program decides what comes.
    fn steps(&self) -> u64 {
        0
    }
    /// Bytes of one patch.
    fn patch_bytes(&self) -> u64;

    /// A place, to go on from in another process; `None` where the program decides what comes.
    fn checkpoint(&self, cursor: Cursor) -> Option<Checkpoint>;
    /// Goes on from a place. Returns its cursor, or says why it is not of this stream.
    fn resume(&mut self, start: &Start) -> Result<Cursor, CheckpointError>;
    /// Patches before a place.
    fn before(&self, cursor: Cursor) -> u64;

    /// The program asks for a round of patches while `cursor` is the place of the next batch. Returns that place as it is
    /// then. A plan knows its patches itself and does not listen.
    fn ask(&mut self, _round: Vec<Spec>, cursor: Cursor) -> Cursor {
        cursor
    }
    /// The program will ask for nothing more.
    fn close(&mut self) {}
}

/// A stream from work to batches. `P` is a patch as it arrives, `S` says which patches there are.
#[derive(Debug)]
pub struct Desk<P, S> {
    producer: S,
    /// Work that did not fit the credit yet.
    held_back: Option<Task>,
    leases: Leases<Task>,
    credit: Credit,
    arrived: BTreeMap<(u64, u64), P>,
    cursor: Cursor,
}

impl<P, S: Producer> Desk<P, S> {
    fn over(producer: S, cursor: Cursor, budget: u64) -> Self {
        let (leases, credit) = (Leases::new(), Credit::new(budget));
        Self { producer, held_back: None, leases, credit, arrived: BTreeMap::new(), cursor }
    }

    /// The place of the next batch.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// The workers that take the leases.
    pub fn workforce(&mut self) -> &mut dyn Workforce {
        &mut self.leases
    }

    /// Bytes held.
    pub fn credit(&self) -> &Credit {
        &self.credit
    }

    /// The program asks for a round of patches; see [`asked`].
    pub fn ask(&mut self, round: Vec<Spec>) {
        self.cursor = self.producer.ask(round, self.cursor);
    }

    /// The program will ask for nothing more.
    pub fn close(&mut self) {
        self.producer.close();
    }

    /// Goes on from a place: what was cut for another one, or is being cut, is dropped and its bytes are given back.
    /// Batches that were given out stay charged until [`Desk::release`]. Nothing happens if it is of another stream.
    pub fn resume(&mut self, start: &Start) -> Result<(), CheckpointError> {
        self.cursor = self.producer.resume(start)?;
        let withdrawn: usize = self.leases.withdraw().iter().map(|task| task.work.places.len()).sum();
        self.credit.give_back(self.bytes(withdrawn + self.arrived.len()));
        self.arrived.clear();
        self.held_back = None;
        Ok(())
    }

    /// The place of the next batch, to go on from; `None` where the program decides what comes.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.producer.checkpoint(self.cursor)
    }

    /// Patches of the stream before the next batch.
    pub fn passed(&self) -> u64 {
        self.producer.before(self.cursor)
    }

    /// The next grant, if somebody is free, something is to do, and its bytes fit.
    pub fn grant(&mut self, now_ms: u64) -> Option<Grant<Task>> {
        while let Some(task) = self.held_back.take().or_else(|| self.producer.next_work()) {
            if !self.credit.take(self.bytes(task.work.places.len())) {
                self.held_back = Some(task);
                break;
            }
            self.leases.offer(task.work.slide, task);
        }
        self.leases.grant(now_ms)
    }

    /// Part of a lease arrived. Whether it is still wanted.
    pub fn touch(&mut self, lease: LeaseId, attempt: u32, now_ms: u64) -> bool {
        self.leases.touch(lease, attempt, now_ms)
    }

    /// What a grant that is out was to do.
    pub fn work(&self, lease: LeaseId, attempt: u32) -> Option<&Task> {
        self.leases.work(lease, attempt)
    }

    /// All patches of a lease arrived, in the order in which the lease named them.
    pub fn deliver(&mut self, lease: LeaseId, attempt: u32, patches: Vec<P>) -> Delivery {
        match self.leases.work(lease, attempt) {
            None => return Delivery::Stale,
            Some(task) if task.work.places.len() != patches.len() => {
                return Delivery::Malformed(self.leases.fail(lease, attempt));
            }
            Some(_) => {}
        }
        let Some(task) = self.leases.settle(lease, attempt) else {
            return Delivery::Stale;
        };
        for (place, patch) in task.work.places.iter().zip(patches) {
            self.arrived.insert((task.epoch, place.position), patch);
        }
        Delivery::Accepted
    }

    /// A worker could not do a lease.
    pub fn fail(&mut self, lease: LeaseId, attempt: u32) -> Failed {
        self.leases.fail(lease, attempt)
    }

    /// The next batch, if all of it has arrived. Its bytes stay charged until [`Desk::release`].
    pub fn batch(&mut self) -> Option<Batch<P>> {
        let Cursor { epoch, step } = self.cursor;
        let positions = self.producer.batch(self.cursor)?;
        let complete = positions.clone().all(|position| self.arrived.contains_key(&(epoch, position)));
        if !complete {
            return None;
        }
        let patches = positions.filter_map(|position| self.arrived.remove(&(epoch, position))).collect();
        self.cursor = self.producer.passed(self.cursor);
        Some(Batch { epoch, step, patches })
    }

    /// The program has taken a batch of this many patches.
    pub fn release(&mut self, patches: usize) {
        self.credit.give_back(self.bytes(patches));
    }

    /// Batches an epoch, as it is read now; 0 where the program decides what comes.
    pub fn steps(&self) -> u64 {
        self.producer.steps()
    }

    /// Whether the last batch was given out and no other can come.
    pub fn is_finished(&self) -> bool {
        self.producer.is_finished(self.cursor)
    }

    fn bytes(&self, patches: usize) -> u64 {
        patches as u64 * self.producer.patch_bytes()
    }
}
