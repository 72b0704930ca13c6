//! The first phase: every slide is opened by some worker, checked, and its coordinates chosen.

use std::mem;
use std::sync::Arc;

use microtome_plan::checkpoint::Start;
use microtome_plan::dataset::{Dataset, OnError, Recipe, SlideEntry, Slides};
use microtome_plan::lease::{Failed as Outcome, LeaseId, Leases, Workforce};
use microtome_plan::select::Coordinate;
use microtome_plan::selection::{Quarantined, SelectedSlide, Selection};

use super::event::{Answer, Granted};
use super::names::hash;
use super::stage::Stage;
use super::stats::Stats;
use super::streaming::Streaming;
use crate::error::FeedError;
use crate::source::Source;
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
    source: Source,
    leases: Leases<u32>,
    slides: Vec<SelectedSlide>,
    quarantined: Vec<Quarantined>,
    after: After,
    /// Where the stream is to go on, once there is one.
    start: Option<Start>,
    stats: Arc<Stats>,
}

/// What the selection is for.
#[derive(Debug)]
pub(super) enum After {
    /// To be known.
    Nothing,
    /// To be streamed within this many bytes.
    Stream { budget: u64 },
    /// Nothing is selected: the program asks for patches, within this many bytes.
    Ask { budget: u64 },
}

impl After {
    /// The slides are known by name: what comes next.
    pub(super) fn resolved(
        self,
        source: Source,
        start: Option<Start>,
        stats: Arc<Stats>,
    ) -> Result<Box<dyn Stage>, FeedError> {
        if let Self::Ask { budget } = self {
            let unopened = unopened(&source);
            stats.publish(&unopened);
            return Ok(Box::new(Streaming::asked(unopened, &source.recipe, budget, stats)?));
        }
        let mut selecting = Selecting::new(source, self, stats);
        if let Some(start) = start {
            selecting.resume(start)?;
        }
        Ok(Box::new(selecting))
    }

    /// A selection is frozen: what comes next with it, if anything does.
    pub(super) fn follow(
        self,
        selection: Arc<Selection>,
        recipe: &Recipe,
        start: Option<Start>,
        stats: Arc<Stats>,
    ) -> Result<Option<Box<dyn Stage>>, FeedError> {
        stats.select(&selection, recipe);
        let Self::Stream { budget } = self else { return Ok(None) };
        let mut streaming = Streaming::planned(selection, recipe, budget, stats)?;
        if let Some(start) = start {
            streaming.resume(start)?;
        }
        Ok(Some(Box::new(streaming)))
    }
}

/// The dataset's slides, of which nothing is known but their names.
fn unopened(source: &Source) -> Arc<Selection> {
    let slide = |(index, entry): (u32, &SlideEntry)| SelectedSlide {
        index,
        entry: Arc::new(entry.clone()),
        etag: None,
        size_bytes: 0,
        coordinates: Vec::new(),
    };
    let slides = (0..).zip(&source.slides).map(slide).collect();
    Arc::new(Selection { slides, quarantined: Vec::new() })
}

impl Selecting {
    fn new(source: Source, after: After, stats: Arc<Stats>) -> Self {
        let mut leases = Leases::new();
        for (index, _) in (0_u32..).zip(&source.slides) {
            leases.offer(index, index);
        }
        Self { source, leases, slides: Vec::new(), quarantined: Vec::new(), after, start: None, stats }
    }

    /// The dataset with one slide alone.
    fn order(&self, index: u32) -> SelectSlide {
        let Source { dataset, slides, places, .. } = &self.source;
        let slide = &slides[index as usize];
        let alone = Slides { list: Some(vec![slide.clone()]), ..Slides::default() };
        let dataset = Dataset { slides: alone, ..without_slides(dataset) };
        let places = places.get(index as usize).map(Vec::as_slice).unwrap_or_default();
        SelectSlide {
            index,
            url: slide.url.clone(),
            dataset: serde_json::to_vec(&dataset).expect("a dataset is plain data").into(),
            x: places.iter().map(|place| place.x).collect(),
            y: places.iter().map(|place| place.y).collect(),
        }
    }

    fn selected(&mut self, selected: Selected) {
        let Some(index) = self.leases.settle(LeaseId(selected.lease), selected.attempt) else { return };
        let coordinates = selected.x.iter().zip(&selected.y).map(|(x, y)| Coordinate { x: *x, y: *y }).collect();
        self.stats.change(|stats| {
            stats.slides += 1;
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
            entry: Arc::new(self.source.slides[index as usize].clone()),
            etag: (!selected.etag.is_empty()).then_some(selected.etag),
            size_bytes: selected.size_bytes,
            coordinates,
        });
    }

    fn failed(&mut self, failed: Failed) -> Result<(), FeedError> {
        let Failed { lease, attempt, category, reason } = failed;
        let lease = LeaseId(lease);
        if NOT_THE_SLIDES.contains(&category.as_str()) {
            return match self.leases.fail(lease, attempt) {
                Outcome::GivenUp => Err(FeedError::Slide { category, reason }),
                Outcome::Retried | Outcome::Stale => Ok(()),
            };
        }
        let Some(index) = self.leases.settle(lease, attempt) else { return Ok(()) };
        if category == REFUSED || self.source.recipe.on_error == OnError::Fail {
            return Err(FeedError::Slide { category, reason });
        }
        let slide = hash(&self.source.slides[index as usize].url);
        tracing::warn!(slide, index, category, reason, "slide quarantined");
        self.quarantined.push(Quarantined { index, category, reason });
        self.stats.change(|stats| stats.quarantined.clone_from(&self.quarantined));
        Ok(())
    }

    /// Freezes the selection.
    fn freeze(&mut self) -> Result<Arc<Selection>, FeedError> {
        self.slides.sort_by_key(|slide| slide.index);
        self.quarantined.sort_by_key(|slide| slide.index);
        if self.slides.is_empty()
            && let Some(first) = self.quarantined.first()
        {
            return Err(FeedError::NoSlides { slides: self.quarantined.len(), reason: first.reason.clone() });
        }
        let (slides, quarantined) = (mem::take(&mut self.slides), mem::take(&mut self.quarantined));
        let selection = Arc::new(Selection { slides, quarantined });
        if selection.patches() == 0 {
            return Err(FeedError::NoPatches { slides: selection.slides.len() });
        }
        Ok(selection)
    }
}

/// The dataset without its list of slides, which may be long.
fn without_slides(dataset: &Dataset) -> Dataset {
    Dataset {
        name: dataset.name.clone(),
        slides: Slides::default(),
        views: dataset.views.clone(),
        sampling: dataset.sampling.clone(),
        filter: dataset.filter.clone(),
        ..*dataset
    }
}

impl Stage for Selecting {
    fn workforce(&mut self) -> &mut dyn Workforce {
        &mut self.leases
    }

    fn grant(&mut self, now_ms: u64) -> Option<Granted> {
        let grant = self.leases.grant(now_ms)?;
        let work = Some(Work::Select(self.order(grant.work)));
        Some((grant.worker, Lease { lease: grant.lease.0, attempt: grant.attempt, work }))
    }

    fn hear(&mut self, answer: Answer, now_ms: u64) -> Result<(), FeedError> {
        match answer {
            Answer::Selected(selected) => self.selected(selected),
            Answer::Failed(failed) => return self.failed(failed),
            // A mask takes its time; the worker says that it is still at it.
            Answer::Part { lease, attempt, .. } => {
                self.leases.touch(LeaseId(lease), attempt, now_ms);
            }
            Answer::Done(_) | Answer::Resolved(_) => {}
        }
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.leases.is_idle()
    }

    fn resume(&mut self, start: Start) -> Result<(), FeedError> {
        self.start = Some(start);
        Ok(())
    }

    fn follow(mut self: Box<Self>) -> Result<Option<Box<dyn Stage>>, FeedError> {
        let selection = self.freeze()?;
        self.after.follow(selection, &self.source.recipe, self.start, self.stats)
    }
}
