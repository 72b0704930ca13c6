//! A head: takes workers' streams, selects, plans, leases, and gives out batches in order.
//!
//! Each dataset has one actor ([`actor`]) that owns all its state and is never blocked: connections send it events, the
//! program's side takes batches from a channel of one, and dropping a batch gives its bytes back. All datasets have the
//! same workers; pixels are checked and copied by the connections' own tasks.

mod actor;
mod batch;
mod crew;
mod door;
mod event;
mod feed;
mod ledger;
mod names;
mod pace;
mod position;
mod resolving;
mod selecting;
mod service;
mod stage;
mod stats;
mod streaming;
mod supply;
mod tag;

use std::sync::Arc;
use std::time::{Duration, Instant};

use microtome_plan::checkpoint::{Checkpoint, Start};
use microtome_plan::dataset as plan;
use microtome_plan::desk::asked;
use microtome_plan::selection::Selection;
use microtome_plan::shape::Shape;
use tokio::sync::{mpsc, oneshot};

pub use batch::{Batch, Patch};
pub use door::Door;
pub use feed::{Feed, PatchSpec};
pub use ledger::Ledger;
pub use position::Position;
pub use service::Service;
pub use stats::Snapshot;
pub use supply::{Loader, Supply};

use crate::buffers::Buffers;
use crate::error::FeedError;
use crate::source::Source;
use crate::wire::feed::feed_server::FeedServer;
use actor::Actor;
use event::Event;
use position::Length;
use resolving::Resolving;
use selecting::After;
use stage::Stage;
use stats::Stats;
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
    /// Some worker has to find out which slides it is made of. Not with a selection.
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
    name: Arc<str>,
    batch_size: u32,
    epochs: u32,
    patch_bytes: usize,
    pixels: Buffers,
    /// Whether its patches are asked for, and do not count as the job's progress.
    asked: bool,
}

/// Starts a head on the current runtime, with one feed for each dataset. `budget`: bytes of patches that all of them may
/// hold together.
pub fn start(orders: Vec<Order>, budget: u64) -> Result<(Head, Vec<Feed>), FeedError> {
    let budgets = shares(&orders, budget)?;
    let started = (0..).zip(orders).zip(budgets).map(|((tag, order), budget)| open(Tag(tag), order, budget));
    let (datasets, feeds): (Vec<Dataset>, Vec<Feed>) = started.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
    Ok((Head { datasets: datasets.into() }, feeds))
}

impl Order {
    /// The least part of the budget that it can do with.
    fn needed_bytes(&self) -> u64 {
        let shape = Shape::of(self.origin.recipe());
        match &self.mode {
            Mode::Select { .. } => 0,
            Mode::Stream { .. } => shape.needed_bytes(),
            Mode::Ask => asked::needed_bytes(&shape),
        }
    }
}

/// The same datasets once more, to be asked for patches beside their streams; those of which the budget can hold both.
pub fn to_be_asked(orders: &[Order], budget: u64) -> Vec<Order> {
    let mut needed: u64 = orders.iter().map(Order::needed_bytes).sum();
    let asked = orders.iter().map(|order| Order { origin: order.origin.clone(), mode: Mode::Ask });
    let fits = |order: &Order| {
        let with = needed.saturating_add(order.needed_bytes());
        let fits = with <= budget;
        needed = if fits { with } else { needed };
        fits
    };
    asked.filter(fits).collect()
}

/// Each dataset gets what it needs, and the streams an equal part each of what is left; where there are none, what is asked
/// for does.
fn shares(orders: &[Order], budget: u64) -> Result<Vec<u64>, FeedError> {
    let needs: Vec<u64> = orders.iter().map(Order::needed_bytes).collect();
    let needed: u64 = needs.iter().sum();
    let is_asked = |order: &Order| matches!(order.mode, Mode::Ask);
    let all_are_asked = orders.iter().all(is_asked);
    let parts = orders.iter().filter(|order| all_are_asked || !is_asked(order)).count().max(1) as u64;
    let Some(left) = budget.checked_sub(needed) else {
        return match orders {
            [Order { origin, .. }] => Err(FeedError::Budget(Shape::of(origin.recipe()).refuse(needed, budget))),
            _ => Err(FeedError::Budgets { datasets: orders.len(), needed, budget }),
        };
    };
    let more = |order: &Order| if all_are_asked || !is_asked(order) { left / parts } else { 0 };
    Ok(needs.into_iter().zip(orders).map(|(need, order)| need + more(order)).collect())
}

fn open(tag: Tag, Order { origin, mode }: Order, budget: u64) -> Result<(Dataset, Feed), FeedError> {
    let stats = Arc::new(Stats::default());
    let (events, inbox) = mpsc::channel(WAITING_EVENTS);
    let (batches, program) = mpsc::channel(1);
    let resume = match &mode {
        Mode::Stream { resume, .. } => resume.clone(),
        Mode::Select { .. } | Mode::Ask => None,
    };
    let patch_bytes = usize::try_from(origin.recipe().patch_bytes().get()).unwrap_or(usize::MAX);
    let asked = matches!(mode, Mode::Ask);
    let (name, batch_size) = (origin.recipe().name.as_str().into(), origin.recipe().batch_size.get());
    let epochs = origin.recipe().epochs.get();
    let start = (origin.recipe().clone(), resume.map(Start::Checkpoint));
    let feed = Feed::new((program, events.downgrade()), Arc::clone(&stats), start, asked);
    let stage = stage(origin, mode, budget, &stats)?;
    let actor = Actor::new(tag, stage, Arc::clone(&stats), batches);
    tokio::spawn(actor.run(events.downgrade(), inbox));
    Ok((Dataset { events, stats, name, batch_size, epochs, patch_bytes, pixels: Buffers::default(), asked }, feed))
}

/// Where a dataset begins; nowhere, if all is known already.
fn stage(origin: Origin, mode: Mode, budget: u64, stats: &Arc<Stats>) -> Result<Option<Box<dyn Stage>>, FeedError> {
    let stats = Arc::clone(stats);
    let (selection, after) = match mode {
        Mode::Select { selection } => (selection, After::Nothing),
        Mode::Stream { selection, .. } => (selection, After::Stream { budget }),
        Mode::Ask => (None, After::Ask { budget }),
    };
    match (origin, selection) {
        (Origin::Written(written), _) => Ok(Some(Box::new(Resolving::new(*written, after, stats)))),
        (Origin::Known(source), None) => after.resolved(*source, None, stats).map(Some),
        (Origin::Known(source), Some(selection)) => after.follow(selection, &source.recipe, None, stats),
    }
}

impl Head {
    /// The gRPC service to which workers attach.
    pub fn service(&self) -> FeedServer<Service> {
        Door::to(self).service()
    }

    /// What has happened so far, of all datasets together.
    pub fn stats(&self) -> Snapshot {
        let mut all = self.datasets.iter().map(|dataset| match dataset.asked {
            true if self.datasets.len() > 1 => dataset.stats.snapshot().beside(),
            _ => dataset.stats.snapshot(),
        });
        let mut sum = all.next().unwrap_or_default();
        all.for_each(|snapshot| sum += snapshot);
        sum
    }

    /// How far the program is in each stream. Patches that are asked for have no order, and so no end.
    pub fn positions(&self) -> Vec<Position> {
        let position = |dataset: &Dataset| {
            let stats = dataset.stats.snapshot();
            let (epochs, batch_size) = (dataset.epochs.into(), dataset.batch_size.into());
            let length = Length { patches: stats.patches_total, epochs, batch_size };
            position::position(&dataset.name, stats.passed + stats.patches - stats.before, length)
        };
        self.datasets.iter().filter(|dataset| !dataset.asked).filter_map(position).collect()
    }

    /// What the number of workers is decided by, of all datasets.
    pub fn supply(&self) -> Supply {
        let now = Instant::now();
        let mut sum = Supply::default();
        for dataset in &*self.datasets {
            let (demand, waited) = dataset.stats.pace(|pace| (pace.demand(dataset.batch_size), pace.waited(now)));
            let (rate, arrived) = dataset.stats.crew(|crew| (crew.rate(), crew.arrived()));
            let snapshot = dataset.stats.snapshot();
            sum.arrived += arrived;
            sum.waited += waited;
            sum.waiting += snapshot.waiting;
            sum.workers = sum.workers.max(snapshot.workers);
            sum.loaders.push(Loader { dataset: dataset.name.to_string(), asked: dataset.asked, demand, rate });
        }
        sum
    }

    /// Closes the streams of all workers, and of those that still come: there is no more work here, but there may be soon. Other
    /// than [`Head::drain`] it does not end them.
    pub(crate) async fn dismiss(&self) {
        for dataset in &*self.datasets {
            // An actor that is gone has no workers.
            let _ = dataset.events.send(Event::Dismiss).await;
        }
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
