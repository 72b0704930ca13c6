//! The program's side of a dataset: batches in order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use microtome_plan::checkpoint::{Checkpoint, Start};
use microtome_plan::dataset::Recipe;
use microtome_plan::desk::asked::Spec;
use microtome_plan::select::Coordinate;
use microtome_plan::selection::Selection;
use tokio::sync::{mpsc, watch};

use super::batch::{Batch, Given, Next};
use super::event::Event;
use super::ledger::Ledger;
use super::stats::{Snapshot, Stats};
use crate::error::FeedError;

/// The program's side of a dataset: batches in order.
#[derive(Debug)]
pub struct Feed {
    recipe: Recipe,
    batches: mpsc::Receiver<Given>,
    events: mpsc::WeakSender<Event>,
    stats: Arc<Stats>,
    selection: watch::Receiver<Option<Arc<Selection>>>,
    /// Places of the slides in the dataset, once something was asked for.
    slides: Option<HashMap<String, u32>>,
    /// Whether patches are asked for at run time.
    asked: bool,
    /// Counts the readings that were begun.
    reading: u64,
    place: Place,
    /// Since when the program has been waiting for the next batch.
    waiting: Option<Instant>,
    /// When it got the last one of this reading.
    got: Option<Instant>,
    /// It got one, of any reading.
    fed: bool,
    /// Whether the program says itself how long it waits, for it asks for batches before it needs them.
    told: bool,
    /// The lease that made the last batch complete.
    last: Ledger,
}

/// Where the program is in the stream.
#[derive(Debug)]
enum Place {
    /// It has not asked for anything of this reading yet.
    Closed(Option<Start>),
    /// It waits for its first batch.
    Opened,
    /// It got the batch before this.
    At(Option<Checkpoint>),
    /// It got all.
    Ended(Option<Checkpoint>),
}

/// A patch to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchSpec {
    /// The slide's URL as the dataset has it.
    pub url: String,
    /// The first view's upper left corner in level-0 pixels.
    pub coordinate: Coordinate,
}

impl Feed {
    pub(super) fn new(
        (batches, events): (mpsc::Receiver<Given>, mpsc::WeakSender<Event>),
        stats: Arc<Stats>,
        (recipe, start): (Recipe, Option<Start>),
        asked: bool,
    ) -> Self {
        Self {
            recipe,
            batches,
            events,
            selection: stats.selection(),
            stats,
            slides: None,
            asked,
            reading: 0,
            place: Place::Closed(start),
            waiting: None,
            got: None,
            fed: false,
            told: false,
            last: Ledger::default(),
        }
    }

    /// Starts a reading at this place: the first one elsewhere than [`super::Mode::Stream`] said, or another one, whatever was
    /// read before. Nothing is asked for before [`Feed::next`].
    pub fn start(&mut self, start: Start) {
        self.place = Place::Closed(Some(start));
        self.got = None;
    }

    /// Where the stream goes on after the batches that [`Feed::next`] gave; `None` before the first one, and where patches
    /// are asked for.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        match &self.place {
            Place::At(checkpoint) | Place::Ended(checkpoint) => checkpoint.as_ref(),
            Place::Closed(_) | Place::Opened => None,
        }
    }

    /// The next batch; `None` after the last one of the last epoch. May be dropped and called again while it waits.
    ///
    /// # Errors
    /// What ended the stream, once; a checkpoint of another stream among it.
    pub async fn next(&mut self) -> Result<Option<Batch>, FeedError> {
        let began = *self.waiting.get_or_insert_with(Instant::now);
        let first = matches!(self.place, Place::Closed(_) | Place::Opened);
        if !self.fed {
            self.stats.pace(|pace| pace.waits_for_first(Some(began), began));
        }
        let batch = self.wait().await;
        self.waiting = None;
        self.keep_pace(began, Instant::now());
        let batch = batch?;
        self.last = batch.as_ref().map_or(self.last, |batch| batch.last);
        self.stats.change(|stats| {
            let waited = began.elapsed();
            let Some(batch) = &batch else { return };
            match first && stats.batches == 0 {
                true => stats.first_batch = waited,
                false if self.told => {}
                false => stats.waiting.owe(waited, &batch.last),
            }
            stats.patches += batch.patches().len() as u64;
            stats.batches += 1;
        });
        Ok(batch)
    }

    /// What the wait for a batch says of how fast the program is.
    fn keep_pace(&mut self, began: Instant, now: Instant) {
        let got = self.got.replace(now);
        self.fed = true;
        self.stats.pace(|pace| {
            pace.waits_for_first(None, now);
            if let (Some(got), false) = (got, self.told) {
                pace.takes(0, began - got, now - began);
            }
        });
    }

    /// A reader of the program wants `batches` more, after as many steps. From now on the program says how long it waits, this
    /// time for the last batches that it got.
    pub fn wanted(&mut self, reader: u64, batches: u64, waited: Duration) {
        self.told = true;
        self.stats.change(|stats| stats.waiting.owe(waited, &self.last));
        self.stats.pace(|pace| pace.asks(reader, batches, waited, Instant::now()));
    }

    /// A batch was handed to a reader.
    pub fn handed(&self, reader: u64) {
        self.stats.pace(|pace| pace.handed(reader, Instant::now()));
    }

    /// A reader asks for another reading: what it does until then is no step.
    pub fn turned(&self, reader: u64) {
        self.stats.pace(|pace| pace.turns(reader));
    }

    /// A reader is gone.
    pub fn left(&self, reader: u64) {
        self.stats.pace(|pace| pace.leaves(reader, !self.asked));
    }

    /// Says that the program wants something of this reading.
    async fn open(&mut self) -> Result<(), FeedError> {
        if let Place::Closed(start) = &self.place {
            let events = self.events.upgrade().ok_or(FeedError::Closed)?;
            let start = start.clone();
            let place = events.reserve().await.map_err(|_| FeedError::Closed)?;
            self.reading += 1;
            self.place = Place::Opened;
            place.send(Event::Open { reading: self.reading, start });
        }
        Ok(())
    }

    async fn wait(&mut self) -> Result<Option<Batch>, FeedError> {
        if matches!(self.place, Place::Ended(_)) {
            return Ok(None);
        }
        self.open().await?;
        while let Some(Given { reading, next }) = self.batches.recv().await {
            match next? {
                // Of a reading that the program has given up.
                _ if reading != self.reading => {}
                Next::Batch(batch) => {
                    self.place = Place::At(batch.checkpoint.clone());
                    return Ok(Some(*batch));
                }
                Next::End => {
                    self.place = Place::Ended(self.checkpoint().cloned());
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// The selection, as soon as it is frozen. To be called before the first batch is taken.
    pub async fn selection(&mut self) -> Result<Arc<Selection>, FeedError> {
        tokio::select! {
            biased;
            selection = self.selection.wait_for(Option::is_some) => {
                selection.ok().and_then(|selection| selection.clone()).ok_or(FeedError::Closed)
            }
            // Before the selection nothing comes but the error because of which there is none.
            outcome = self.batches.recv() => {
                Err(outcome.and_then(|given| given.next.err()).unwrap_or(FeedError::Closed))
            }
        }
    }

    /// The dataset.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Whether patches are asked for at run time ([`super::Mode::Ask`]), and not planned.
    pub fn is_asked(&self) -> bool {
        self.asked
    }

    /// Asks for a round of patches; they come in this order, in batches that end with the round. Only of a dataset that is
    /// to be asked ([`super::Mode::Ask`]).
    ///
    /// # Errors
    /// A slide that the dataset does not have: then nothing of the round is asked for. Else what ended the stream.
    pub async fn ask(&mut self, specs: &[PatchSpec]) -> Result<(), FeedError> {
        self.open().await?;
        let slides = match self.slides.take() {
            Some(slides) => slides,
            None => {
                let known = self.selection().await?;
                known.slides.iter().map(|slide| (slide.entry.url.clone(), slide.index)).collect()
            }
        };
        let slides = self.slides.insert(slides);
        let spec = |spec: &PatchSpec| {
            let slide = slides.get(&spec.url).copied();
            let slide = slide.ok_or_else(|| FeedError::UnknownSlide { url: spec.url.clone() })?;
            Ok(Spec { slide, at: spec.coordinate })
        };
        let round = specs.iter().map(spec).collect::<Result<_, FeedError>>()?;
        self.tell(Event::Asked { round }).await
    }

    /// Says that nothing more will be asked for: the stream ends with what was.
    pub async fn close(&self) -> Result<(), FeedError> {
        self.tell(Event::Closed).await
    }

    /// What has happened to this dataset so far.
    pub fn stats(&self) -> Snapshot {
        self.stats.snapshot()
    }

    async fn tell(&self, event: Event) -> Result<(), FeedError> {
        let events = self.events.upgrade().ok_or(FeedError::Closed)?;
        events.send(event).await.map_err(|_| FeedError::Closed)
    }
}
