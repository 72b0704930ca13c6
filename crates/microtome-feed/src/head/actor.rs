//! The one owner of a head's state: events in, leases and batches out. It never waits for anybody.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use microtome_plan::checkpoint::Checkpoint;
use microtome_plan::lease::WorkerId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::batch::Batch;
use super::event::Event;
use super::selecting::Selecting;
use super::stats::Stats;
use super::streaming::Streaming;
use crate::error::FeedError;
use crate::job::Job;
use crate::wire::feed::head_message::Message;
use crate::wire::feed::{Drain, HeadMessage};

/// How often leases are looked over for ones that hang.
const TICK: Duration = Duration::from_secs(1);

/// What is being done.
#[derive(Debug)]
enum Phase {
    Selecting(Box<Selecting>),
    Streaming(Box<Streaming>),
    /// Nothing more: all was given out, or it failed.
    Over,
}

/// The head's state.
#[derive(Debug)]
pub(super) struct Actor {
    phase: Phase,
    workers: BTreeMap<WorkerId, Connection>,
    batches: Option<mpsc::Sender<Result<Batch, FeedError>>>,
    /// Whether the program reads; before that it may still say where it goes on.
    open: bool,
    resume: Option<Checkpoint>,
    stats: Arc<Stats>,
    began: Instant,
    /// Set once no more work will come; dropped when the last worker has gone.
    draining: Option<oneshot::Sender<()>>,
    drained: bool,
}

#[derive(Debug)]
struct Connection {
    slots: u32,
    /// It ends soon, and takes no more leases.
    retiring: bool,
    outbox: mpsc::UnboundedSender<HeadMessage>,
}

impl Actor {
    pub(super) fn new(
        job: &Job,
        budget: u64,
        stats: Arc<Stats>,
        batches: mpsc::Sender<Result<Batch, FeedError>>,
    ) -> Result<Self, FeedError> {
        let selecting = Selecting::new(job, budget, Arc::clone(&stats))?;
        Ok(Self {
            phase: Phase::Selecting(Box::new(selecting)),
            workers: BTreeMap::new(),
            batches: Some(batches),
            open: false,
            resume: None,
            stats,
            began: Instant::now(),
            draining: None,
            drained: false,
        })
    }

    /// `events`: the queue's other end; batches give their bytes back through it without keeping it open.
    pub(super) async fn run(mut self, events: mpsc::WeakSender<Event>, mut inbox: mpsc::Receiver<Event>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let outcome = tokio::select! {
                event = inbox.recv() => match event {
                    Some(event) => self.handle(event),
                    None => return,
                },
                _ = tick.tick() => {
                    self.expire();
                    Ok(())
                }
            };
            let outcome = outcome.and_then(|()| self.advance(&events));
            if let Err(error) = outcome {
                self.end(Some(error));
            }
        }
    }

    fn handle(&mut self, event: Event) -> Result<(), FeedError> {
        let now_ms = self.now_ms();
        match event {
            Event::Joined { worker, slots, outbox } => self.join(worker, slots, outbox),
            Event::Left { worker } => self.leave(worker),
            Event::Retiring { worker } => self.retire(worker),
            Event::Returned { lease, attempt } => {
                tracing::info!(lease, attempt, "lease returned");
                match &mut self.phase {
                    Phase::Selecting(selecting) => selecting.hand_back(lease, attempt),
                    Phase::Streaming(streaming) => streaming.hand_back(lease, attempt),
                    Phase::Over => {}
                }
            }
            Event::Drain { gone } => self.drain(gone),
            Event::Open { resume } => return self.open(resume),
            Event::Released { patches } => {
                if let Phase::Streaming(streaming) = &mut self.phase {
                    streaming.release(patches);
                }
            }
            Event::Selected { selected } => {
                if let Phase::Selecting(selecting) = &mut self.phase {
                    selecting.selected(selected);
                }
            }
            Event::Part { lease, attempt, patches, copy } => {
                if let Phase::Streaming(streaming) = &mut self.phase {
                    streaming.part((lease, attempt), (patches, copy), now_ms);
                }
            }
            Event::Done { done } => {
                if let Phase::Streaming(streaming) = &mut self.phase {
                    return streaming.done(&done);
                }
            }
            Event::Failed { failed } => match &mut self.phase {
                Phase::Selecting(selecting) => return selecting.failed(failed),
                Phase::Streaming(streaming) => return streaming.failed(failed),
                Phase::Over => {}
            },
        }
        Ok(())
    }

    fn open(&mut self, resume: Option<Checkpoint>) -> Result<(), FeedError> {
        self.open = true;
        match (&mut self.phase, resume) {
            (Phase::Streaming(streaming), Some(checkpoint)) => streaming.resume(&checkpoint),
            (_, resume) => {
                self.resume = resume;
                Ok(())
            }
        }
    }

    /// Moves on: to the next phase when this one is done, then leases out and batches to the program.
    fn advance(&mut self, events: &mpsc::WeakSender<Event>) -> Result<(), FeedError> {
        if let Phase::Selecting(selecting) = &self.phase
            && selecting.is_complete()
            && let Phase::Selecting(selecting) = mem::replace(&mut self.phase, Phase::Over)
        {
            let mut streaming = selecting.finish()?;
            if let Some(checkpoint) = self.resume.take() {
                streaming.resume(&checkpoint)?;
            }
            for (worker, connection) in self.workers.iter().filter(|(_, connection)| !connection.retiring) {
                streaming.join(*worker, connection.slots);
            }
            self.phase = Phase::Streaming(Box::new(streaming));
        }
        self.lease();
        self.give_out(events);
        Ok(())
    }

    fn lease(&mut self) {
        let now_ms = self.now_ms();
        loop {
            let granted = match &mut self.phase {
                Phase::Selecting(selecting) => selecting.grant(now_ms),
                Phase::Streaming(streaming) => streaming.grant(now_ms),
                Phase::Over => None,
            };
            let Some((worker, lease)) = granted else { return };
            self.tell(worker, Message::Lease(lease));
        }
    }

    fn give_out(&mut self, events: &mpsc::WeakSender<Event>) {
        let Phase::Streaming(streaming) = &mut self.phase else { return };
        if !self.open {
            return;
        }
        while let Some(place) = self.batches.as_ref().and_then(|batches| batches.try_reserve().ok()) {
            let Some(batch) = streaming.batch(events) else { break };
            place.send(Ok(batch));
        }
        if streaming.is_finished() {
            self.end(None);
        }
    }

    /// Closes the program's side, with an error or at the stream's end. Workers stay until they are drained.
    fn end(&mut self, error: Option<FeedError>) {
        self.phase = Phase::Over;
        let Some(batches) = self.batches.take() else { return };
        if let Some(error) = error {
            tracing::error!(category = error.category(), %error, "feed failed");
            // The channel may hold one last batch: the error waits behind it.
            tokio::spawn(async move { batches.send(Err(error)).await });
        }
    }

    fn join(&mut self, worker: WorkerId, slots: u32, outbox: mpsc::UnboundedSender<HeadMessage>) {
        match &mut self.phase {
            Phase::Selecting(selecting) => selecting.join(worker, slots),
            Phase::Streaming(streaming) => streaming.join(worker, slots),
            Phase::Over => {}
        }
        self.workers.insert(worker, Connection { slots, retiring: false, outbox });
        if self.drained {
            self.tell(worker, Message::Drain(Drain {}));
        }
        tracing::info!(worker = worker.0, slots, "worker joined");
        self.stats.change(|stats| stats.workers = self.workers.len() as u64);
    }

    fn retire(&mut self, worker: WorkerId) {
        match &mut self.phase {
            Phase::Selecting(selecting) => selecting.retire(worker),
            Phase::Streaming(streaming) => streaming.retire(worker),
            Phase::Over => {}
        }
        if let Some(connection) = self.workers.get_mut(&worker) {
            connection.retiring = true;
        }
        self.tell(worker, Message::Drain(Drain {}));
        tracing::info!(worker = worker.0, "worker ends soon");
    }

    fn leave(&mut self, worker: WorkerId) {
        let requeued = match &mut self.phase {
            Phase::Selecting(selecting) => selecting.leave(worker),
            Phase::Streaming(streaming) => streaming.leave(worker),
            Phase::Over => 0,
        };
        self.workers.remove(&worker);
        if self.workers.is_empty() {
            self.draining = None;
        }
        tracing::info!(worker = worker.0, requeued, "worker left");
        self.stats.change(|stats| {
            stats.workers = self.workers.len() as u64;
            stats.requeued += requeued as u64;
        });
    }

    fn expire(&mut self) {
        let now_ms = self.now_ms();
        let requeued = match &mut self.phase {
            Phase::Selecting(selecting) => selecting.expire(now_ms),
            Phase::Streaming(streaming) => streaming.expire(now_ms),
            Phase::Over => 0,
        };
        if requeued > 0 {
            tracing::warn!(requeued, "leases hung and went out again");
            self.stats.change(|stats| stats.requeued += requeued as u64);
        }
    }

    fn drain(&mut self, gone: oneshot::Sender<()>) {
        self.drained = true;
        self.draining = (!self.workers.is_empty()).then_some(gone);
        for worker in self.workers.keys() {
            self.tell(*worker, Message::Drain(Drain {}));
        }
    }

    fn tell(&self, worker: WorkerId, message: Message) {
        if let Some(connection) = self.workers.get(&worker) {
            // A connection that is gone says so with `Left`, which requeues.
            let _ = connection.outbox.send(HeadMessage { message: Some(message) });
        }
    }

    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}
