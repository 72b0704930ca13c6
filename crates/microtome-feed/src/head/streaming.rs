//! The second phase: leases of coordinates out, patches in, batches in order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use microtome_plan::checkpoint::{Checkpoint, Cursor};
use microtome_plan::dataset::{OnError, Recipe};
use microtome_plan::desk::{Delivery, Desk, Task};
use microtome_plan::lease::{Failed as Outcome, Grant, LeaseId, WorkerId};
use microtome_plan::plan::Seat;
use microtome_plan::selection::Selection;
use microtome_plan::shape::Shape;
use tokio::sync::mpsc;

use super::batch::{Batch, Patch};
use super::event::{Event, Granted, Pixels};
use super::ledger::Ledger;
use super::names::hash;
use super::stats::Stats;
use crate::error::FeedError;
use crate::wire::feed::lease::Work;
use crate::wire::feed::{BadPatch, CutPatches, Done, Failed, Lease};

/// Classes of errors that another worker would meet as well: a second try is no use.
const FINAL: [&str; 3] = ["Changed", "Denied", "NotFound"];

/// The stream and the parts that are on their way.
#[derive(Debug)]
pub(super) struct Streaming {
    recipe: Recipe,
    desk: Desk<Patch>,
    /// By lease: which attempt's patches have arrived so far, and when it was granted.
    arriving: HashMap<u64, Arriving>,
    /// The lease that arrived last: what a batch that is complete now was waiting for.
    last: Ledger,
    stats: Arc<Stats>,
}

#[derive(Debug)]
struct Arriving {
    attempt: u32,
    granted: Instant,
    patches: Vec<Pixels>,
    copy: Duration,
}

impl Streaming {
    pub(super) fn new(selection: Selection, recipe: Recipe, budget: u64, stats: Arc<Stats>) -> Result<Self, FeedError> {
        let seat = Seat { seed: recipe.seed, epoch: 0, order: recipe.order, shape: Shape::of(&recipe) };
        let place = (Cursor::default(), u64::from(recipe.epochs.get()));
        let desk = Desk::new(selection, seat, place, budget)?;
        Ok(Self { recipe, desk, arriving: HashMap::new(), last: Ledger::default(), stats })
    }

    pub(super) fn join(&mut self, worker: WorkerId, slots: u32) {
        self.desk.join(worker, slots);
    }

    pub(super) fn retire(&mut self, worker: WorkerId) {
        self.desk.retire(worker);
    }

    pub(super) fn hand_back(&mut self, lease: u64, attempt: u32) {
        self.desk.hand_back(LeaseId(lease), attempt);
    }

    pub(super) fn leave(&mut self, worker: WorkerId) -> usize {
        self.desk.leave(worker)
    }

    pub(super) fn expire(&mut self, now_ms: u64) -> usize {
        self.desk.expire(now_ms)
    }

    pub(super) fn release(&mut self, patches: usize) {
        self.desk.release(patches);
    }

    /// Goes on from a checkpoint.
    pub(super) fn resume(&mut self, checkpoint: &Checkpoint) -> Result<(), FeedError> {
        self.desk.resume(checkpoint)?;
        self.arriving.clear();
        self.stats.change(|stats| stats.passed = self.desk.passed());
        Ok(())
    }

    pub(super) fn is_finished(&self) -> bool {
        self.desk.is_finished()
    }

    pub(super) fn grant(&mut self, now_ms: u64) -> Option<Granted> {
        let Grant { worker, lease, attempt, work } = self.desk.grant(now_ms)?;
        let arriving = Arriving { attempt, granted: Instant::now(), patches: Vec::new(), copy: Duration::ZERO };
        self.arriving.insert(lease.0, arriving);
        let cut = self.cut(&work);
        Some((worker, Lease { lease: lease.0, attempt, work: Some(Work::Cut(cut)) }))
    }

    fn cut(&self, task: &Task) -> CutPatches {
        let slide = &self.desk.selection().slides[task.work.slide as usize];
        let coordinates = task.work.places.iter().map(|place| slide.coordinates[place.coordinate as usize]);
        let (x, y) = coordinates.map(|coordinate| (coordinate.x, coordinate.y)).unzip();
        CutPatches {
            url: slide.url.clone(),
            etag: slide.etag.clone().unwrap_or_default(),
            level: self.recipe.level,
            size: self.recipe.size.get(),
            x,
            y,
        }
    }

    pub(super) fn part(&mut self, (lease, attempt): (u64, u32), (patches, copy): (Vec<Pixels>, Duration), now_ms: u64) {
        if !self.desk.touch(LeaseId(lease), attempt, now_ms) {
            self.stats.change(|stats| stats.stale += 1);
            return;
        }
        if let Some(arriving) = self.arriving.get_mut(&lease).filter(|arriving| arriving.attempt == attempt) {
            arriving.patches.extend(patches);
            arriving.copy += copy;
        }
    }

    pub(super) fn done(&mut self, done: &Done) -> Result<(), FeedError> {
        let lease = LeaseId(done.lease);
        let Some(task) = self.desk.work(lease, done.attempt).cloned() else {
            self.stats.change(|stats| stats.stale += 1);
            return Ok(());
        };
        let Some(arrived) = self.arriving.remove(&done.lease) else { return Ok(()) };
        self.account(done, &arrived);
        self.judge(task.work.slide, &done.bad)?;
        let patches = self.patches(&task, arrived.patches);
        match self.desk.deliver(lease, done.attempt, patches) {
            Delivery::Malformed(Outcome::GivenUp) => Err(FeedError::Slide {
                category: "Protocol".to_owned(),
                reason: "workers sent fewer patches than asked for".to_owned(),
            }),
            Delivery::Accepted | Delivery::Stale | Delivery::Malformed(_) => Ok(()),
        }
    }

    fn account(&mut self, done: &Done, arrived: &Arriving) {
        let spent = done.spent.unwrap_or_default();
        self.last = Ledger::of_lease(arrived.granted.elapsed(), &spent, arrived.copy);
        self.stats.change(|stats| {
            stats.leases += self.last;
            stats.requests += spent.requests;
            stats.bytes += spent.bytes;
            stats.tiles += spent.tiles;
            stats.peak_bytes = self.desk.credit().peak();
        });
    }

    fn judge(&self, slide: u32, bad: &[BadPatch]) -> Result<(), FeedError> {
        let Some(first) = bad.first() else { return Ok(()) };
        let slide = hash(&self.desk.selection().slides[slide as usize].url);
        tracing::warn!(
            slide,
            patches = bad.len(),
            category = first.category,
            reason = first.reason,
            "patches are white"
        );
        self.stats.change(|stats| stats.bad_patches += bad.len() as u64);
        match self.recipe.on_error {
            OnError::Fail => Err(FeedError::Slide { category: first.category.clone(), reason: first.reason.clone() }),
            OnError::Quarantine => Ok(()),
        }
    }

    fn patches(&self, task: &Task, pixels: Vec<Pixels>) -> Vec<Patch> {
        let slide = &self.desk.selection().slides[task.work.slide as usize];
        let patch = |(place, pixels): (&microtome_plan::plan::Place, Pixels)| Patch {
            slide: slide.index,
            coordinate: slide.coordinates[place.coordinate as usize],
            pixels: pixels.bytes,
            crc32: pixels.crc32,
        };
        task.work.places.iter().zip(pixels).map(patch).collect()
    }

    pub(super) fn failed(&mut self, failed: Failed) -> Result<(), FeedError> {
        let Failed { lease, attempt, category, reason } = failed;
        let task = self.desk.work(LeaseId(lease), attempt);
        let slide = task.map(|task| hash(&self.desk.selection().slides[task.work.slide as usize].url));
        let outcome = self.desk.fail(LeaseId(lease), attempt);
        if outcome == Outcome::Stale {
            return Ok(());
        }
        tracing::warn!(slide, lease, attempt, category, reason, "lease failed");
        if outcome == Outcome::GivenUp || FINAL.contains(&category.as_str()) {
            return Err(FeedError::Slide { category, reason });
        }
        Ok(())
    }

    pub(super) fn batch(&mut self, events: &mpsc::WeakSender<Event>) -> Option<Batch> {
        let steps = self.desk.steps();
        let batch = self.desk.batch()?;
        Some(Batch {
            epoch: batch.epoch,
            step: batch.step,
            steps,
            size: self.recipe.size.get(),
            checkpoint: self.desk.checkpoint(),
            patches: batch.patches,
            last: self.last,
            events: events.clone(),
        })
    }
}
