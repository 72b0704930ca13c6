//! `microtome run FILE`: the whole path in this process, read to its end, or to where it is told to stop.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use super::format::{count, thousands};
use super::interrupt::Interrupt;
use super::local::{Local, LocalArgs};
use super::progress::Progress;
use super::summary::Summary;
use super::{Output, summary};
use crate::digest::StreamDigest;
use crate::head::{Batch, Mode};
use crate::saved::Saved;
use crate::sink::contact_sheet::contact_sheet;
use anyhow::Result;

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
    /// Goes on from this file if it is there, and keeps the place in it, so that the same command goes on after a stop.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// After how many batches the checkpoint is written; it is at a stop and at the end, too.
    #[arg(long, value_name = "N", default_value_t = 100, requires = "checkpoint", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_every: u64,
    /// How to print the summary.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

/// What was read of the stream, by this process and those before it.
#[derive(Debug, Default)]
struct Read {
    patches: u64,
    batches: u64,
    digest: StreamDigest,
    sheet: Option<PathBuf>,
}

#[tokio::main]
pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    let began = Instant::now();
    let mut interrupt = Interrupt::watch()?;
    let saved = args.checkpoint.as_deref().map(Saved::read).transpose()?.flatten();
    let resume = saved.as_ref().map(|saved| saved.checkpoint.clone());
    let mut local = args.local.start(Mode::Stream { selection: None, resume }).await?;
    let mut read = saved.map_or_else(Read::default, Read::from);
    let before = read.patches;
    let mut progress = Progress::new();
    loop {
        let batch = tokio::select! {
            batch = local.feed.next() => batch?,
            code = interrupt.told() => {
                progress.finish(&local.head.stats());
                read.save(args, &local)?;
                eprintln!("microtome: {}", stopped(args, &local, &read));
                return Ok(ExitCode::from(code));
            }
        };
        let Some(batch) = batch else { break };
        if read.sheet.is_none() {
            local.keep_selection().await?;
            progress = Progress::new();
            introduce(args, &local);
        }
        read.take(&batch, &args.out)?;
        progress.show(&local.head.stats());
        if read.batches.is_multiple_of(args.checkpoint_every) {
            read.save(args, &local)?;
        }
    }
    progress.finish(&local.head.stats());
    read.save(args, &local)?;
    local.head.drain().await;
    if let (Some(path), true) = (&args.checkpoint, read.patches == before) {
        eprintln!("microtome: nothing was left to read: {}", ended(path, &read));
    }
    let summary = Summary::new(&local, &read.digest.hex(), read.sheet, began.elapsed());
    match args.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&summary)?),
        Output::Table => print!("{}", summary::lines(&summary)),
    }
    Ok(ExitCode::SUCCESS)
}

impl Read {
    /// The next batch; the first one is shown.
    fn take(&mut self, batch: &Batch, out: &Path) -> Result<()> {
        if self.sheet.is_none() {
            let path = out.join(CONTACT_SHEET);
            contact_sheet(batch).write(&path)?;
            self.sheet = Some(path);
        }
        self.digest.update(batch);
        self.patches += batch.patches().len() as u64;
        self.batches += 1;
        Ok(())
    }

    /// Keeps the place, where that was asked for and there is one.
    fn save(&self, args: &Args, local: &Local) -> Result<()> {
        if let (Some(path), Some(checkpoint)) = (&args.checkpoint, local.feed.checkpoint()) {
            Saved::new(checkpoint.clone(), (self.patches, self.batches), self.digest.clone()).write(path)?;
        }
        Ok(())
    }
}

impl From<Saved> for Read {
    fn from(saved: Saved) -> Self {
        Self { patches: saved.patches, batches: saved.batches, digest: saved.digest, sheet: None }
    }
}

/// What somebody who stopped a run wants to know.
fn stopped(args: &Args, local: &Local, read: &Read) -> String {
    let of = match local.head.stats().patches_total {
        0 => String::new(),
        total => format!(" of {}", thousands(total)),
    };
    let done = format!("stopped after {}{of}", count(read.patches, "patch"));
    match &args.checkpoint {
        Some(path) if read.batches > 0 => format!("{done}; the same command goes on from {}", path.display()),
        Some(_) => done,
        None => format!("{done}; with --checkpoint FILE the next run would go on from here"),
    }
}

fn ended(path: &Path, read: &Read) -> String {
    let path = path.display();
    format!("{path} is at the stream's end, after {}; remove it to begin anew", count(read.patches, "patch"))
}

/// What was selected, as soon as it is known; the progress goes on below.
fn introduce(args: &Args, local: &Local) {
    if args.output == Output::Table {
        print!("{}", summary::introduction(local, &local.head.stats(), args.local.memory));
    }
}
