//! What the lines of the hand-off say.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::ops::Range;
use std::time::Duration;

use microtome_plan::checkpoint::{Checkpoint, Start};
use microtome_plan::dataset::{Label, ViewRule};
use microtome_plan::selection::SelectedSlide;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::group::About;
use crate::digest::hex;
use crate::error::FeedError;
use crate::head::{Batch, Ledger, Patch, Snapshot};

/// What a program asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    pub(super) dataset: Option<String>,
    checkpoint: Option<Checkpoint>,
    epoch: Option<u64>,
    #[serde(default)]
    pub(super) rank: u64,
    #[serde(default = "alone")]
    pub(super) world: NonZeroU64,
    #[serde(default)]
    pub(super) shared: bool,
    /// It will ask for patches, and does not read the stream.
    #[serde(default)]
    pub(super) asks: bool,
}

fn alone() -> NonZeroU64 {
    NonZeroU64::MIN
}

impl Request {
    /// Where its reading starts, if it says so.
    pub(super) fn start(&self) -> Option<Start> {
        self.checkpoint.clone().map(Start::Checkpoint).or_else(|| self.epoch.map(Start::Epoch))
    }
}

/// What a program says later.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    #[serde(default)]
    pub(super) next: u64,
    #[serde(default)]
    waited_us: u64,
    #[serde(default)]
    pub(super) release: Vec<usize>,
    pub(super) start: Option<Start>,
    #[serde(default)]
    pub(super) slides: bool,
    #[serde(default)]
    pub(super) stats: bool,
    /// URL, x and y of each patch of a round.
    #[serde(default)]
    pub(super) ask: Vec<(String, i32, i32)>,
}

impl Line {
    pub(super) fn waited(&self) -> Duration {
        Duration::from_micros(self.waited_us)
    }
}

/// What the program is told.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Frame<'a> {
    Stream { stream: StreamFrame<'a> },
    Slides { slides: Vec<SlideFrame<'a>> },
    Batch(Box<BatchFrame<'a>>),
    Stats { stats: serde_json::Value },
    End { end: bool, reading: u64 },
    Error { error: String, category: String },
}

#[derive(Serialize)]
pub(super) struct StreamFrame<'a> {
    dataset: &'a str,
    epochs: u64,
    steps: u64,
    patches: u64,
    batch: u64,
    seed: u64,
    order: String,
    views: Vec<StreamView<'a>>,
    selection: String,
    output: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct SlideFrame<'a> {
    slide: u32,
    url: &'a str,
    patches: usize,
    labels: &'a BTreeMap<String, Label>,
}

#[derive(Serialize)]
struct StreamView<'a> {
    name: &'a str,
    size: u32,
}

#[derive(Serialize)]
pub(super) struct BatchFrame<'a> {
    dataset: &'a str,
    reading: u64,
    epoch: u64,
    step: u64,
    steps: u64,
    views: Vec<ViewFrame<'a>>,
    slide: Vec<u32>,
    x: Vec<i32>,
    y: Vec<i32>,
    index: Vec<u64>,
    labels: BTreeMap<&'a str, Vec<Option<&'a Label>>>,
    urls: BTreeMap<u32, &'a str>,
    checkpoint: Option<&'a Checkpoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segment: Option<SegmentFrame>,
    bytes: u64,
}

#[derive(Serialize)]
struct ViewFrame<'a> {
    name: &'a str,
    shape: [u64; 4],
}

#[derive(Clone, Copy, Serialize)]
pub(super) struct SegmentFrame {
    pub(super) slot: usize,
    pub(super) new: Option<u64>,
}

impl<'a> Frame<'a> {
    /// The slides that were selected.
    pub(super) fn slides(About { selection, .. }: &'a About) -> Self {
        let slide = |slide: &'a SelectedSlide| SlideFrame {
            slide: slide.index,
            url: &slide.entry.url,
            patches: slide.coordinates.len(),
            labels: &slide.entry.labels,
        };
        Self::Slides { slides: selection.slides.iter().map(slide).collect() }
    }

    pub(super) fn stream(About { recipe, selection, output }: &'a About) -> Self {
        let views = recipe.views.iter().map(|rule| StreamView { name: &rule.name, size: rule.size.get() }).collect();
        let (batch, patches) = (u64::from(recipe.batch_size.get()), selection.patches());
        Self::Stream {
            stream: StreamFrame {
                dataset: &recipe.name,
                epochs: recipe.epochs.get().into(),
                steps: patches.div_ceil(batch),
                patches,
                batch,
                seed: recipe.seed,
                order: format!("{:?}", recipe.order),
                output: output.as_deref(),
                views,
                selection: hex(&selection.digest()),
            },
        }
    }

    /// Some rows of a batch, of a reading; their pixels lie in a segment, or come behind the frame.
    pub(super) fn batch(
        dataset: &'a str,
        (batch, rows): (&'a Batch, Range<usize>),
        reading: u64,
        segment: Option<SegmentFrame>,
    ) -> Self {
        let patches = batch.patches().get(rows).unwrap_or_default();
        let view = |(rule, _): (&'a ViewRule, _)| {
            let size = u64::from(rule.size.get());
            ViewFrame { name: &rule.name, shape: [patches.len() as u64, size, size, 3] }
        };
        let bytes = patches.iter().map(|patch| patch.pixels.len() as u64).sum();
        Self::Batch(Box::new(BatchFrame {
            dataset,
            reading,
            epoch: batch.epoch,
            step: batch.step,
            steps: batch.steps,
            views: batch.pictures().map(view).collect(),
            slide: patches.iter().map(|patch| patch.slide).collect(),
            x: patches.iter().map(|patch| patch.coordinate.x).collect(),
            y: patches.iter().map(|patch| patch.coordinate.y).collect(),
            index: patches.iter().map(|patch| patch.number).collect(),
            labels: labels(patches),
            urls: patches.iter().map(|patch| (patch.slide, patch.entry.url.as_str())).collect(),
            checkpoint: batch.checkpoint.as_ref(),
            segment,
            bytes: if segment.is_some() { 0 } else { bytes },
        }))
    }

    /// What has happened so far; times in seconds.
    pub(super) fn stats(stats: &Snapshot) -> Self {
        let quarantined: Vec<_> =
            stats.quarantined.iter().map(|slide| (slide.index, &slide.category, &slide.reason)).collect();
        let stats = json!({
            "patches": stats.patches, "batches": stats.batches, "slides": stats.slides, "quarantined": quarantined,
            "bad_patches": stats.bad_patches, "workers": stats.workers, "requests": stats.requests,
            "bytes_fetched": stats.bytes, "tiles_decoded": stats.tiles, "peak_bytes": stats.peak_bytes,
            "first_batch_seconds": stats.first_batch.as_secs_f64(), "stall": seconds(&stats.waiting),
            "leases": seconds(&stats.leases),
        });
        Self::Stats { stats }
    }

    pub(super) fn error(error: &FeedError) -> Self {
        Self::Error { error: error.to_string(), category: error.category().to_owned() }
    }

    /// The frame's line.
    pub(super) fn line(&self) -> std::io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }
}

fn seconds(ledger: &Ledger) -> serde_json::Value {
    let Ledger { storage, decode, queue, network, copy } = *ledger;
    let [storage, decode, queue, network, copy] =
        [storage, decode, queue, network, copy].map(|part| part.as_secs_f64());
    json!({"storage": storage, "decode": decode, "queue": queue, "network": network, "copy": copy})
}

/// Every label that a slide of the batch has; `null` where a slide does not have it.
fn labels(patches: &[Patch]) -> BTreeMap<&str, Vec<Option<&Label>>> {
    let names: BTreeSet<&str> =
        patches.iter().flat_map(|patch| patch.entry.labels.keys()).map(String::as_str).collect();
    let column = |name: &str| patches.iter().map(|patch| patch.entry.labels.get(name)).collect();
    names.into_iter().map(|name| (name, column(name))).collect()
}
