//! The second stage: leases of coordinates out, patches in, batches in order; of a plan, or as the program asks.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use microtome_plan::checkpoint::{Cursor, Start};
use microtome_plan::dataset::{OnError, Order, Recipe, ViewRule};
use microtome_plan::desk::asked::{Asked, Spec};
use microtome_plan::desk::planned::Planned;
use microtome_plan::desk::{Delivery, Desk, Producer, Task};
use microtome_plan::lease::{Failed as Outcome, Grant, LeaseId, WorkerId, Workforce};
use microtome_plan::plan::{Place, Seat};
use microtome_plan::selection::Selection;
use microtome_plan::shape::Shape;
use tokio::sync::mpsc;

use super::batch::{Batch, Next, Patch};
use super::event::{Answer, Event, Granted, Pixels};
use super::ledger::Ledger;
use super::names::hash;
use super::stage::Stage;
use super::stats::Stats;
use crate::error::FeedError;
use crate::view;
use crate::wire::feed::lease::Work;
use crate::wire::feed::{BadPatch, CutPatches, Done, Failed, Lease};

/// Classes of errors that another worker would meet as well: a second try is no use.
const FINAL: [&str; 4] = ["Changed", "Denied", "NoMpp", "NotFound"];

/// The stream and the parts that are on their way.
#[derive(Debug)]
pub(super) struct Streaming<S> {
    views: Arc<[ViewRule]>,
    on_error: OnError,
    order: Order,
    selection: Arc<Selection>,
    /// The version of each slide's blob that is read: the selection's, or the first that a worker met.
    etags: Vec<Option<String>>,
    desk: Desk<Patch, S>,
    /// By lease: which attempt's patches have arrived so far, and when it was granted.
    arriving: HashMap<u64, Arriving>,
    /// The lease that arrived last: what a batch that is complete now was waiting for.
    last: Ledger,
    stats: Arc<Stats>,
}

#[derive(Debug)]
struct Arriving {
    attempt: u32,
    worker: WorkerId,
    granted: Instant,
    patches: Vec<Pixels>,
    copy: Duration,
}

impl Streaming<Planned> {
    pub(super) fn planned(
        selection: Arc<Selection>,
        recipe: &Recipe,
        budget: u64,
        stats: Arc<Stats>,
    ) -> Result<Self, FeedError> {
        let seat = Seat { seed: recipe.seed, epoch: 0, order: recipe.order, shape: Shape::of(recipe) };
        let place = (Cursor::default(), u64::from(recipe.epochs.get()));
        let desk = Desk::planned(Arc::clone(&selection), seat, place, budget)?;
        Ok(Self::over(desk, selection, recipe, stats))
    }
}

impl Streaming<Asked> {
    /// A stream of patches as they are asked for; `selection` names the slides.
    pub(super) fn asked(
        selection: Arc<Selection>,
        recipe: &Recipe,
        budget: u64,
        stats: Arc<Stats>,
    ) -> Result<Self, FeedError> {
        let desk = Desk::asked(Shape::of(recipe), budget)?;
        Ok(Self::over(desk, selection, recipe, stats))
    }
}

impl<S: Producer> Streaming<S> {
    fn over(desk: Desk<Patch, S>, selection: Arc<Selection>, recipe: &Recipe, stats: Arc<Stats>) -> Self {
        Self {
            views: recipe.views.clone().into(),
            on_error: recipe.on_error,
            order: recipe.order,
            etags: selection.slides.iter().map(|slide| slide.etag.clone()).collect(),
            selection,
            desk,
            arriving: HashMap::new(),
            last: Ledger::default(),
            stats,
        }
    }

    fn cut(&self, task: &Task) -> CutPatches {
        let slide = task.work.slide as usize;
        let entry = &self.selection.slides[slide].entry;
        CutPatches {
            url: entry.url.clone(),
            etag: self.etags[slide].clone().unwrap_or_default(),
            views: self.views.iter().map(|rule| view::to_wire(rule, entry.mpp)).collect(),
            // Leases go through the slides in order.
            scan: matches!(self.order, Order::BySlide | Order::Sequential),
            x: task.work.places.iter().map(|place| place.at.x).collect(),
            y: task.work.places.iter().map(|place| place.at.y).collect(),
        }
    }

    fn part(&mut self, (lease, attempt): (u64, u32), (patches, copy): (Vec<Pixels>, Duration), now_ms: u64) {
        if !self.desk.touch(LeaseId(lease), attempt, now_ms) {
            self.stats.change(|stats| stats.stale += 1);
            return;
        }
        if let Some(arriving) = self.arriving.get_mut(&lease).filter(|arriving| arriving.attempt == attempt) {
            arriving.patches.extend(patches);
            arriving.copy += copy;
        }
    }

    fn done(&mut self, done: &Done) -> Result<(), FeedError> {
        let lease = LeaseId(done.lease);
        let Some(task) = self.desk.work(lease, done.attempt).cloned() else {
            self.stats.change(|stats| stats.stale += 1);
            return Ok(());
        };
        let Some(arrived) = self.arriving.remove(&done.lease) else { return Ok(()) };
        self.account(done, &arrived);
        self.pin(task.work.slide as usize, &done.etag)?;
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

    /// All pixels of a slide are of one version of its blob.
    fn pin(&mut self, slide: usize, etag: &str) -> Result<(), FeedError> {
        if etag.is_empty() {
            return Ok(());
        }
        let pinned = self.etags[slide].get_or_insert_with(|| etag.to_owned());
        if pinned == etag {
            return Ok(());
        }
        let url = &self.selection.slides[slide].entry.url;
        let reason = format!("{url} has changed since it was pinned: ETag {pinned} became {etag}");
        Err(FeedError::Slide { category: "Changed".to_owned(), reason })
    }

    fn slide_hash(&self, slide: u32) -> String {
        hash(&self.selection.slides[slide as usize].entry.url)
    }

    fn account(&mut self, done: &Done, arrived: &Arriving) {
        let spent = done.spent.unwrap_or_default();
        self.last = Ledger::of_lease(arrived.granted.elapsed(), &spent, arrived.copy);
        let patches = arrived.patches.len() as u64;
        self.stats.crew(|crew| crew.works(arrived.worker, patches, &spent, Instant::now()));
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
        let slide = self.slide_hash(slide);
        tracing::warn!(
            slide,
            patches = bad.len(),
            category = first.category,
            reason = first.reason,
            "patches are white"
        );
        self.stats.change(|stats| stats.bad_patches += bad.len() as u64);
        match self.on_error {
            OnError::Fail => Err(FeedError::Slide { category: first.category.clone(), reason: first.reason.clone() }),
            OnError::Quarantine => Ok(()),
        }
    }

    fn patches(&self, task: &Task, pixels: Vec<Pixels>) -> Vec<Patch> {
        let slide = &self.selection.slides[task.work.slide as usize];
        let patch = |(place, pixels): (&Place, Pixels)| Patch {
            slide: slide.index,
            entry: Arc::clone(&slide.entry),
            number: place.number,
            coordinate: place.at,
            pixels: pixels.bytes,
            crc32: pixels.crc32,
        };
        task.work.places.iter().zip(pixels).map(patch).collect()
    }

    fn failed(&mut self, failed: Failed) -> Result<(), FeedError> {
        let Failed { lease, attempt, category, reason } = failed;
        let task = self.desk.work(LeaseId(lease), attempt);
        let slide = task.map(|task| self.slide_hash(task.work.slide));
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
}

impl<S: Producer + Debug + Send> Stage for Streaming<S> {
    fn workforce(&mut self) -> &mut dyn Workforce {
        self.desk.workforce()
    }

    fn grant(&mut self, now_ms: u64) -> Option<Granted> {
        let Grant { worker, lease, attempt, work } = self.desk.grant(now_ms)?;
        let arriving = Arriving { attempt, worker, granted: Instant::now(), patches: Vec::new(), copy: Duration::ZERO };
        self.arriving.insert(lease.0, arriving);
        let cut = self.cut(&work);
        Some((worker, Lease { lease: lease.0, attempt, work: Some(Work::Cut(cut)) }))
    }

    fn hear(&mut self, answer: Answer, now_ms: u64) -> Result<(), FeedError> {
        match answer {
            Answer::Part { lease, attempt, patches, copy } => {
                self.part((lease, attempt), (patches, copy), now_ms);
                Ok(())
            }
            Answer::Done(done) => self.done(&done),
            Answer::Failed(failed) => self.failed(failed),
            Answer::Selected(_) | Answer::Resolved(_) => Ok(()),
        }
    }

    fn waits_for_program(&self) -> bool {
        self.order == Order::BySlide
    }

    fn is_over(&self) -> bool {
        false
    }

    fn resume(&mut self, start: Start) -> Result<(), FeedError> {
        self.desk.resume(&start)?;
        self.arriving.clear();
        self.stats.change(|stats| (stats.passed, stats.before) = (self.desk.passed(), stats.patches));
        Ok(())
    }

    fn follow(self: Box<Self>) -> Result<Option<Box<dyn Stage>>, FeedError> {
        Ok(None)
    }

    fn batch(&mut self, events: &mpsc::WeakSender<Event>) -> Option<Next> {
        if self.desk.is_finished() {
            return Some(Next::End);
        }
        let batch = self.desk.batch()?;
        Some(Next::Batch(Box::new(Batch {
            epoch: batch.epoch,
            step: batch.step,
            steps: self.desk.steps(),
            views: Arc::clone(&self.views),
            checkpoint: self.desk.checkpoint(),
            patches: batch.patches,
            last: self.last,
            events: events.clone(),
        })))
    }

    fn release(&mut self, patches: usize) {
        self.desk.release(patches);
    }

    fn ask(&mut self, round: Vec<Spec>) {
        self.desk.ask(round);
    }

    fn close(&mut self) {
        self.desk.close();
    }
}
