//! One stream to a head: leases in, patches out.
//!
//! A worker that is told to stop says so, and hears from the head that no lease is on its way any more; it finishes what it
//! has, or returns it undone once its grace is over, and closes its side. The head has everything when it closes its own.
//! So nothing is lost, and nothing waits for a deadline.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::lease::{Outbox, Refusal};
use super::{Stop, Worker, cut, resolve, select};
use crate::wire::feed::feed_client::FeedClient;
use crate::wire::feed::head_message::Message as FromHead;
use crate::wire::feed::lease::Work;
use crate::wire::feed::worker_message::Message;
use crate::wire::feed::{Draining, Failed, HeadMessage, Lease, Ready, Returned, WorkerMessage};
use crate::wire::{MESSAGE_BYTES, PROTOCOL};

/// Messages that wait to be sent; with parts of 4 MiB, 16 MiB a worker.
const WAITING_MESSAGES: usize = 4;

/// What was sent last reaches the head within this, or never.
const FAREWELL: Duration = Duration::from_secs(2);

/// How a stream ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// No more work will come.
    Drained,
    /// The worker was told to stop.
    Stopped,
    /// The head went away after this many leases.
    Closed {
        /// Leases that were taken.
        served: u64,
    },
}

/// A stream could not be had.
#[derive(Debug, thiserror::Error)]
#[error("the head cannot be reached")]
pub struct SessionError(#[from] Status);

impl SessionError {
    /// What the connection said.
    pub fn status(&self) -> &Status {
        &self.0
    }
}

/// The leases of a stream. Dropped with it: a lease of a head that is gone is no use to anybody.
struct Leases {
    worker: Worker,
    outbox: Outbox,
    tasks: JoinSet<u64>,
    /// Lease and attempt.
    under_way: BTreeMap<u64, u32>,
    served: u64,
}

impl Worker {
    /// Serves one stream to its end.
    pub async fn serve(&self, channel: Channel, stop: &mut Stop) -> Result<Ended, SessionError> {
        let (outbox, messages) = mpsc::channel(WAITING_MESSAGES);
        let ready = Message::Ready(Ready { protocol: PROTOCOL, slots: self.slots, threads: self.threads });
        // The channel is new and has room.
        let _ = outbox.send(WorkerMessage { message: Some(ready) }).await;
        let mut client = FeedClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
        let inbox = tokio::select! {
            attached = client.attach(ReceiverStream::new(messages)) => attached?.into_inner(),
            () = stop.told() => return Ok(Ended::Stopped),
        };
        let leases =
            Leases { worker: self.clone(), outbox, tasks: JoinSet::new(), under_way: BTreeMap::new(), served: 0 };
        Ok(leases.work_off(inbox, stop).await)
    }

    async fn take(self, lease: Lease, outbox: Outbox) -> u64 {
        let (number, attempt) = (lease.lease, lease.attempt);
        let patches = if let Some(Work::Cut(cut)) = &lease.work { cut.x.len() } else { 0 };
        let outcome = match lease.work {
            Some(Work::Select(work)) => {
                select::select(&self, (number, attempt), work, &outbox).await.map(Message::Selected)
            }
            Some(Work::Resolve(work)) => resolve::resolve(&self, (number, attempt), &work).await.map(Message::Resolved),
            Some(Work::Cut(work)) => cut::cut(&self, (number, attempt), &work, &outbox).await.map(Message::Done),
            None => Err(Refusal { category: "Protocol".to_owned(), reason: "a lease without work".to_owned() }),
        };
        let message = outcome.unwrap_or_else(|Refusal { category, reason }| {
            Message::Failed(Failed { lease: number, attempt, category, reason })
        });
        self.counters.count(patches, &message);
        // The stream may be gone; then so is the lease.
        let _ = outbox.send(WorkerMessage { message: Some(message) }).await;
        number
    }
}

impl Leases {
    async fn work_off(mut self, mut inbox: Streaming<HeadMessage>, stop: &mut Stop) -> Ended {
        let (mut deadline, mut last) = (None, false);
        loop {
            tokio::select! {
                message = inbox.message() => match message {
                    Ok(Some(HeadMessage { message: Some(FromHead::Drain(_)) })) if deadline.is_some() => last = true,
                    Ok(Some(HeadMessage { message: Some(FromHead::Drain(_)) })) => return Ended::Drained,
                    Ok(Some(HeadMessage { message: Some(FromHead::Lease(lease)) })) if deadline.is_none() => self.begin(lease),
                    // It was on its way when the head heard of the stop.
                    Ok(Some(HeadMessage { message: Some(FromHead::Lease(lease)) })) => {
                        self.give_back(lease.lease, lease.attempt).await;
                    }
                    Ok(Some(HeadMessage { message: None })) => {}
                    Ok(None) | Err(_) => return Ended::Closed { served: self.served },
                },
                Some(ended) = self.tasks.join_next() => {
                    // A task that was stopped leaves its lease under way.
                    if let Ok(lease) = ended {
                        self.under_way.remove(&lease);
                    }
                }
                () = stop.told(), if deadline.is_none() => {
                    tracing::info!(leases = self.under_way.len(), grace_s = stop.grace().as_secs(), "told to stop");
                    deadline = Some(Instant::now() + stop.grace());
                    self.tell(Message::Draining(Draining {})).await;
                }
                () = until(deadline), if !self.tasks.is_empty() => self.tasks.abort_all(),
                () = until(deadline.map(|deadline| deadline + FAREWELL)) => last = true,
            }
            if last && self.tasks.is_empty() {
                break;
            }
        }
        tracing::info!(returned = self.under_way.len(), "stopped");
        for (lease, attempt) in std::mem::take(&mut self.under_way) {
            self.give_back(lease, attempt).await;
        }
        drop(self.outbox);
        // The head ends its side when it has read ours.
        let rest = async { while let Ok(Some(_)) = inbox.message().await {} };
        let _ = tokio::time::timeout(FAREWELL, rest).await;
        Ended::Stopped
    }

    fn begin(&mut self, lease: Lease) {
        self.served += 1;
        self.under_way.insert(lease.lease, lease.attempt);
        self.tasks.spawn(self.worker.clone().take(lease, self.outbox.clone()));
    }

    async fn give_back(&self, lease: u64, attempt: u32) {
        let message = Message::Returned(Returned { lease, attempt });
        self.worker.counters.count(0, &message);
        self.tell(message).await;
    }

    async fn tell(&self, message: Message) {
        // The stream may be gone; then the head knows.
        let _ = self.outbox.send(WorkerMessage { message: Some(message) }).await;
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => pending().await,
    }
}
