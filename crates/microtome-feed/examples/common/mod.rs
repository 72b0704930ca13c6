//! What the examples share: random patches of one slide, from head and workers in this process.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use microtome_feed::engine::{self, Engine};
use microtome_feed::head::{self, Batch, Feed, Head, Mode, Order, Origin};
use microtome_plan::dataset::Dataset;
use microtome_slide::Stores;
use serde_json::json;

/// Edge of a patch in pixels.
pub const SIZE: u32 = 256;
/// Patches a batch.
pub const BATCH: u64 = 32;
/// What `microtome run` has without `--memory`.
const BUDGET_BYTES: u64 = 256 << 20;

/// A stream to measure.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The slide.
    pub url: String,
    /// Patches at random places, if there is a plan, each epoch.
    pub patches: u64,
    /// Epochs of a plan.
    pub epochs: u64,
    /// Workers in this process, one thread each.
    pub workers: usize,
}

/// A stream that has begun.
pub struct Running {
    pub feed: Feed,
    pub head: Head,
    _engine: Engine,
    began: Instant,
    first: Option<Instant>,
}

impl Setup {
    /// Starts head and workers with caches of their own.
    pub async fn start(&self, mode: Mode) -> Result<Running> {
        let began = Instant::now();
        let dataset: Dataset = serde_json::from_value(json!({
            "name": "bench", "slides": {"list": [{"url": self.url}]},
            "views": [{"name": "image", "size": SIZE, "level": 0}],
            "sampling": {"random": {"perSlide": self.patches}}, "batchSize": BATCH, "seed": 7, "epochs": self.epochs,
        }))?;
        let stores = Stores::from_env();
        let origin = Origin::of(&dataset, &dataset.recipe()?);
        let (head, mut feeds) = head::start(vec![Order { origin, mode }], BUDGET_BYTES)?;
        let engine = engine::embed(&head, &stores, self.workers)?;
        let feed = feeds.pop().context("one dataset has one feed")?;
        Ok(Running { feed, head, _engine: engine, began, first: None })
    }
}

impl Running {
    /// The next batch.
    pub async fn next(&mut self) -> Result<Option<Batch>> {
        let batch = self.feed.next().await?;
        self.first.get_or_insert_with(Instant::now);
        Ok(batch)
    }

    /// When the first batch was there; now, if it is not.
    pub fn first_at(&self) -> Instant {
        self.first.unwrap_or_else(Instant::now)
    }

    /// From the start to the first batch.
    pub fn first_batch(&self) -> Duration {
        self.first_at() - self.began
    }

    /// Patches a second since the first batch, which does not count.
    pub fn rate(&self) -> f64 {
        let patches = self.feed.stats().patches.saturating_sub(BATCH);
        patches as f64 / self.elapsed().as_secs_f64()
    }

    /// Since the first batch.
    pub fn elapsed(&self) -> Duration {
        self.first_at().elapsed()
    }
}
