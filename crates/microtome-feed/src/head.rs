//! A head: takes workers' streams, selects, plans, leases, and gives out batches in order.
//!
//! Each dataset has one actor ([`actor`]) that owns all its state and is never blocked: connections send it events, the
//! program's side takes batches from a channel of one, and dropping a batch gives its bytes back. All datasets have the
//! same workers; pixels are checked and copied by the connections' own tasks.

mod actor;
mod batch;
mod event;
mod ledger;
mod names;
mod resolving;
mod selecting;
mod service;
mod stage;
mod stats;
mod streaming;
mod tag;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use microtome_plan::checkpoint::{Checkpoint, Start};
use microtome_plan::dataset as plan;
use microtome_plan::desk::asked::{self, Spec};
use microtome_plan::select::Coordinate;
use microtome_plan::selection::{SelectedSlide, Selection};
use microtome_plan::shape::Shape;
use tokio::sync::{mpsc, oneshot, watch};

pub use batch::{Batch, Patch};
pub use ledger::Ledger;
pub use service::Service;
pub use stats::Snapshot;

use crate::buffers::Buffers;
use crate::error::FeedError;
use crate::source::Source;
use crate::wire::MESSAGE_BYTES;
use crate::wire::feed::feed_server::FeedServer;
use actor::Actor;
use batch::{Given, Next};
use event::Event;
use resolving::Resolving;
use selecting::{After, Selecting};
use stage::Stage;
use stats::Stats;
use streaming::Streaming;
use tag::Tag;

/// How long workers may take to go; a round trip is enough.
const FAREWELL: Duration = Duration::from_secs(2);

/// Events that wait for an actor; each holds at most a part, so this bounds what is between sockets and budget.
const WAITING_EVENTS: usize = 64;

/// A dataset, and what is to be done with it.
#[derive(Clone, Debug)]
pub struct Order {
    /// The dataset.
    pub origin: Origin,
    /// What to do.
    pub mode: Mode,
}

/// A dataset, as far as it is known.
#[derive(Clone, Debug)]
pub enum Origin {
    /// Its slides are known by name.
    Known(Box<Source>),
    /// Some worker has to find out which slides it is made of. Not to be asked ([`Mode::Ask`]), nor with a selection.
    Written(Box<(plan::Dataset, plan::Recipe)>),
}

impl Origin {
    /// Of a dataset as it is written.
    pub fn of(dataset: &plan::Dataset, recipe: &plan::Recipe) -> Self {
        match Source::listed(dataset, recipe) {
            Some(source) => Self::Known(Box::new(source)),
            None => Self::Written(Box::new((dataset.clone(), recipe.clone()))),
        }
    }

    fn recipe(&self) -> &plan::Recipe {
        match self {
            Self::Known(source) => &source.recipe,
            Self::Written(written) => &written.1,
        }
    }
}

/// What is to be done with a dataset.
#[derive(Clone, Debug)]
pub enum Mode {
    /// Choose its coordinates, unless they are given, and no more.
    Select {
        /// A selection of before.
        selection: Option<Arc<Selection>>,
    },
    /// Choose its coordinates, unless they are given, and stream the patches.
    Stream {
        /// A selection of before.
        selection: Option<Arc<Selection>>,
        /// The place to go on from; compared with the selection once that is there.
        resume: Option<Checkpoint>,
    },
    /// Stream patches as they are asked for. Slides are opened when they are first needed.
    Ask,
}

/// A running head.
#[derive(Clone, Debug)]
pub struct Head {
    datasets: Arc<[Dataset]>,
}

/// A dataset, as connections see it.
#[derive(Clone, Debug)]
struct Dataset {
    events: mpsc::Sender<Event>,
    stats: Arc<Stats>,
    patch_bytes: usize,
    pixels: Buffers,
}

/// The program's side of a dataset: batches in order.
#[derive(Debug)]
pub struct Feed {
    batches: mpsc::Receiver<Given>,
    events: mpsc::WeakSender<Event>,
    stats: Arc<Stats>,
    selection: watch::Receiver<Option<Arc<Selection>>>,
    /// Places of the slides in the dataset.
    slides: HashMap<String, u32>,
    /// Whether patches are asked for at run time.
    asked: bool,
    /// Counts the readings that were begun.
    reading: u64,
    place: Place,
    /// Since when the program has been waiting for the next batch.
    waiting: Option<Instant>,
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

/// Starts a head on the current runtime, with one feed for each dataset. `budget`: bytes of patches that all of them may
/// hold together.
pub fn start(orders: Vec<Order>, budget: u64) -> Result<(Head, Vec<Feed>), FeedError> {
    let budgets = shares(&orders, budget)?;
    let started = (0..).zip(orders).zip(budgets).map(|((tag, order), budget)| open(Tag(tag), order, budget));
    let (datasets, feeds): (Vec<Dataset>, Vec<Feed>) = started.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    Ok((Head { datasets: datasets.into() }, feeds))
}

/// Each dataset gets what it needs, and an equal part of what is left.
fn shares(orders: &[Order], budget: u64) -> Result<Vec<u64>, FeedError> {
    let needs: Vec<u64> = orders
        .iter()
        .map(|Order { origin, mode }| {
            let shape = Shape::of(origin.recipe());
            match mode {
                Mode::Select { .. } => 0,
                Mode::Stream { .. } => shape.needed_bytes(),
                Mode::Ask => asked::needed_bytes(&shape),
            }
        })
        .collect();
    let needed: u64 = needs.iter().sum();
    let Some(left) = budget.checked_sub(needed) else {
        return match orders {
            [Order { origin, .. }] => Err(FeedError::Budget(Shape::of(origin.recipe()).refuse(needed, budget))),
            _ => Err(FeedError::Budgets { datasets: orders.len(), needed, budget }),
        };
    };
    Ok(needs.into_iter().map(|need| need + left / orders.len().max(1) as u64).collect())
}

fn open(tag: Tag, Order { origin, mode }: Order, budget: u64) -> Result<(Dataset, Feed), FeedError> {
    let stats = Arc::new(Stats::default());
    let (events, inbox) = mpsc::channel(WAITING_EVENTS);
    let (batches, program) = mpsc::channel(1);
    let resume = match &mode {
        Mode::Stream { resume, .. } => resume.clone(),
        Mode::Select { .. } | Mode::Ask => None,
    };
    let slides = match &origin {
        Origin::Known(source) => (0..).zip(&source.slides).map(|(index, slide)| (slide.url.clone(), index)).collect(),
        Origin::Written(_) => HashMap::new(),
    };
    let patch_bytes = usize::try_from(origin.recipe().patch_bytes().get()).unwrap_or(usize::MAX);
    let feed = Feed {
        batches: program,
        events: events.downgrade(),
        stats: Arc::clone(&stats),
        selection: stats.selection(),
        slides,
        asked: matches!(mode, Mode::Ask),
        reading: 0,
        place: Place::Closed(resume.map(Start::Checkpoint)),
        waiting: None,
        told: false,
        last: Ledger::default(),
    };
    let stage = stage(origin, mode, budget, &stats)?;
    let actor = Actor::new(tag, stage, Arc::clone(&stats), batches);
    tokio::spawn(actor.run(events.downgrade(), inbox));
    Ok((Dataset { events, stats, patch_bytes, pixels: Buffers::default() }, feed))
}

/// Where a dataset begins; nowhere, if all is known already.
fn stage(origin: Origin, mode: Mode, budget: u64, stats: &Arc<Stats>) -> Result<Option<Box<dyn Stage>>, FeedError> {
    let stats = Arc::clone(stats);
    let (selection, after) = match mode {
        Mode::Select { selection } => (selection, After::Nothing),
        Mode::Stream { selection, .. } => (selection, After::Stream { budget }),
        Mode::Ask => {
            let Origin::Known(source) = origin else { return Err(FeedError::UnknownSlides) };
            return Ok(Some(Box::new(Streaming::asked(unopened(&source), &source.recipe, budget, stats)?)));
        }
    };
    match (origin, selection) {
        (Origin::Written(written), _) => Ok(Some(Box::new(Resolving::new(*written, after, stats)))),
        (Origin::Known(source), None) => Ok(Some(Box::new(Selecting::new(*source, after, stats)))),
        (Origin::Known(source), Some(selection)) => after.follow(selection, &source.recipe, None, stats),
    }
}

/// The dataset's slides, of which nothing is known but their names.
fn unopened(source: &Source) -> Arc<Selection> {
    let slide = |(index, entry): (u32, &plan::SlideEntry)| SelectedSlide {
        index,
        entry: Arc::new(entry.clone()),
        etag: None,
        size_bytes: 0,
        coordinates: Vec::new(),
    };
    let slides = (0..).zip(&source.slides).map(slide).collect();
    Arc::new(Selection { slides, quarantined: Vec::new() })
}

impl Head {
    /// The gRPC service to which workers attach.
    pub fn service(&self) -> FeedServer<Service> {
        FeedServer::new(Service::new(Arc::clone(&self.datasets))).max_decoding_message_size(MESSAGE_BYTES)
    }

    /// What has happened so far, of all datasets together.
    pub fn stats(&self) -> Snapshot {
        let mut all = self.datasets.iter().map(|dataset| dataset.stats.snapshot());
        let mut sum = all.next().unwrap_or_default();
        all.for_each(|snapshot| sum += snapshot);
        sum
    }

    /// Tells all workers that no more work will come, and waits a little until they have gone: a process that ends at once
    /// takes the message with it, and they would dial for ever.
    pub async fn drain(&self) {
        for dataset in &*self.datasets {
            let (gone, left) = oneshot::channel();
            // An actor that is gone has no workers to tell.
            if dataset.events.send(Event::Drain { gone }).await.is_ok() {
                // The sender is dropped, never used; a worker that hangs is not waited for.
                let _ = tokio::time::timeout(FAREWELL, left).await;
            }
        }
    }
}

impl Feed {
    /// Starts a reading at this place: the first one elsewhere than [`Mode::Stream`] said, or another one, whatever was
    /// read before. Nothing is asked for before [`Feed::next`].
    pub fn start(&mut self, start: Start) {
        self.place = Place::Closed(Some(start));
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
        let batch = self.wait().await;
        self.waiting = None;
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

    /// From now on the program says how long it waits, this time for the last batches that it got.
    pub fn waited(&mut self, waited: Duration) {
        self.told = true;
        self.stats.change(|stats| stats.waiting.owe(waited, &self.last));
    }

    async fn wait(&mut self) -> Result<Option<Batch>, FeedError> {
        match &self.place {
            Place::Ended(_) => return Ok(None),
            Place::Closed(start) => {
                let events = self.events.upgrade().ok_or(FeedError::Closed)?;
                let start = start.clone();
                let place = events.reserve().await.map_err(|_| FeedError::Closed)?;
                self.reading += 1;
                self.place = Place::Opened;
                place.send(Event::Open { reading: self.reading, start });
            }
            Place::Opened | Place::At(_) => {}
        }
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

    /// Whether patches are asked for at run time ([`Mode::Ask`]), and not planned.
    pub fn is_asked(&self) -> bool {
        self.asked
    }

    /// Asks for a round of patches; they come in this order, in batches that end with the round. Only of a dataset that is
    /// to be asked ([`Mode::Ask`]).
    pub async fn ask(&self, specs: &[PatchSpec]) -> Result<(), FeedError> {
        let spec = |spec: &PatchSpec| {
            let slide = self.slides.get(&spec.url).copied();
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
