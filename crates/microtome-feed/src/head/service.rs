//! The gRPC edge: one task a worker, which checks and copies what arrives and turns it into events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use microtome_plan::lease::WorkerId;
use tokio::sync::{mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::event::{Answer, Event, Pixels};
use super::tag::Tag;
use super::{Dataset, Head};
use crate::buffers::Buffers;
use crate::wire::PROTOCOL;
use crate::wire::feed::feed_server;
use crate::wire::feed::worker_message::Message;
use crate::wire::feed::{Failed, HeadMessage, Part, Ready, Returned, WorkerMessage};

/// Takes workers' streams.
#[derive(Debug)]
pub struct Service {
    head: watch::Receiver<Option<Head>>,
    workers: Arc<AtomicU64>,
}

impl Service {
    /// `workers` counts those that ever came.
    pub(super) fn new(head: watch::Receiver<Option<Head>>, workers: Arc<AtomicU64>) -> Self {
        Self { head, workers }
    }

    /// The datasets of the head that is there; waits for one.
    async fn datasets(&self) -> Result<Arc<[Dataset]>, Status> {
        let mut head = self.head.clone();
        let there = head.wait_for(Option::is_some).await.ok();
        let datasets = there.and_then(|head| head.as_ref().map(|head| Arc::clone(&head.datasets)));
        datasets.ok_or_else(|| Status::unavailable("the head is going down"))
    }
}

#[tonic::async_trait]
impl feed_server::Feed for Service {
    type AttachStream = tokio_stream::adapters::Map<
        UnboundedReceiverStream<HeadMessage>,
        fn(HeadMessage) -> Result<HeadMessage, Status>,
    >;

    async fn attach(&self, request: Request<Streaming<WorkerMessage>>) -> Result<Response<Self::AttachStream>, Status> {
        let mut messages = request.into_inner();
        let ready = match messages.message().await? {
            Some(WorkerMessage { message: Some(Message::Ready(ready)) }) => ready,
            _ => return Err(Status::invalid_argument("a stream begins with Ready")),
        };
        let Ready { protocol: PROTOCOL, slots, threads } = ready else {
            let text = format!("head speaks protocol {PROTOCOL}, worker {}: use the same version", ready.protocol);
            return Err(Status::failed_precondition(text));
        };
        let datasets = self.datasets().await?;
        let worker = WorkerId(self.workers.fetch_add(1, Ordering::Relaxed) + 1);
        // Never longer than the leases that are out to this worker.
        let (outbox, inbox) = mpsc::unbounded_channel();
        let closed = |_| Status::unavailable("the head is going down");
        for dataset in &*datasets {
            let joined = Event::Joined { worker, slots, threads, outbox: outbox.clone() };
            dataset.events.send(joined).await.map_err(closed)?;
        }
        tokio::spawn(listen(worker, messages, datasets));
        Ok(Response::new(UnboundedReceiverStream::new(inbox).map(Ok)))
    }
}

async fn listen(worker: WorkerId, mut messages: Streaming<WorkerMessage>, datasets: Arc<[Dataset]>) {
    loop {
        let events = match messages.message().await {
            Ok(Some(WorkerMessage { message: Some(message) })) => events(worker, message, &datasets),
            Ok(Some(WorkerMessage { message: None })) => Vec::new(),
            Ok(None) => break,
            Err(status) => {
                tracing::info!(worker = worker.0, %status, "stream lost");
                break;
            }
        };
        for (dataset, event) in events {
            if dataset.events.send(event).await.is_err() {
                return;
            }
        }
    }
    for dataset in &*datasets {
        // An actor that is gone does not care.
        let _ = dataset.events.send(Event::Left { worker }).await;
    }
}

/// What a worker says, each to the dataset that it concerns. A lease of no dataset is nobody's.
fn events(worker: WorkerId, mut message: Message, datasets: &[Dataset]) -> Vec<(&Dataset, Event)> {
    let number = match &mut message {
        Message::Ready(_) => return Vec::new(),
        Message::Draining(_) => {
            let all = Arc::new(());
            let retiring = |dataset| (dataset, Event::Retiring { worker, all: Arc::clone(&all) });
            return datasets.iter().map(retiring).collect();
        }
        Message::Done(done) => &mut done.lease,
        Message::Selected(selected) => &mut selected.lease,
        Message::Resolved(resolved) => &mut resolved.lease,
        Message::Failed(failed) => &mut failed.lease,
        Message::Returned(returned) => &mut returned.lease,
        Message::Part(part) => &mut part.lease,
    };
    let (dataset, lease) = Tag::of(*number);
    *number = lease;
    let Some(dataset) = datasets.get(dataset) else { return Vec::new() };
    let event = match message {
        Message::Ready(_) | Message::Draining(_) => return Vec::new(),
        Message::Done(done) => Event::Answered(Answer::Done(done)),
        Message::Selected(selected) => Event::Answered(Answer::Selected(selected)),
        Message::Resolved(resolved) => Event::Answered(Answer::Resolved(resolved)),
        Message::Failed(failed) => Event::Answered(Answer::Failed(failed)),
        Message::Returned(Returned { lease, attempt }) => Event::Returned { lease, attempt },
        Message::Part(part) => Event::Answered(take(worker, &part, (dataset.patch_bytes, &dataset.pixels))),
    };
    vec![(dataset, event)]
}

fn take(worker: WorkerId, part: &Part, patches: (usize, &Buffers)) -> Answer {
    let (lease, attempt, began) = (part.lease, part.attempt, Instant::now());
    match check(part, patches) {
        Some(patches) => Answer::Part { lease, attempt, patches, copy: began.elapsed() },
        None => {
            tracing::warn!(worker = worker.0, lease, "part arrived damaged");
            let reason = "pixels arrived damaged (CRC-32)".to_owned();
            Answer::Failed(Failed { lease, attempt, category: "Checksum".to_owned(), reason })
        }
    }
}

/// Copies each patch out of the received frame, so that it is freed by itself and the budget counts what is really held.
fn check(part: &Part, (patch_bytes, buffers): (usize, &Buffers)) -> Option<Vec<Pixels>> {
    let whole = part.pixels.len() == part.crc32.len() * patch_bytes;
    let patches = part.pixels.chunks_exact(patch_bytes).zip(&part.crc32);
    whole.then(|| patches.map(|(pixels, crc32)| checked(pixels, *crc32, buffers)).collect()).flatten()
}

fn checked(pixels: &[u8], crc32: u32, buffers: &Buffers) -> Option<Pixels> {
    (crc32fast::hash(pixels) == crc32).then(|| Pixels { bytes: buffers.copy(pixels), crc32 })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_damaged_part_is_a_failure_of_its_lease() {
        let pixels = Bytes::from(vec![1, 2, 3, 4, 5, 6]);
        let crc32: Vec<u32> = pixels.chunks(3).map(crc32fast::hash).collect();
        let buffers = Buffers::default();
        let three = (3, &buffers);
        let part = |crc32, pixels| Part { lease: 4, attempt: 2, crc32, pixels };
        assert_eq!(check(&part(crc32.clone(), pixels.clone()), three).unwrap().len(), 2);
        assert!(check(&part(crc32.clone(), Bytes::from(vec![1, 2, 3, 4, 5, 7])), three).is_none());
        assert!(check(&part(crc32.clone(), pixels.slice(..5)), three).is_none());
        let answer = take(WorkerId(1), &part(crc32, pixels.slice(..5)), three);
        assert!(matches!(answer, Answer::Failed(failed) if (failed.lease, failed.attempt) == (4, 2)));
    }
}
