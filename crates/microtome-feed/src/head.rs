//! A head: takes workers' streams, selects, plans, leases, and gives out batches in order.
//!
//! One actor ([`actor`]) owns all state and is never blocked: connections send it events, the program's side takes
//! batches from a channel of one, and dropping a batch gives its bytes back. Pixels are checked and copied by the
//! connections' own tasks.

mod actor;
mod batch;
mod event;
mod ledger;
mod names;
mod selecting;
mod service;
mod stats;
mod streaming;

use std::sync::Arc;
use std::time::{Duration, Instant};

use microtome_plan::checkpoint::Checkpoint;
use tokio::sync::{mpsc, oneshot};

pub use batch::{Batch, Patch};
pub use ledger::Ledger;
pub use service::Service;
pub use stats::Snapshot;

use crate::error::FeedError;
use crate::job::Job;
use crate::wire::MESSAGE_BYTES;
use crate::wire::feed::feed_server::FeedServer;
use actor::Actor;
use stats::Stats;

/// How long workers may take to go; a round trip is enough.
const FAREWELL: Duration = Duration::from_secs(2);

/// Events that wait for the actor; each holds at most a part, so this bounds what is between sockets and budget.
const WAITING_EVENTS: usize = 64;

/// A running head.
#[derive(Clone, Debug)]
pub struct Head {
    events: mpsc::Sender<event::Event>,
    stats: Arc<Stats>,
    patch_bytes: usize,
}

/// The program's side of a head: batches in order.
#[derive(Debug)]
pub struct Feed {
    batches: mpsc::Receiver<Result<Batch, FeedError>>,
    events: mpsc::WeakSender<event::Event>,
    stats: Arc<Stats>,
    place: Place,
}

/// Where the program is in the stream.
#[derive(Debug)]
enum Place {
    /// It has not asked for anything yet; it may go on from a checkpoint.
    Closed(Option<Checkpoint>),
    /// It waits for its first batch.
    Opened,
    /// It got the batch before this.
    At(Checkpoint),
}

/// What a head is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of patches that it may hold.
    pub budget: u64,
    /// The place of the stream to go on from; compared with the selection once that is there.
    pub resume: Option<Checkpoint>,
}

impl Options {
    /// From the stream's start.
    pub fn new(budget: u64) -> Self {
        Self { budget, resume: None }
    }
}

/// Starts a head on the current runtime.
pub fn start(job: &Job, options: Options) -> Result<(Head, Feed), FeedError> {
    let stats = Arc::new(Stats::default());
    let (events, inbox) = mpsc::channel(WAITING_EVENTS);
    let (batches, program) = mpsc::channel(1);
    let actor = Actor::new(job, options.budget, Arc::clone(&stats), batches)?;
    tokio::spawn(actor.run(events.downgrade(), inbox));
    let patch_bytes = usize::try_from(job.recipe.patch_bytes().get()).unwrap_or(usize::MAX);
    let place = Place::Closed(options.resume);
    let feed = Feed { batches: program, events: events.downgrade(), stats: Arc::clone(&stats), place };
    Ok((Head { events, stats, patch_bytes }, feed))
}

impl Head {
    /// The gRPC service to which workers attach.
    pub fn service(&self) -> FeedServer<Service> {
        FeedServer::new(Service::new(self.events.clone(), self.patch_bytes)).max_decoding_message_size(MESSAGE_BYTES)
    }

    /// What has happened so far.
    pub fn stats(&self) -> Snapshot {
        self.stats.snapshot()
    }

    /// Tells all workers that no more work will come, and waits a little until they have gone: a process that ends at once
    /// takes the message with it, and they would dial for ever.
    pub async fn drain(&self) {
        let (gone, left) = oneshot::channel();
        // An actor that is gone has no workers to tell.
        if self.events.send(event::Event::Drain { gone }).await.is_ok() {
            // The sender is dropped, never used; a worker that hangs is not waited for.
            let _ = tokio::time::timeout(FAREWELL, left).await;
        }
    }
}

impl Feed {
    /// Goes on from a checkpoint instead of where [`Options`] said. Of use only before the first batch was asked for.
    pub fn resume(&mut self, checkpoint: Checkpoint) {
        if let Place::Closed(resume) = &mut self.place {
            *resume = Some(checkpoint);
        }
    }

    /// Where the stream goes on after the batches that [`Feed::next`] gave; `None` before the first one.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        match &self.place {
            Place::At(checkpoint) => Some(checkpoint),
            Place::Closed(_) | Place::Opened => None,
        }
    }

    /// The next batch; `None` after the last one of the last epoch.
    ///
    /// # Errors
    /// What ended the stream, once; a checkpoint of another stream among it.
    pub async fn next(&mut self) -> Result<Option<Batch>, FeedError> {
        let began = Instant::now();
        if let Place::Closed(resume) = &mut self.place {
            let opening = event::Event::Open { resume: resume.take() };
            let events = self.events.upgrade().ok_or(FeedError::Closed)?;
            events.send(opening).await.map_err(|_| FeedError::Closed)?;
            self.place = Place::Opened;
        }
        let batch = self.batches.recv().await.transpose()?;
        self.stats.change(|stats| {
            let waited = began.elapsed();
            let Some(batch) = &batch else { return };
            match self.place {
                Place::At(_) => stats.waiting.owe(waited, &batch.last),
                Place::Closed(_) | Place::Opened => stats.first_batch = waited,
            }
            stats.patches += batch.patches().len() as u64;
            stats.batches += 1;
        });
        if let Some(batch) = &batch {
            self.place = Place::At(batch.checkpoint.clone());
        }
        Ok(batch)
    }
}
