//! The head's desk: hands out the plan's work, puts what comes back in order, and never holds more than the budget.
//!
//! Work is offered in the plan's order and only while its bytes fit the [`Credit`]; the bytes are given back when the
//! program has taken the batch. A lease that comes back keeps its bytes while it waits to go out again. So when a position
//! is due, everything held belongs to the batch being filled or to a lane's open window, which is what
//! [`Shape::needed_bytes`](crate::shape::Shape::needed_bytes) counts: with that much, the stream cannot get stuck.

use std::collections::BTreeMap;

use crate::checkpoint::{Checkpoint, CheckpointError, Cursor};
use crate::credit::Credit;
use crate::lease::{Failed, Grant, LeaseId, Leases, WorkerId};
use crate::plan::{Plan, Seat, Work, Works};
use crate::selection::Selection;
use crate::shape::BudgetError;

/// Work of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The epoch; counts from 0.
    pub epoch: u64,
    /// The patches.
    pub work: Work,
}

/// Consecutive patches of the stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch<P> {
    /// The epoch; counts from 0.
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

/// The stream of one dataset, from plan to batches. `P` is a patch as it arrives.
#[derive(Debug)]
pub struct Desk<P> {
    selection: Selection,
    seat: Seat,
    /// Some place of the stream: hashing the selection for each batch anew would cost more than the batch.
    place: Checkpoint,
    epochs: u64,
    works: Works,
    /// Work that did not fit the credit yet, and the epoch that `works` is of.
    held_back: Option<Work>,
    offering: u64,
    leases: Leases<Task>,
    credit: Credit,
    arrived: BTreeMap<(u64, u64), P>,
    cursor: Cursor,
    /// Positions before it belong to batches that the program has got before: of the first epoch only.
    first_position: u64,
}

impl<P> Desk<P> {
    /// A desk at `cursor`, a place of a stream of `epochs` epochs. Refuses a budget in which the stream could get stuck.
    pub fn new(
        selection: Selection,
        seat: Seat,
        (cursor, epochs): (Cursor, u64),
        budget: u64,
    ) -> Result<Self, BudgetError> {
        seat.shape.fits(budget)?;
        let seat = Seat { epoch: cursor.epoch, ..seat };
        let works = Plan::new(&selection, seat).works();
        let place = Checkpoint::new(&selection, &seat, cursor);
        Ok(Self {
            place,
            epochs: if selection.patches() == 0 { 0 } else { epochs },
            selection,
            works,
            held_back: None,
            offering: cursor.epoch,
            leases: Leases::new(),
            credit: Credit::new(budget),
            arrived: BTreeMap::new(),
            cursor,
            first_position: cursor.step * seat.shape.batch,
            seat,
        })
    }

    /// The frozen slides and coordinates.
    pub fn selection(&self) -> &Selection {
        &self.selection
    }

    /// The place of the next batch, to go on from.
    pub fn checkpoint(&self) -> Checkpoint {
        self.place.at(self.cursor)
    }

    /// Goes on from a checkpoint: what was cut for another place, or is being cut, is dropped and its bytes are given back.
    /// Batches that were given out stay charged until [`Desk::release`]. Nothing happens if it is of another stream.
    pub fn resume(&mut self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        self.cursor = checkpoint.cursor(&self.selection, &self.seat)?;
        let withdrawn: usize = self.leases.withdraw().iter().map(|task| task.work.places.len()).sum();
        self.credit.give_back(self.bytes(withdrawn + self.arrived.len()));
        self.arrived.clear();
        self.held_back = None;
        self.offering = self.cursor.epoch;
        self.first_position = self.cursor.step * self.seat.shape.batch;
        self.works = Plan::new(&self.selection, Seat { epoch: self.offering, ..self.seat }).works();
        Ok(())
    }

    /// Patches of the stream before the next batch.
    pub fn passed(&self) -> u64 {
        self.cursor.epoch * self.selection.patches() + self.cursor.step * self.seat.shape.batch
    }

    /// Batches an epoch.
    pub fn steps(&self) -> u64 {
        self.selection.patches().div_ceil(self.seat.shape.batch)
    }

    /// A worker connected.
    pub fn join(&mut self, worker: WorkerId, slots: u32) {
        self.leases.join(worker, slots);
    }

    /// A worker ends soon: it is granted nothing more.
    pub fn retire(&mut self, worker: WorkerId) {
        self.leases.retire(worker);
    }

    /// A worker returns a lease undone.
    pub fn hand_back(&mut self, lease: LeaseId, attempt: u32) {
        self.leases.hand_back(lease, attempt);
    }

    /// A worker's connection is gone. Returns how many leases wait again.
    pub fn leave(&mut self, worker: WorkerId) -> usize {
        self.leases.leave(worker)
    }

    /// Takes back leases that hang. Returns how many.
    pub fn expire(&mut self, now_ms: u64) -> usize {
        self.leases.expire(now_ms)
    }

    /// Bytes held.
    pub fn credit(&self) -> &Credit {
        &self.credit
    }

    /// The next grant, if somebody is free, something is to do, and its bytes fit.
    pub fn grant(&mut self, now_ms: u64) -> Option<Grant<Task>> {
        while let Some(work) = self.next_work() {
            if !self.credit.take(self.bytes(work.places.len())) {
                self.held_back = Some(work);
                break;
            }
            self.leases.offer(work.slide, Task { epoch: self.offering, work });
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
        if self.is_finished() {
            return None;
        }
        let Cursor { epoch, step } = self.cursor;
        let first = step * self.seat.shape.batch;
        let last = (first + self.seat.shape.batch).min(self.selection.patches());
        let complete = (first..last).all(|position| self.arrived.contains_key(&(epoch, position)));
        if !complete {
            return None;
        }
        let patches = (first..last).filter_map(|position| self.arrived.remove(&(epoch, position))).collect();
        let batch = Batch { epoch, step, patches };
        self.cursor = Cursor { epoch, step: step + 1 };
        if step + 1 == self.steps() {
            self.cursor = Cursor { epoch: epoch + 1, step: 0 };
        }
        Some(batch)
    }

    /// The program has taken a batch of this many patches.
    pub fn release(&mut self, patches: usize) {
        self.credit.give_back(self.bytes(patches));
    }

    /// Whether the last batch of the last epoch was given out.
    pub fn is_finished(&self) -> bool {
        self.cursor.epoch >= self.epochs
    }

    fn next_work(&mut self) -> Option<Work> {
        if let Some(work) = self.held_back.take() {
            return Some(work);
        }
        if self.offering >= self.epochs {
            return None;
        }
        loop {
            while let Some(work) = self.works.next() {
                let work = self.still_to_do(work);
                if !work.places.is_empty() {
                    return Some(work);
                }
            }
            if self.offering + 1 >= self.epochs {
                return None;
            }
            self.offering += 1;
            self.first_position = 0;
            self.works = Plan::new(&self.selection, Seat { epoch: self.offering, ..self.seat }).works();
        }
    }

    /// The work without what the program got before the stream was resumed.
    fn still_to_do(&self, mut work: Work) -> Work {
        work.places.retain(|place| place.position >= self.first_position);
        work
    }

    fn bytes(&self, patches: usize) -> u64 {
        patches as u64 * self.seat.shape.patch_bytes
    }
}
