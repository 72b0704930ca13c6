//! A worker that cuts nothing: it answers every lease at once with the same ready-made pixels, so that a head can be measured
//! without slides, decoders or storage behind it. `tests/bench/head` runs it. Arguments: the head's URL, and how many patches
//! its one slide is to have.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use microtome_feed::engine;
use microtome_feed::wire::feed::feed_client::FeedClient;
use microtome_feed::wire::feed::head_message::Message as FromHead;
use microtome_feed::wire::feed::lease::Work;
use microtome_feed::wire::feed::worker_message::Message;
use microtome_feed::wire::feed::{CutPatches, Done, Lease, Part, Ready, SelectSlide, Selected, WorkerMessage};
use microtome_feed::wire::{MESSAGE_BYTES, PART_BYTES, PROTOCOL};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// As many leases as eight cores of a real worker take.
const SLOTS: u32 = 16;

/// A part's worth of pixels, with the checksum of each patch in it.
struct Made {
    pixels: Bytes,
    crc32: u32,
    patch_bytes: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, head, patches] = arguments.as_slice() else { return Err("usage: fake_worker URL PATCHES".into()) };
    let patches: i32 = patches.parse()?;
    let (outbox, messages) = mpsc::channel(4);
    let ready = Message::Ready(Ready { protocol: PROTOCOL, slots: SLOTS, threads: 1 });
    outbox.send(WorkerMessage { message: Some(ready) }).await?;
    let mut client = FeedClient::new(engine::dial(head, None)?).max_decoding_message_size(MESSAGE_BYTES);
    // The head may still be starting: a connection is there before a stream is asked for.
    let address = head.strip_prefix("http://").ok_or("the head's URL begins with http://")?;
    while tokio::net::TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut inbox = client.attach(ReceiverStream::new(messages)).await?.into_inner();
    let mut made: Option<Made> = None;
    while let Some(message) = inbox.message().await? {
        let Some(FromHead::Lease(Lease { lease, attempt, work })) = message.message else { break };
        match work {
            Some(Work::Select(work)) => send(&outbox, select(lease, attempt, &work, patches)).await?,
            Some(Work::Cut(work)) => {
                let pixels = made.get_or_insert_with(|| make(&work));
                for message in cut(lease, attempt, &work, pixels) {
                    send(&outbox, message).await?;
                }
            }
            // Its job lists its slide.
            Some(Work::Resolve(_)) | None => {}
        }
    }
    Ok(())
}

async fn send(outbox: &mpsc::Sender<WorkerMessage>, message: Message) -> Result<(), Box<dyn Error>> {
    Ok(outbox.send(WorkerMessage { message: Some(message) }).await?)
}

fn select(lease: u64, attempt: u32, work: &SelectSlide, patches: i32) -> Message {
    Message::Selected(Selected {
        lease,
        attempt,
        x: (0..patches).collect(),
        y: vec![i32::try_from(work.index).unwrap_or(0); usize::try_from(patches).unwrap_or(0)],
        ..Selected::default()
    })
}

fn make(work: &CutPatches) -> Made {
    let patch_bytes = work.views.iter().map(|view| view.size as usize * view.size as usize * 3).sum();
    let patch: Vec<u8> = (0..patch_bytes).map(|at| (at % 251) as u8).collect();
    let pixels = patch.repeat((PART_BYTES / patch_bytes).max(1));
    Made { crc32: crc32fast::hash(&patch), pixels: pixels.into(), patch_bytes }
}

fn cut(lease: u64, attempt: u32, work: &CutPatches, made: &Made) -> Vec<Message> {
    let patches_a_part = made.pixels.len() / made.patch_bytes;
    let mut left = work.x.len();
    let mut messages = Vec::new();
    while left > 0 {
        let patches = left.min(patches_a_part);
        let pixels = made.pixels.slice(..patches * made.patch_bytes);
        messages.push(Message::Part(Part { lease, attempt, crc32: vec![made.crc32; patches], pixels }));
        left -= patches;
    }
    messages.push(Message::Done(Done { lease, attempt, ..Done::default() }));
    messages
}
