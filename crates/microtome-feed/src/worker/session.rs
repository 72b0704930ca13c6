//! One stream to a head: leases in, patches out.

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::lease::{Outbox, Refusal};
use super::{Worker, cut, select};
use crate::wire::feed::feed_client::FeedClient;
use crate::wire::feed::head_message::Message as FromHead;
use crate::wire::feed::lease::Work;
use crate::wire::feed::worker_message::Message;
use crate::wire::feed::{Failed, HeadMessage, Lease, Ready, WorkerMessage};
use crate::wire::{MESSAGE_BYTES, PROTOCOL};

/// Messages that wait to be sent; with parts of 4 MiB, 16 MiB a worker.
const WAITING_MESSAGES: usize = 4;

/// How a stream ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// No more work will come.
    Drained,
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

impl Worker {
    /// Serves one stream to its end.
    pub async fn serve(&self, channel: Channel) -> Result<Ended, SessionError> {
        let (outbox, messages) = mpsc::channel(WAITING_MESSAGES);
        let ready = Message::Ready(Ready { protocol: PROTOCOL, slots: self.slots });
        // The channel is new and has room.
        let _ = outbox.send(WorkerMessage { message: Some(ready) }).await;
        let mut client = FeedClient::new(channel).max_decoding_message_size(MESSAGE_BYTES);
        let inbox = client.attach(ReceiverStream::new(messages)).await?.into_inner();
        Ok(self.work_off(inbox, &outbox).await)
    }

    async fn work_off(&self, mut inbox: Streaming<HeadMessage>, outbox: &Outbox) -> Ended {
        // Dropped with the stream: a lease of a head that is gone is no use to anybody.
        let mut tasks = JoinSet::new();
        let mut served = 0;
        loop {
            let message = match inbox.message().await {
                Ok(Some(HeadMessage { message: Some(message) })) => message,
                Ok(Some(HeadMessage { message: None })) => continue,
                Ok(None) | Err(_) => return Ended::Closed { served },
            };
            while tasks.try_join_next().is_some() {}
            match message {
                FromHead::Drain(_) => return Ended::Drained,
                FromHead::Lease(lease) => {
                    served += 1;
                    tasks.spawn(self.clone().take(lease, outbox.clone()));
                }
            }
        }
    }

    async fn take(self, lease: Lease, outbox: Outbox) {
        let (number, attempt) = (lease.lease, lease.attempt);
        let outcome = match lease.work {
            Some(Work::Select(work)) => {
                select::select(&self, (number, attempt), work, &outbox).await.map(Message::Selected)
            }
            Some(Work::Cut(work)) => cut::cut(&self, (number, attempt), &work, &outbox).await.map(Message::Done),
            None => Err(Refusal { category: "Protocol".to_owned(), reason: "a lease without work".to_owned() }),
        };
        let message = outcome.unwrap_or_else(|Refusal { category, reason }| {
            Message::Failed(Failed { lease: number, attempt, category, reason })
        });
        // The stream may be gone; then so is the lease.
        let _ = outbox.send(WorkerMessage { message: Some(message) }).await;
    }
}
