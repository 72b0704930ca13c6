//! The work of an epoch, window by window.

use std::collections::VecDeque;

use super::Plan;
use crate::dataset::Order;
use crate::random::Random;
use crate::select::Coordinate;

/// One patch and where it stands in the epoch's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its position in the epoch.
    pub position: u64,
    /// Its number, counted over all slides of the selection, or over all that was asked for.
    pub number: u64,
    /// Index into the slides of the stream.
    pub slide: u32,
    /// Where it lies on the slide.
    pub at: Coordinate,
}

/// What is leased at once: patches of one block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// Index into `Selection::slides`.
    pub slide: u32,
    /// The patches, by position.
    pub places: Vec<Place>,
}

/// All work of an epoch in the order in which windows are first needed.
#[derive(Debug)]
pub struct Works {
    plan: Plan,
    /// The next window of each lane.
    windows: Vec<u64>,
    /// Work of the window that was opened last.
    ready: VecDeque<Work>,
}

impl Works {
    pub(super) fn new(plan: Plan) -> Self {
        Self { windows: vec![0; plan.seat.shape.lanes as usize], plan, ready: VecDeque::new() }
    }

    /// First and last-but-one offset in its lane of a window; the first window of a lane is shorter by the lane's phase.
    fn window(&self, lane: u64, window: u64) -> (u64, u64) {
        let shape = &self.plan.seat.shape;
        let length = shape.window * shape.block;
        let phase = length * lane / shape.lanes;
        let (start, end) = self.plan.lane(lane);
        let offset = |window: u64| (window * length).saturating_sub(phase).min(end - start);
        (offset(window), offset(window + 1))
    }

    /// The lane whose next window is needed first, and that window.
    fn next_window(&self) -> Option<(u64, u64)> {
        let lanes = self.plan.seat.shape.lanes;
        (0..lanes)
            .zip(&self.windows)
            .filter_map(|(lane, window)| {
                let (from, to) = self.window(lane, *window);
                (from < to).then_some((from * lanes + lane, lane, *window))
            })
            .min()
            .map(|(_, lane, window)| (lane, window))
    }

    fn open(&self, lane: u64, window: u64) -> VecDeque<Work> {
        let seat = &self.plan.seat;
        let (from, to) = self.window(lane, window);
        let (start, _) = self.plan.lane(lane);
        let mut order: Vec<u64> = (start + from..start + to).collect();
        if seat.order == Order::Shuffled {
            Random::new("window", &[seat.seed, seat.epoch, lane, window]).shuffle(&mut order);
        }
        let mut by_block: Vec<(usize, Work)> = Vec::new();
        for (offset, laid) in (from..).zip(order) {
            let number = self.plan.starts.partition_point(|start| *start <= laid) - 1;
            let block = self.plan.blocks[number];
            let patch = u64::from(block.first) + laid - self.plan.starts[number];
            let slide = block.slide as usize;
            let place = Place {
                position: offset * seat.shape.lanes + lane,
                number: self.plan.numbers[slide] + patch,
                slide: block.slide,
                at: self.plan.selection.slides[slide].coordinates[patch as usize],
            };
            match by_block.iter_mut().find(|(known, _)| *known == number) {
                Some((_, work)) => work.places.push(place),
                None => by_block.push((number, Work { slide: block.slide, places: vec![place] })),
            }
        }
        by_block.into_iter().map(|(_, work)| work).collect()
    }
}

impl Iterator for Works {
    type Item = Work;

    fn next(&mut self) -> Option<Work> {
        if self.ready.is_empty() {
            let (lane, window) = self.next_window()?;
            self.ready = self.open(lane, window);
            self.windows[lane as usize] += 1;
        }
        self.ready.pop_front()
    }
}
