//! Patches that the program asks for at run time, round after round, given in the order of the asking.
//!
//! A round of any length comes in batches. So that tiles are shared all the same, a round is cut into windows; inside a
//! window work goes by place and not by order. When a position is due, what is held is of its window or of the batch
//! before it, so half a budget is a window and the other half is read ahead.

use std::collections::VecDeque;
use std::ops::Range;

use super::{Desk, Producer, Task};
use crate::checkpoint::{Checkpoint, CheckpointError, Cursor, Start};
use crate::plan::{Place, Work};
use crate::select::Coordinate;
use crate::shape::{BudgetError, Shape};

/// Level-0 pixels of a band in which places count as neighbours; a tile row or a few.
const BAND: i32 = 1024;

/// The least budget: a batch that is being filled, and one that the program has.
pub fn needed_bytes(shape: &Shape) -> u64 {
    2 * shape.batch * shape.patch_bytes
}

/// A patch that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Index into the slides of the stream.
    pub slide: u32,
    /// Where it lies on the slide.
    pub at: Coordinate,
}

/// Rounds of patches, as they are asked for.
#[derive(Debug)]
pub struct Asked {
    shape: Shape,
    /// Patches among which work goes by place.
    window: u64,
    /// Rounds that are not wholly offered yet; the first has `offered` of its patches offered.
    waiting: VecDeque<Vec<Spec>>,
    offered: usize,
    /// Work of the window that was opened last.
    ready: VecDeque<Work>,
    /// The round that is offered.
    offering: u64,
    /// Patches of the rounds that are not wholly given out; the first is of round `giving`.
    lengths: VecDeque<u64>,
    giving: u64,
    closed: bool,
}

impl<P> Desk<P, Asked> {
    /// A desk of which nothing is asked yet. Refuses a budget below two batches.
    pub fn asked(shape: Shape, budget: u64) -> Result<Self, BudgetError> {
        let least = needed_bytes(&shape);
        if budget < least {
            return Err(shape.refuse(least, budget));
        }
        let window = (budget / shape.patch_bytes / 2).max(shape.batch);
        let asked = Asked {
            shape,
            window,
            waiting: VecDeque::new(),
            offered: 0,
            ready: VecDeque::new(),
            offering: 0,
            lengths: VecDeque::new(),
            giving: 0,
            closed: false,
        };
        Ok(Self::over(asked, Cursor::default(), budget))
    }
}

impl Asked {
    /// Opens the next window: its patches, neighbours together.
    fn open(&mut self) -> bool {
        while let Some(round) = self.waiting.front() {
            let first = self.offered;
            let last = round.len().min(first + self.window as usize);
            if first == last {
                self.waiting.pop_front();
                self.offered = 0;
                self.offering += 1;
                continue;
            }
            let mut order: Vec<usize> = (first..last).collect();
            order.sort_by_key(|index| {
                let Spec { slide, at } = round[*index];
                (slide, at.y.div_euclid(BAND), at.x, at.y, *index)
            });
            let place = |index: &usize| {
                let (position, Spec { slide, at }) = (*index as u64, round[*index]);
                Place { position, number: position, slide, at }
            };
            let one_slide = order.chunk_by(|left, right| round[*left].slide == round[*right].slide);
            self.ready = one_slide
                .flat_map(|slide| slide.chunks(self.shape.block as usize))
                .map(|block| Work { slide: round[block[0]].slide, places: block.iter().map(place).collect() })
                .collect();
            self.offered = last;
            return true;
        }
        false
    }

    fn skip_empty(&mut self, cursor: Cursor) -> Cursor {
        while self.lengths.front() == Some(&0) {
            self.lengths.pop_front();
            self.giving += 1;
        }
        if cursor.epoch < self.giving { Cursor { epoch: self.giving, step: 0 } } else { cursor }
    }
}

impl Producer for Asked {
    fn next_work(&mut self) -> Option<Task> {
        if self.ready.is_empty() && !self.open() {
            return None;
        }
        self.ready.pop_front().map(|work| Task { epoch: self.offering, work })
    }

    fn batch(&self, cursor: Cursor) -> Option<Range<u64>> {
        let length = self.lengths.front()?;
        let first = cursor.step * self.shape.batch;
        Some(first..(first + self.shape.batch).min(*length))
    }

    fn passed(&mut self, Cursor { epoch, step }: Cursor) -> Cursor {
        let next = step + 1;
        if self.lengths.front().is_none_or(|length| next * self.shape.batch < *length) {
            return Cursor { epoch, step: next };
        }
        self.lengths.pop_front();
        self.giving += 1;
        self.skip_empty(Cursor { epoch: self.giving, step: 0 })
    }

    fn is_finished(&self, _: Cursor) -> bool {
        self.closed && self.lengths.is_empty()
    }

    fn patch_bytes(&self) -> u64 {
        self.shape.patch_bytes
    }

    fn checkpoint(&self, _: Cursor) -> Option<Checkpoint> {
        None
    }

    fn resume(&mut self, _: &Start) -> Result<Cursor, CheckpointError> {
        let (was, is) = ("a plan".to_owned(), "patches asked for at run time".to_owned());
        Err(CheckpointError { what: "source", was, is })
    }

    fn before(&self, _: Cursor) -> u64 {
        0
    }

    /// A round of none has no batch.
    fn ask(&mut self, round: Vec<Spec>, cursor: Cursor) -> Cursor {
        self.lengths.push_back(round.len() as u64);
        self.waiting.push_back(round);
        self.skip_empty(cursor)
    }

    fn close(&mut self) {
        self.closed = true;
    }
}
