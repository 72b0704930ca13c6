//! `microtome select FILE`: which slides and how many patches a job would read, without reading them.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::Output;
use super::format::{count, thousands};
use super::local::LocalArgs;
use super::summary::{LeftOut, left_out, quarantine_lines};
use crate::digest::hex;
use crate::head::Snapshot;

/// Arguments of `microtome select`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    local: LocalArgs,
    /// How to print what was selected.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, Serialize)]
struct Selected {
    slides_ok: u64,
    slides_quarantined: u64,
    quarantined: Vec<LeftOut>,
    patches: u64,
    batches: u64,
    requests: u64,
    bytes_fetched: u64,
    selection_digest: String,
}

#[tokio::main]
pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    let mut local = args.local.start(None)?;
    // The first batch comes after the selection, and an error instead of it says why there is none.
    local.feed.next().await?;
    let stats = local.head.stats();
    let epochs = u64::from(local.job.recipe.epochs.get());
    match args.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&selected(&stats, epochs))?),
        Output::Table => print!("{}{}", quarantine_lines(&stats.quarantined), line(&selected(&stats, epochs))),
    }
    Ok(ExitCode::SUCCESS)
}

fn selected(stats: &Snapshot, epochs: u64) -> Selected {
    Selected {
        slides_ok: stats.slides,
        slides_quarantined: stats.quarantined.len() as u64,
        quarantined: left_out(&stats.quarantined),
        patches: stats.patches_total / epochs,
        batches: stats.steps,
        requests: stats.requests,
        bytes_fetched: stats.bytes,
        selection_digest: stats.selection_digest.map(|digest| hex(&digest)).unwrap_or_default(),
    }
}

fn line(selected: &Selected) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{} patches in {} an epoch on {} ({} quarantined) · selection digest {}",
        thousands(selected.patches),
        count(selected.batches, "batch"),
        count(selected.slides_ok, "slide"),
        selected.quarantined.len(),
        selected.selection_digest,
    );
    text
}
