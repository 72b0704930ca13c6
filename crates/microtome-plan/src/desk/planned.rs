//! A plan's patches, epoch after epoch.
//!
//! What is held when a position is due belongs to the batch being filled or to a lane's open window, which is what
//! [`Shape::needed_bytes`](crate::shape::Shape::needed_bytes) counts.

use std::ops::Range;
use std::sync::Arc;

use super::{Desk, Producer, Task};
use crate::checkpoint::{Checkpoint, CheckpointError, Cursor, Start};
use crate::plan::{Plan, Seat, Work, Works};
use crate::selection::Selection;
use crate::shape::BudgetError;

/// The epochs of a plan.
#[derive(Debug)]
pub struct Planned {
    /// All that was selected, and what is read of it: without the slides that the program leaves out.
    whole: Arc<Selection>,
    selection: Arc<Selection>,
    patches: u64,
    seat: Seat,
    /// Some place of the stream: hashing the selection for each batch anew would cost more than the batch.
    place: Checkpoint,
    /// Epochs of the stream, and the one that the reading ends before: a later one if the program has asked for it.
    epochs: u64,
    until: u64,
    works: Works,
    /// The epoch that `works` is of.
    offering: u64,
    /// Positions before it belong to batches that the program has got before: of the first epoch only.
    first_position: u64,
}

impl<P> Desk<P, Planned> {
    /// A desk at `cursor`, a place of a stream of `epochs` epochs. Refuses a budget in which the stream could get stuck.
    pub fn planned(
        selection: Arc<Selection>,
        seat: Seat,
        (cursor, epochs): (Cursor, u64),
        budget: u64,
    ) -> Result<Self, BudgetError> {
        seat.shape.fits(budget)?;
        let seat = Seat { epoch: cursor.epoch, ..seat };
        let patches = selection.patches();
        let epochs = if patches == 0 { 0 } else { epochs };
        let planned = Planned {
            works: Plan::new(&selection, seat).works(),
            place: Checkpoint::new(&selection, &seat, cursor),
            whole: Arc::clone(&selection),
            selection,
            patches,
            seat,
            epochs,
            until: epochs,
            offering: cursor.epoch,
            first_position: cursor.step * seat.shape.batch,
        };
        Ok(Self::over(planned, cursor, budget))
    }

    /// The frozen slides and coordinates.
    pub fn selection(&self) -> &Arc<Selection> {
        &self.producer.selection
    }
}

impl Planned {
    /// Makes this selection the one that is read.
    fn read(&mut self, selection: Arc<Selection>) {
        if !Arc::ptr_eq(&self.selection, &selection) {
            self.patches = selection.patches();
            self.place = Checkpoint::new(&selection, &self.seat, Cursor::default());
            self.selection = selection;
        }
    }

    /// The work without what the program got before the stream was resumed.
    fn still_to_do(&self, mut work: Work) -> Work {
        work.places.retain(|place| place.position >= self.first_position);
        work
    }
}

impl Producer for Planned {
    fn next_work(&mut self) -> Option<Task> {
        if self.offering >= self.until {
            return None;
        }
        loop {
            while let Some(work) = self.works.next() {
                let work = self.still_to_do(work);
                if !work.places.is_empty() {
                    return Some(Task { epoch: self.offering, work });
                }
            }
            if self.offering + 1 >= self.until {
                return None;
            }
            self.offering += 1;
            self.first_position = 0;
            self.works = Plan::new(&self.selection, Seat { epoch: self.offering, ..self.seat }).works();
        }
    }

    fn batch(&self, cursor: Cursor) -> Option<Range<u64>> {
        let first = cursor.step * self.seat.shape.batch;
        let batch = first..(first + self.seat.shape.batch).min(self.patches);
        (!self.is_finished(cursor)).then_some(batch)
    }

    fn passed(&mut self, Cursor { epoch, step }: Cursor) -> Cursor {
        if step + 1 == self.steps() { Cursor { epoch: epoch + 1, step: 0 } } else { Cursor { epoch, step: step + 1 } }
    }

    fn is_finished(&self, cursor: Cursor) -> bool {
        cursor.epoch >= self.until
    }

    fn steps(&self) -> u64 {
        self.patches.div_ceil(self.seat.shape.batch)
    }

    fn patch_bytes(&self) -> u64 {
        self.seat.shape.patch_bytes
    }

    fn checkpoint(&self, cursor: Cursor) -> Option<Checkpoint> {
        Some(self.place.at(cursor))
    }

    fn resume(&mut self, start: &Start) -> Result<Cursor, CheckpointError> {
        self.read(match start {
            Start::Without(urls) if !urls.is_empty() => Arc::new(self.whole.without(urls)),
            _ => Arc::clone(&self.whole),
        });
        let cursor = match start {
            Start::Without(_) => Cursor::default(),
            Start::Checkpoint(checkpoint) => checkpoint.cursor(&self.selection, &self.seat)?,
            Start::Epoch(epoch) => Cursor { epoch: *epoch, step: 0 },
        };
        let until = match start {
            Start::Without(_) => 1,
            Start::Epoch(epoch) => self.epochs.max(epoch.saturating_add(1)),
            Start::Checkpoint(_) => self.epochs.max(cursor.epoch + u64::from(cursor.step > 0)),
        };
        self.until = if self.patches == 0 { 0 } else { until };
        self.offering = cursor.epoch;
        self.first_position = cursor.step * self.seat.shape.batch;
        self.works = Plan::new(&self.selection, Seat { epoch: self.offering, ..self.seat }).works();
        Ok(cursor)
    }

    fn before(&self, cursor: Cursor) -> u64 {
        cursor.epoch * self.patches + cursor.step * self.seat.shape.batch
    }
}
