//! `microtome run FILE`: the whole path in this process, read to its end.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use super::local::{Local, LocalArgs};
use super::summary::Summary;
use super::{Output, summary};
use crate::digest::StreamDigest;
use crate::sink::contact_sheet::contact_sheet;

/// The first batch, as a picture.
const CONTACT_SHEET: &str = "contact-sheet.png";

/// Arguments of `microtome run`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    local: LocalArgs,
    /// The directory for the contact sheet; made if it is missing.
    #[arg(long, value_name = "DIRECTORY", default_value = "out")]
    out: PathBuf,
    /// How to print the summary.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[tokio::main]
pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    let began = Instant::now();
    let mut local = args.local.start()?;
    let mut digest = StreamDigest::default();
    let mut sheet = None;
    let bar = ProgressBar::no_length();
    while let Some(batch) = local.feed.next().await? {
        if sheet.is_none() {
            introduce(args, &local, &bar);
            let path = args.out.join(CONTACT_SHEET);
            contact_sheet(&batch).write(&path)?;
            sheet = Some(path);
        }
        digest.update(&batch);
        bar.inc(batch.patches().len() as u64);
    }
    bar.finish_and_clear();
    local.head.drain().await;
    let summary = Summary::new(&local, &digest.hex(), sheet, began.elapsed());
    match args.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&summary)?),
        Output::Table => print!("{}", summary::lines(&summary)),
    }
    Ok(ExitCode::SUCCESS)
}

/// What was selected, as soon as it is known; the bar goes on below.
fn introduce(args: &Args, local: &Local, bar: &ProgressBar) {
    let stats = local.head.stats();
    bar.set_length(stats.patches_total);
    let template = "[{bar:30}] {human_pos}/{human_len}  {per_sec}  {eta} left";
    bar.set_style(ProgressStyle::with_template(template).expect("a constant").progress_chars("=> "));
    if args.output == Output::Table {
        print!("{}", summary::introduction(local, &stats, args.local.memory));
    }
}
