//! What opening a slide costs, and what a scan of it needs at least: `opening SLIDE`. Run by `make bench`.
//!
//! Prints one JSON object: requests, bytes and seconds of a first opening, and of another one that finds the index kept in
//! `MICROTOME_INDEX_CACHE` and knows which version it wants; `tile_bytes` are those of all tiles of level 0.

use std::time::Instant;

use anyhow::{Result, bail};
use microtome_slide::{GAP_SCAN_BYTES, Limits, PatchRequest, Scale, Slide, SlideUrl, Stores};
use serde_json::{Value, json};

/// The edge of the tiles of the slide that `make bench` makes.
const TILE: u32 = 256;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url] = arguments.as_slice() else {
        bail!("usage: opening SLIDE");
    };
    let url = SlideUrl::parse(url)?;
    let (cold, slide) = open(&url, None).await?;
    let (warm, _) = open(&url, slide.etag()).await?;
    println!("{}", json!({"row": "opening", "cold": cold, "warm": warm, "tile_bytes": tile_bytes(&slide)?}));
    Ok(())
}

/// As a process of its own does: nothing is kept in memory.
async fn open(url: &SlideUrl, etag: Option<&str>) -> Result<(Value, Slide)> {
    let stores = Stores::from_env();
    let began = Instant::now();
    let slide = Slide::open_pinned(&stores, url, &Limits::default(), etag).await?;
    let (seconds, cost) = (began.elapsed().as_secs_f64(), slide.usage());
    Ok((json!({"requests": cost.requests, "bytes": cost.bytes, "seconds": seconds}), slide))
}

/// By the plans of its rows, in which each tile is one patch.
fn tile_bytes(slide: &Slide) -> Result<u64> {
    let edge = i64::from(TILE);
    let across = |pixels: u32| 0..i64::from(pixels.div_ceil(TILE));
    let row = |row: i64| {
        let origins = across(slide.info().width).map(|column| (column * edge, row * edge)).collect();
        let request =
            PatchRequest { scale: Scale::Level(0), width: TILE, height: TILE, origins, gap_bytes: GAP_SCAN_BYTES };
        Ok(slide.plan(&request)?.needed_bytes())
    };
    across(slide.info().height).map(row).sum()
}
