//! What a head counts: progress, where the time went, what was read.

use std::ops::AddAssign;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use microtome_plan::dataset::Recipe;
use microtome_plan::selection::{Quarantined, Selection};
use tokio::sync::watch;

use super::crew::Crew;
use super::ledger::Ledger;
use super::pace::Pace;

/// Counters shared by actor, program and reporters.
#[derive(Debug, Default)]
pub(super) struct Stats {
    counters: Mutex<Snapshot>,
    pace: Mutex<Pace>,
    crew: Mutex<Crew>,
    selection: watch::Sender<Option<Arc<Selection>>>,
}

/// All counters at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Slides of the dataset that were opened.
    pub slides: u64,
    /// Facts of the first slide that was opened, as the reader gives them.
    pub first_slide: Option<serde_json::Value>,
    /// Slides that were left out.
    pub quarantined: Vec<Quarantined>,
    /// Size of all opened slides in bytes.
    pub slide_bytes: u64,
    /// SHA-256 of the selection, once it is there.
    pub selection_digest: Option<[u8; 32]>,
    /// Patches of all epochs, once known.
    pub patches_total: u64,
    /// Batches an epoch, once known.
    pub steps: u64,
    /// Patches before the checkpoint from which the stream went on.
    pub passed: u64,
    /// Patches that the program had got when its stream went on from there.
    pub before: u64,
    /// Patches that the program got.
    pub patches: u64,
    /// Batches that the program got.
    pub batches: u64,
    /// Patches whose tiles could not be decoded; white.
    pub bad_patches: u64,
    /// Workers connected now.
    pub workers: u64,
    /// Leases that went out again after a worker was lost.
    pub requeued: u64,
    /// Deliveries that came late or twice and were dropped.
    pub stale: u64,
    /// How long the program waited for its first batch.
    pub first_batch: Duration,
    /// How long the program waited for all later ones, by what it waited for.
    pub waiting: Ledger,
    /// What leases took, all together.
    pub leases: Ledger,
    /// Requests to storage.
    pub requests: u64,
    /// Bytes from storage.
    pub bytes: u64,
    /// Tiles that were decoded.
    pub tiles: u64,
    /// The most bytes of patches that were held.
    pub peak_bytes: u64,
}

impl Stats {
    pub(super) fn change(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.counters.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// How the program reads.
    pub(super) fn pace<R>(&self, change: impl FnOnce(&mut Pace) -> R) -> R {
        change(&mut self.pace.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What workers supply.
    pub(super) fn crew<R>(&self, change: impl FnOnce(&mut Crew) -> R) -> R {
        change(&mut self.crew.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The selection is frozen.
    pub(super) fn select(&self, selection: &Arc<Selection>, recipe: &Recipe) {
        self.change(|stats| {
            stats.quarantined.clone_from(&selection.quarantined);
            stats.selection_digest = Some(selection.digest());
            stats.patches_total = selection.patches() * u64::from(recipe.epochs.get());
            stats.steps = selection.patches().div_ceil(u64::from(recipe.batch_size.get()));
            stats.slides = selection.slides.len() as u64;
            stats.slide_bytes = selection.slides.iter().map(|slide| slide.size_bytes).sum();
        });
        self.publish(selection);
    }

    /// Which slides there are is known, and of a stream also its places.
    pub(super) fn publish(&self, selection: &Arc<Selection>) {
        self.selection.send_replace(Some(Arc::clone(selection)));
    }

    /// The selection, as soon as it is frozen.
    pub(super) fn selection(&self) -> watch::Receiver<Option<Arc<Selection>>> {
        self.selection.subscribe()
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Snapshot {
    /// What was asked for beside a stream: it took storage and workers, and is no progress of the stream.
    pub(super) fn beside(self) -> Self {
        Self { patches: 0, batches: 0, slides: 0, slide_bytes: 0, waiting: Ledger::default(), ..self }
    }
}

/// What several datasets of one head did together. The time until the first batch is the first dataset's.
impl AddAssign for Snapshot {
    fn add_assign(&mut self, other: Self) {
        self.slides += other.slides;
        self.quarantined.extend(other.quarantined);
        self.slide_bytes += other.slide_bytes;
        self.patches_total += other.patches_total;
        self.steps += other.steps;
        self.patches += other.patches;
        self.batches += other.batches;
        self.bad_patches += other.bad_patches;
        self.workers = self.workers.max(other.workers);
        self.requeued += other.requeued;
        self.stale += other.stale;
        self.waiting += other.waiting;
        self.leases += other.leases;
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.tiles += other.tiles;
        self.peak_bytes += other.peak_bytes;
    }
}
