//! The one owner of a dataset's state: events in, leases and batches out. It never waits for anybody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use microtome_plan::lease::{LeaseId, WorkerId};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::batch::{Given, Next};
use super::event::Event;
use super::stage::Stage;
use super::stats::Stats;
use super::tag::Tag;
use crate::error::FeedError;
use crate::wire::feed::head_message::Message;
use crate::wire::feed::{Drain, HeadMessage};

/// How often leases are looked over for ones that hang.
const TICK: Duration = Duration::from_secs(1);

/// A dataset's state.
#[derive(Debug)]
pub(super) struct Actor {
    /// Which of the head's datasets it is.
    tag: Tag,
    /// What is being done; nothing once all was given out, or it failed.
    stage: Option<Box<dyn Stage>>,
    workers: BTreeMap<WorkerId, Connection>,
    batches: Option<mpsc::Sender<Given>>,
    /// The reading that the program is at; before the first it may still say where it starts.
    reading: Option<Reading>,
    stats: Arc<Stats>,
    began: Instant,
    /// Set once no more work will come; dropped when the last worker has gone.
    draining: Option<oneshot::Sender<()>>,
    drained: bool,
    /// Set once no worker is wanted here any more.
    dismissed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    number: u64,
    /// The program was told that it is at its end.
    ended: bool,
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
        tag: Tag,
        stage: Option<Box<dyn Stage>>,
        stats: Arc<Stats>,
        batches: mpsc::Sender<Given>,
    ) -> Self {
        Self {
            tag,
            stage,
            workers: BTreeMap::new(),
            batches: Some(batches),
            reading: None,
            stats,
            began: Instant::now(),
            draining: None,
            drained: false,
            dismissed: false,
        }
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
        match (event, &mut self.stage) {
            (Event::Joined { worker, slots, threads, outbox }, _) => {
                self.stats.crew(|crew| crew.joins(worker, (slots, threads), Instant::now()));
                self.join(worker, slots, outbox);
            }
            (Event::Left { worker }, _) => self.leave(worker),
            (Event::Retiring { worker, all }, _) => self.retire(worker, all),
            (Event::Drain { gone }, _) => self.drain(gone),
            (Event::Dismiss, _) => self.dismiss(),
            (Event::Open { reading, start }, stage) => {
                self.reading = Some(Reading { number: reading, ended: false });
                if let (Some(stage), Some(start)) = (stage, start) {
                    return stage.resume(start);
                }
            }
            (_, None) => {}
            (Event::Answered(answer), Some(stage)) => return stage.hear(answer, now_ms),
            (Event::Returned { lease, attempt }, Some(stage)) => {
                tracing::info!(lease, attempt, "lease returned");
                stage.workforce().hand_back(LeaseId(lease), attempt);
            }
            (Event::Released { patches }, Some(stage)) => stage.release(patches),
            (Event::Asked { round }, Some(stage)) => stage.ask(round),
            (Event::Closed, Some(stage)) => stage.close(),
        }
        Ok(())
    }

    /// Moves on: to the next stage when this one is done, then leases out and batches to the program.
    fn advance(&mut self, events: &mpsc::WeakSender<Event>) -> Result<(), FeedError> {
        loop {
            self.lease();
            self.give_out(events);
            let Some(stage) = self.stage.take_if(|stage| stage.is_over()) else { return Ok(()) };
            let Some(mut next) = stage.follow()? else {
                self.end(None);
                return Ok(());
            };
            for (worker, connection) in self.workers.iter().filter(|(_, connection)| !connection.retiring) {
                next.workforce().join(*worker, connection.slots);
            }
            self.stage = Some(next);
        }
    }

    fn lease(&mut self) {
        let now_ms = self.now_ms();
        if self.reading.is_none() && self.stage.as_ref().is_some_and(|stage| stage.waits_for_program()) {
            return;
        }
        while let Some((worker, lease)) = self.stage.as_mut().and_then(|stage| stage.grant(now_ms)) {
            self.tell(worker, Message::Lease(self.tag.mark(lease)));
        }
    }

    fn give_out(&mut self, events: &mpsc::WeakSender<Event>) {
        let (Some(stage), Some(reading)) = (&mut self.stage, &mut self.reading) else { return };
        while let Some(place) = self.batches.as_ref().and_then(|batches| batches.try_reserve().ok()) {
            let Some(next) = stage.batch(events).filter(|_| !reading.ended) else { break };
            reading.ended = matches!(next, Next::End);
            place.send(Given { reading: reading.number, next: Ok(next) });
        }
    }

    /// Closes the program's side, with an error or at the stream's end. Workers stay until they are drained.
    fn end(&mut self, error: Option<FeedError>) {
        self.stage = None;
        let Some(batches) = self.batches.take() else { return };
        if let Some(error) = error {
            tracing::error!(category = error.category(), %error, "feed failed");
            // The channel may hold one last batch: the error waits behind it.
            let reading = self.reading.map_or(0, |reading| reading.number);
            tokio::spawn(async move { batches.send(Given { reading, next: Err(error) }).await });
        }
    }

    fn join(&mut self, worker: WorkerId, slots: u32, outbox: mpsc::UnboundedSender<HeadMessage>) {
        if self.dismissed {
            return;
        }
        if let Some(stage) = &mut self.stage {
            stage.workforce().join(worker, slots);
        }
        self.workers.insert(worker, Connection { slots, retiring: false, outbox });
        if self.drained {
            self.tell(worker, Message::Drain(Drain {}));
        }
        if self.tag.is_first() {
            tracing::info!(worker = worker.0, slots, "worker joined");
        }
        self.stats.change(|stats| stats.workers = self.workers.len() as u64);
    }

    fn retire(&mut self, worker: WorkerId, all: Arc<()>) {
        if let Some(stage) = &mut self.stage {
            stage.workforce().retire(worker);
        }
        if let Some(connection) = self.workers.get_mut(&worker) {
            connection.retiring = true;
        }
        // Another dataset's lease may still be on its way before that.
        if Arc::into_inner(all).is_some() {
            self.tell(worker, Message::Drain(Drain {}));
        }
        if self.tag.is_first() {
            tracing::info!(worker = worker.0, "worker ends soon");
        }
    }

    fn leave(&mut self, worker: WorkerId) {
        let requeued = self.stage.as_mut().map_or(0, |stage| stage.workforce().leave(worker));
        self.workers.remove(&worker);
        self.stats.crew(|crew| crew.leaves(worker));
        if self.workers.is_empty() {
            self.draining = None;
        }
        if self.tag.is_first() || requeued > 0 {
            tracing::info!(worker = worker.0, requeued, dataset = self.tag.0, "worker left");
        }
        self.stats.change(|stats| {
            stats.workers = self.workers.len() as u64;
            stats.requeued += requeued as u64;
        });
    }

    fn expire(&mut self) {
        let now_ms = self.now_ms();
        let requeued = self.stage.as_mut().map_or(0, |stage| stage.workforce().expire(now_ms));
        if requeued > 0 {
            tracing::warn!(requeued, dataset = self.tag.0, "leases hung and went out again");
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

    /// A stream ends when nobody holds its outbox any more.
    fn dismiss(&mut self) {
        self.dismissed = true;
        self.end(None);
        self.workers.clear();
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
