//! How long a program waits that takes batches at a given pace: `pace SLIDE PATCHES WORKERS [RATE]`. Run by `make bench`.
//!
//! With a rate, a batch is taken, and the next one is asked for after the time that a step takes at that rate (in patches a
//! second), so that waiting adds to the step and is not made up for. Without one, batches are taken as they come. All numbers
//! are from the first batch on. Prints one JSON object: `waiting_share` is the part of the time spent in `next`, `waited_for`
//! to what the stall ledger owes it, `work` what the leases took.

#![allow(unreachable_pub, dead_code, reason = "what examples share is a module of each")]

mod common;

use std::time::Duration;

use anyhow::{Result, bail};
use common::{BATCH, Setup};
use microtome_feed::head::{Ledger, Mode};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, patches, workers, rate @ ..] = arguments.as_slice() else {
        bail!("usage: pace SLIDE PATCHES WORKERS [RATE]");
    };
    let setup = Setup { url: url.clone(), patches: patches.parse()?, epochs: 1, workers: workers.parse()? };
    let rate: Option<f64> = rate.first().map(|rate| rate.parse()).transpose()?;
    let step = rate.map(|rate| Duration::from_secs_f64(BATCH as f64 / rate));
    let mut running = setup.start(Mode::Stream { selection: None, resume: None }).await?;
    let mut steps = 1;
    while running.next().await?.is_some() {
        if let Some(step) = step {
            // Without what was waited the next step would make up for it; with it, only for a timer that rings late.
            let due = running.first_at() + running.feed.stats().waiting.total() + step * steps;
            steps += 1;
            tokio::time::sleep_until(due.into()).await;
        }
    }
    let (stats, elapsed) = (running.feed.stats(), running.elapsed());
    let line = json!({
        "row": "pace", "patches": stats.patches, "demand": rate,
        "patches_per_second": running.rate(), "seconds": elapsed.as_secs_f64(),
        "first_batch_seconds": running.first_batch().as_secs_f64(),
        "waiting_share": stats.waiting.total().as_secs_f64() / elapsed.as_secs_f64(),
        "waited_for": percent(&stats.waiting), "work": percent(&stats.leases),
        "requests": stats.requests, "bytes": stats.bytes,
    });
    println!("{line}");
    running.head.drain().await;
    Ok(())
}

fn percent(ledger: &Ledger) -> Value {
    let [storage, decode, queue, network, copy] = ledger.shares().map(f64::round);
    json!({"storage": storage, "decode": decode, "queue": queue, "network": network, "copy": copy})
}
