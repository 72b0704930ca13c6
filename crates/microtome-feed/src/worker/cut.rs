//! Cutting: fetches a lease's tiles, decodes them, and sends the patches in parts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use microtome_slide::{
    Downsample, Fetched, GAP_RANDOM_BYTES, GAP_SCAN_BYTES, PatchRequest, ReadPlan, Scale, Slide, SlideUrl, Usage,
};
use tokio::sync::OwnedSemaphorePermit;

use super::Worker;
use super::lease::{Outbox, Refusal};
use crate::buffers::Buffers;
use crate::view;
use crate::wire::PART_BYTES;
use crate::wire::feed::worker_message::Message;
use crate::wire::feed::{BadPatch, CutPatches, Done, Part, Spent, WorkerMessage};

/// A view's tiles and what becomes of them.
struct Picture {
    plan: ReadPlan,
    fetched: Fetched,
    /// Bytes of one patch of it.
    bytes: usize,
}

/// Patches that were decoded, each with all its views, and their checksums.
struct Cut {
    pixels: Bytes,
    crc32: Vec<u32>,
    bad: Vec<BadPatch>,
    /// Tiles that were decoded.
    tiles: u64,
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
    let (pictures, usage) = fetch(&slide, work).await?;
    let usage = opened + usage;
    let storage = began.elapsed();
    // The permit goes with the decoding: so many decode, the others fetch.
    let queued = Instant::now();
    // As long as the pixels are there: until their last part was sent.
    let room = Arc::clone(&worker.room).acquire_owned().await.ok();
    let permit = Arc::clone(&worker.decoders).acquire_owned().await;
    let (queue, buffers) = (queued.elapsed(), worker.pixels.clone());
    let cut = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        decode(pictures, &buffers, room)
    })
    .await
    .map_err(|error| Refusal { category: "Decoder".to_owned(), reason: format!("{url}: {error}") })?;
    let spent = Spent {
        storage_us: storage.as_micros() as u64,
        queue_us: queue.as_micros() as u64,
        decode_us: cut.decode.as_micros() as u64,
        requests: usage.requests,
        bytes: usage.bytes,
        tiles: cut.tiles,
        cpu_us: worker.lap_us(),
    };
    let bad = cut.bad.clone();
    send(lease, cut, outbox).await?;
    let etag = slide.etag().unwrap_or_default().to_owned();
    Ok(Done { lease: lease.0, attempt: lease.1, bad, spent: Some(spent), etag })
}

/// Fetches the tiles of all views, one view after another: later ones find what they share in the cache.
async fn fetch(slide: &Slide, work: &CutPatches) -> Result<(Vec<Picture>, Usage), Refusal> {
    let places: Vec<(i64, i64)> = work.x.iter().zip(&work.y).map(|(x, y)| (i64::from(*x), i64::from(*y))).collect();
    let mut usage = Usage::default();
    let mut pictures = Vec::with_capacity(work.views.len());
    let mut first: Option<(u32, Downsample)> = None;
    for view in &work.views {
        let scale = view::from_wire(view);
        let this = (view.size, slide.downsample(scale)?);
        let (x, y) = view::offset(*first.get_or_insert(this), this);
        let origins = places.iter().map(|(left, top)| (left + x, top + y)).collect();
        let plan = slide.plan(&request(work, scale, view.size, origins))?;
        let fetched = slide.fetch(&plan).await?;
        usage = usage + fetched.usage();
        pictures.push(Picture { plan, fetched, bytes: view.size as usize * view.size as usize * 3 });
    }
    Ok((pictures, usage))
}

fn request(work: &CutPatches, scale: Scale, size: u32, origins: Vec<(i64, i64)>) -> PatchRequest {
    let gap_bytes = if work.scan { GAP_SCAN_BYTES } else { GAP_RANDOM_BYTES };
    PatchRequest { scale, width: size, height: size, origins, gap_bytes }
}

fn decode(pictures: Vec<Picture>, buffers: &Buffers, room: Option<OwnedSemaphorePermit>) -> Cut {
    let began = Instant::now();
    let (mut bad, mut tiles) = (Vec::new(), 0);
    let patch_bytes: usize = pictures.iter().map(|picture| picture.bytes).sum();
    let mut views: Vec<(Vec<u8>, usize)> = Vec::with_capacity(pictures.len());
    for Picture { plan, fetched, bytes } in pictures {
        let patches = fetched.decode_into(&plan, buffers.take());
        tiles += patches.tiles_decoded;
        bad.extend(patches.errors.iter().map(|(patch, error)| BadPatch {
            patch: *patch as u32,
            category: error.category().to_owned(),
            reason: error.to_string(),
        }));
        views.push((patches.pixels, bytes));
    }
    // A patch of which several views are bad is bad once.
    bad.sort_by_key(|bad| bad.patch);
    bad.dedup_by_key(|bad| bad.patch);
    let pixels = by_patch(views, buffers);
    let crc32 = pixels.chunks_exact(patch_bytes.max(1)).map(crc32fast::hash).collect();
    Cut { pixels: buffers.share(pixels, room), crc32, bad, tiles, decode: began.elapsed() }
}

/// From all patches of a view, view after view, to all views of a patch, patch after patch.
fn by_patch(mut views: Vec<(Vec<u8>, usize)>, buffers: &Buffers) -> Vec<u8> {
    if views.len() == 1 {
        return views.remove(0).0;
    }
    let mut pixels = buffers.take();
    pixels.clear();
    pixels.reserve_exact(views.iter().map(|(pixels, _)| pixels.len()).sum());
    let mut patches: Vec<_> = views.iter().map(|(pixels, bytes)| pixels.chunks_exact(*bytes)).collect();
    while patches.first().is_some_and(|first| first.len() > 0) {
        patches.iter_mut().filter_map(Iterator::next).for_each(|picture| pixels.extend_from_slice(picture));
    }
    views.into_iter().for_each(|(pixels, _)| buffers.give_back(pixels));
    pixels
}

async fn send((lease, attempt): (u64, u32), cut: Cut, outbox: &Outbox) -> Result<(), Refusal> {
    let patch_bytes = cut.pixels.len() / cut.crc32.len().max(1);
    let patches_a_part = (PART_BYTES / patch_bytes.max(1)).max(1);
    for (number, crc32) in cut.crc32.chunks(patches_a_part).enumerate() {
        let start = number * patches_a_part * patch_bytes;
        let pixels = cut.pixels.slice(start..start + crc32.len() * patch_bytes);
        push(outbox, Part { lease, attempt, crc32: crc32.to_vec(), pixels }).await?;
    }
    Ok(())
}

/// Says that a lease is still being worked at.
pub(super) async fn beat((lease, attempt): (u64, u32), outbox: &Outbox) -> Result<(), Refusal> {
    push(outbox, Part { lease, attempt, ..Part::default() }).await
}

async fn push(outbox: &Outbox, part: Part) -> Result<(), Refusal> {
    let closed = |_| Refusal { category: "Closed".to_owned(), reason: "the head closed the stream".to_owned() };
    outbox.send(WorkerMessage { message: Some(Message::Part(part)) }).await.map_err(closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patchs_views_stand_together() {
        let buffers = Buffers::default();
        let views = vec![(vec![1, 1, 2, 2, 3, 3], 2), (vec![7, 8, 9], 1)];
        assert_eq!(by_patch(views, &buffers), [1, 1, 7, 2, 2, 8, 3, 3, 9]);
        assert_eq!(by_patch(vec![(vec![1, 2], 1)], &buffers), [1, 2]);
    }
}
