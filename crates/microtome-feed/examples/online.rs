//! Patches asked for at run time beside planned ones: `online SLIDE PATCHES WORKERS`. Run by `make bench`.
//!
//! Streams the patches by a plan, then a tenth of them ten times, which has to decode as much for a patch as a round of
//! asking has, then asks for as many in ten rounds: once with a round always asked for ahead, and once
//! with each round asked for only when the one before it was read to its end, as a program does whose next round depends on
//! what it saw. Fails unless the patches come in the order of the asking, each once. Rates are from the first batch to the
//! last. Prints one JSON object; its `tiles_per_patch` tell how much a stream has to decode.

#![allow(unreachable_pub, dead_code, reason = "what examples share is a module of each")]

mod common;

use anyhow::{Context, Result, bail, ensure};
use common::{Running, SIZE, Setup};
use microtome_feed::head::{Mode, PatchSpec};
use microtome_plan::select::Coordinate;
use microtome_slide::{Limits, Slide, SlideUrl, Stores};
use serde_json::{Value, json};

const ROUNDS: u64 = 10;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, patches, workers] = arguments.as_slice() else {
        bail!("usage: online SLIDE PATCHES WORKERS");
    };
    let setup = Setup { url: url.clone(), patches: patches.parse()?, epochs: 1, workers: workers.parse()? };
    let rounds = rounds(&setup).await?;
    let dense = planned(&setup).await?;
    let sparse = planned(&Setup { patches: setup.patches / ROUNDS, epochs: ROUNDS, ..setup.clone() }).await?;
    let ahead = asked(&setup, &rounds, 2).await?;
    let asked = asked(&setup, &rounds, 1).await?;
    let line = json!({
        "row": "online", "planned": dense, "planned_epochs": sparse, "asked": asked, "asked_ahead": ahead,
    });
    println!("{line}");
    Ok(())
}

/// What is told of a stream.
fn measured(running: &Running) -> Value {
    let stats = running.feed.stats();
    json!({
        "patches": stats.patches, "patches_per_second": running.rate().round(),
        "tiles_per_patch": stats.tiles as f64 / stats.patches as f64,
    })
}

/// Random places, the same each time.
async fn rounds(setup: &Setup) -> Result<Vec<Vec<PatchSpec>>> {
    let slide = Slide::open(&Stores::from_env(), &SlideUrl::parse(&setup.url)?, &Limits::default()).await?;
    let mut state = 7_u64;
    let mut below = |end: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i32::try_from((state >> 33) % u64::from(end - SIZE))
    };
    let mut spec = || -> Result<PatchSpec> {
        let coordinate = Coordinate { x: below(slide.info().width)?, y: below(slide.info().height)? };
        Ok(PatchSpec { url: setup.url.clone(), coordinate })
    };
    (0..ROUNDS).map(|_| (0..setup.patches / ROUNDS).map(|_| spec()).collect()).collect()
}

async fn planned(setup: &Setup) -> Result<Value> {
    let mut running = setup.start(Mode::Stream { selection: None, resume: None }).await?;
    while running.next().await?.is_some() {}
    let measured = measured(&running);
    running.head.drain().await;
    Ok(measured)
}

/// Reads all rounds, of which so many are asked for and not read to their end at any time.
async fn asked(setup: &Setup, rounds: &[Vec<PatchSpec>], open: usize) -> Result<Value> {
    let mut running = setup.start(Mode::Ask).await?;
    let mut waiting = rounds.iter();
    for round in waiting.by_ref().take(open) {
        running.feed.ask(round).await?;
    }
    for (number, round) in (0..).zip(rounds) {
        read(&mut running, number, round).await?;
        match waiting.next() {
            Some(next) => running.feed.ask(next).await?,
            None if number + 1 == ROUNDS => running.feed.close().await?,
            None => {}
        }
    }
    let measured = measured(&running);
    ensure!(running.next().await?.is_none(), "more came than was asked for");
    running.head.drain().await;
    Ok(measured)
}

/// One round, in its order.
async fn read(running: &mut Running, number: u64, round: &[PatchSpec]) -> Result<()> {
    let mut asked = (0..).zip(round).peekable();
    while asked.peek().is_some() {
        let batch = running.next().await?.context("the stream ended before the round")?;
        ensure!(batch.epoch == number, "a batch of round {} came in round {number}", batch.epoch);
        for patch in batch.patches() {
            let (place, spec) = asked.next().context("a round is longer than what was asked for")?;
            ensure!(
                patch.coordinate == spec.coordinate && patch.number == place,
                "round {number} asked for {:?} at {place}, {:?} came as {}",
                spec.coordinate,
                patch.coordinate,
                patch.number
            );
        }
    }
    Ok(())
}
