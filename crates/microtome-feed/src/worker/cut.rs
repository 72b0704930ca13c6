//! Cutting: fetches a lease's tiles, decodes them, and sends the patches in parts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use microtome_slide::{GAP_RANDOM_BYTES, PatchRequest, Patches, SlideUrl};

use super::Worker;
use super::lease::{Outbox, Refusal};
use crate::wire::PART_BYTES;
use crate::wire::feed::worker_message::Message;
use crate::wire::feed::{BadPatch, CutPatches, Done, Part, Spent, WorkerMessage};

/// Patches that were decoded, and their checksums.
struct Cut {
    patches: Patches,
    crc32: Vec<u32>,
    decode: Duration,
}

/// Does one lease.
pub(super) async fn cut(
    worker: &Worker,
    lease: (u64, u32),
    work: &CutPatches,
    outbox: &Outbox,
) -> Result<Done, Refusal> {
    let url = SlideUrl::parse(&work.url).map_err(|error| Refusal::new("InvalidUrl", &error))?;
    let etag = (!work.etag.is_empty()).then_some(work.etag.as_str());
    let began = Instant::now();
    let (slide, opened) = worker.slides.get(&url, &worker.limits, etag).await?;
    let plan = slide.plan(&request(work))?;
    let fetched = slide.fetch(&plan).await?;
    let usage = opened + fetched.usage();
    let storage = began.elapsed();
    let tiles = plan.tiles().len() as u64;
    let patch_bytes = work.size as usize * work.size as usize * 3;
    // The permit goes with the decoding: so many decode, the others fetch.
    let queued = Instant::now();
    let permit = Arc::clone(&worker.decoders).acquire_owned().await;
    let queue = queued.elapsed();
    let cut = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let began = Instant::now();
        let patches = fetched.decode(&plan);
        let crc32 = patches.pixels.chunks_exact(patch_bytes).map(crc32fast::hash).collect();
        Cut { patches, crc32, decode: began.elapsed() }
    })
    .await
    .map_err(|error| Refusal { category: "Decoder".to_owned(), reason: format!("{url}: {error}") })?;
    let spent = Spent {
        storage_us: storage.as_micros() as u64,
        queue_us: queue.as_micros() as u64,
        decode_us: cut.decode.as_micros() as u64,
        requests: usage.requests,
        bytes: usage.bytes,
        tiles,
    };
    send(lease, cut, patch_bytes, outbox).await.map(|bad| Done {
        lease: lease.0,
        attempt: lease.1,
        bad,
        spent: Some(spent),
    })
}

fn request(work: &CutPatches) -> PatchRequest {
    PatchRequest {
        level: work.level,
        width: work.size,
        height: work.size,
        origins: work.x.iter().zip(&work.y).map(|(x, y)| (i64::from(*x), i64::from(*y))).collect(),
        gap_bytes: GAP_RANDOM_BYTES,
    }
}

async fn send(lease: (u64, u32), cut: Cut, patch_bytes: usize, outbox: &Outbox) -> Result<Vec<BadPatch>, Refusal> {
    let bad = cut.patches.errors.iter().map(|(patch, error)| BadPatch {
        patch: *patch as u32,
        category: error.category().to_owned(),
        reason: error.to_string(),
    });
    let bad = bad.collect();
    let pixels = Bytes::from(cut.patches.pixels);
    let patches_a_part = (PART_BYTES / patch_bytes).max(1);
    for (number, crc32) in cut.crc32.chunks(patches_a_part).enumerate() {
        let start = number * patches_a_part * patch_bytes;
        let part = Part {
            lease: lease.0,
            attempt: lease.1,
            crc32: crc32.to_vec(),
            pixels: pixels.slice(start..start + crc32.len() * patch_bytes),
        };
        let message = WorkerMessage { message: Some(Message::Part(part)) };
        outbox
            .send(message)
            .await
            .map_err(|_| Refusal { category: "Closed".to_owned(), reason: "the head closed the stream".to_owned() })?;
    }
    Ok(bad)
}
