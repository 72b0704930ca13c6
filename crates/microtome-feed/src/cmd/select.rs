//! `microtome select FILE`: which slides and patches a job would read, without reading them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use microtome_plan::selection::Selection;
use microtome_slide::Stores;
use serde::Serialize;

use super::format::{count, thousands};
use super::local::{Local, LocalArgs};
use super::summary::{LeftOut, left_out, quarantine_lines};
use crate::digest::hex;
use crate::file;
use crate::head::{Mode, Snapshot};
use crate::job::Job;
use crate::overview;
use crate::selection_file;

/// Arguments of `microtome select`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    local: LocalArgs,
    /// `table` or `json`: how to print what was selected. A name that ends in `.parquet`: the selection is written there.
    #[arg(short, long, value_name = "table|json|FILE.parquet", default_value = "table", value_parser = Target::parse)]
    output: Target,
    /// Writes a picture of each slide with its patches drawn into this directory.
    #[arg(long, value_name = "DIRECTORY")]
    overview: Option<PathBuf>,
}

/// Where the outcome goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Table,
    Json,
    File(PathBuf),
}

impl Target {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            file if Path::new(file).extension().is_some_and(|ending| ending == "parquet") => {
                Ok(Self::File(file.into()))
            }
            _ => Err("give table, json, or a name that ends in .parquet".to_owned()),
        }
    }
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
    let job = Job::read(&args.local.file)?;
    let mut local = args.local.start((&job, Stores::from_env()), Mode::Select { selection: None }).await?;
    let selection = local.feed.selection().await?;
    local.keep_selection().await?;
    local.head.drain().await;
    if let Some(directory) = &args.overview {
        draw(&local, &selection, directory).await?;
    }
    let selected = selected(&local.head.stats(), &selection);
    match &args.output {
        Target::Json => println!("{}", serde_json::to_string_pretty(&selected)?),
        Target::Table => print!("{}{}", quarantine_lines(&selection.quarantined), line(&selected)),
        Target::File(path) => {
            let bytes = selection_file::write(&selection).context("the selection cannot be encoded")?;
            file::replace(path, &bytes).with_context(|| format!("{}: cannot be written", path.display()))?;
            print!("{}{}", quarantine_lines(&selection.quarantined), line(&selected));
            eprintln!("wrote {}", path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn draw(local: &Local, selection: &Selection, directory: &Path) -> Result<()> {
    let pictures = overview::draw(&local.source.recipe, selection, &local.stores, directory).await?;
    eprintln!("wrote {} to {}", count(pictures, "picture"), directory.display());
    Ok(())
}

fn selected(stats: &Snapshot, selection: &Selection) -> Selected {
    Selected {
        slides_ok: selection.slides.len() as u64,
        slides_quarantined: selection.quarantined.len() as u64,
        quarantined: left_out(&selection.quarantined),
        patches: selection.patches(),
        batches: stats.steps,
        requests: stats.requests,
        bytes_fetched: stats.bytes,
        selection_digest: hex(&selection.digest()),
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
