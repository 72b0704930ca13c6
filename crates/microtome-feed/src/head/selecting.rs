//! The first phase: every slide is opened by some worker, checked, and its coordinates chosen.

use std::sync::Arc;

use microtome_plan::dataset::{OnError, Recipe};
use microtome_plan::lease::{Failed as Outcome, LeaseId, Leases, WorkerId};
use microtome_plan::select::Coordinate;
use microtome_plan::selection::{Quarantined, SelectedSlide, Selection};
use microtome_plan::shape::Shape;

use super::event::Granted;
use super::names::hash;
use super::stats::Stats;
use super::streaming::Streaming;
use crate::error::FeedError;
use crate::job::Job;
use crate::wire::feed::lease::Work;
use crate::wire::feed::{Failed, Lease, SelectSlide, Selected};

/// Classes of errors that say nothing of the slide: they are tried again, and then end the job rather than leave out a
/// slide that is fine.
const NOT_THE_SLIDES: [&str; 5] = ["Storage", "Decoder", "Protocol", "Checksum", "Closed"];

/// Storage that refuses its key will do so for every slide.
const REFUSED: &str = "Denied";

/// Slides that are out or done.
#[derive(Debug)]
pub(super) struct Selecting {
    recipe: Recipe,
    dataset: Vec<u8>,
    budget: u64,
    leases: Leases<u32>,
    slides: Vec<SelectedSlide>,
    quarantined: Vec<Quarantined>,
    stats: Arc<Stats>,
}

impl Selecting {
    pub(super) fn new(job: &Job, budget: u64, stats: Arc<Stats>) -> Result<Self, FeedError> {
        Shape::of(&job.recipe).fits(budget)?;
        let mut leases = Leases::new();
        for (index, _) in (0_u32..).zip(&job.recipe.slides) {
            leases.offer(index, index);
        }
        Ok(Self {
            recipe: job.recipe.clone(),
            dataset: job.dataset_json(),
            budget,
            leases,
            slides: Vec::new(),
            quarantined: Vec::new(),
            stats,
        })
    }

    pub(super) fn join(&mut self, worker: WorkerId, slots: u32) {
        self.leases.join(worker, slots);
    }

    pub(super) fn retire(&mut self, worker: WorkerId) {
        self.leases.retire(worker);
    }

    pub(super) fn hand_back(&mut self, lease: u64, attempt: u32) {
        self.leases.hand_back(LeaseId(lease), attempt);
    }

    pub(super) fn leave(&mut self, worker: WorkerId) -> usize {
        self.leases.leave(worker)
    }

    pub(super) fn expire(&mut self, now_ms: u64) -> usize {
        self.leases.expire(now_ms)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.leases.is_idle()
    }

    pub(super) fn grant(&mut self, now_ms: u64) -> Option<Granted> {
        let grant = self.leases.grant(now_ms)?;
        let url = self.recipe.slides[grant.work as usize].clone();
        let select = SelectSlide { index: grant.work, url, dataset: self.dataset.clone().into() };
        let lease = Lease { lease: grant.lease.0, attempt: grant.attempt, work: Some(Work::Select(select)) };
        Some((grant.worker, lease))
    }

    pub(super) fn selected(&mut self, selected: Selected) {
        let Some(index) = self.leases.settle(LeaseId(selected.lease), selected.attempt) else { return };
        let coordinates = selected.x.iter().zip(&selected.y).map(|(x, y)| Coordinate { x: *x, y: *y }).collect();
        self.stats.change(|stats| {
            stats.slides += 1;
            stats.slide_bytes += selected.size_bytes;
            if index == 0 {
                stats.first_slide = serde_json::from_slice(&selected.info).ok();
            }
            // Opening is not part of the stream's time, but what it read counts.
            let spent = selected.spent.unwrap_or_default();
            stats.requests += spent.requests;
            stats.bytes += spent.bytes;
        });
        self.slides.push(SelectedSlide {
            index,
            url: self.recipe.slides[index as usize].clone(),
            etag: (!selected.etag.is_empty()).then_some(selected.etag),
            coordinates,
        });
    }

    pub(super) fn failed(&mut self, failed: Failed) -> Result<(), FeedError> {
        let Failed { lease, attempt, category, reason } = failed;
        let lease = LeaseId(lease);
        if NOT_THE_SLIDES.contains(&category.as_str()) {
            return match self.leases.fail(lease, attempt) {
                Outcome::GivenUp => Err(FeedError::Slide { category, reason }),
                Outcome::Retried | Outcome::Stale => Ok(()),
            };
        }
        let Some(index) = self.leases.settle(lease, attempt) else { return Ok(()) };
        if category == REFUSED || self.recipe.on_error == OnError::Fail {
            return Err(FeedError::Slide { category, reason });
        }
        let slide = hash(&self.recipe.slides[index as usize]);
        tracing::warn!(slide, index, category, reason, "slide quarantined");
        self.quarantined.push(Quarantined { index, category, reason });
        self.stats.change(|stats| stats.quarantined.clone_from(&self.quarantined));
        Ok(())
    }

    /// Freezes the selection and begins to stream.
    pub(super) fn finish(mut self) -> Result<Streaming, FeedError> {
        self.slides.sort_by_key(|slide| slide.index);
        self.quarantined.sort_by_key(|slide| slide.index);
        if self.slides.is_empty()
            && let Some(first) = self.quarantined.first()
        {
            return Err(FeedError::NoSlides { slides: self.quarantined.len(), reason: first.reason.clone() });
        }
        let selection = Selection { slides: self.slides, quarantined: self.quarantined };
        if selection.patches() == 0 {
            return Err(FeedError::NoPatches { slides: selection.slides.len() });
        }
        self.stats.change(|stats| {
            stats.quarantined.clone_from(&selection.quarantined);
            stats.selection_digest = Some(selection.digest());
            stats.patches_total = selection.patches() * u64::from(self.recipe.epochs.get());
            stats.steps = selection.patches().div_ceil(u64::from(self.recipe.batch_size.get()));
        });
        Streaming::new(selection, self.recipe, self.budget, self.stats)
    }
}
