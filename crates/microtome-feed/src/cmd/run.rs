//! `microtome run FILE`: the whole path in this process, read to its end, or to where it is told to stop. A job with an
//! output is stored, from where it was left on.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use super::format::{count, thousands};
use super::interrupt::Interrupt;
use super::local::{Local, LocalArgs};
use super::progress::Progress;
use super::store::Store;
use super::summary::Summary;
use super::{Output, summary};
use crate::digest::StreamDigest;
use crate::error::FeedError;
use crate::head::{Batch, Mode};
use crate::job::Job;
use crate::saved::Saved;
use crate::sink::contact_sheet::contact_sheet;
use anyhow::{Result, bail};
use microtome_plan::checkpoint::Checkpoint;
use microtome_slide::Stores;

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
    store: Option<Store>,
}

#[tokio::main]
pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    let began = Instant::now();
    let mut interrupt = Interrupt::watch()?;
    let job = Job::read(&args.local.file)?;
    let dataset = job.find(args.local.dataset.as_deref())?;
    let stores = Stores::from_env();
    let store = Store::open(&job, dataset, &stores).await?;
    if let (Some(_), Some(path)) = (&store, &args.checkpoint) {
        bail!("--checkpoint {}: the job has an output, which keeps its own place", path.display());
    }
    let saved = args.checkpoint.as_deref().map(Saved::read).transpose()?.flatten();
    let (resume, mut read) = Read::from(saved, store);
    let mut local = args.local.start((&job, stores), Mode::Stream { selection: None, resume }).await?;
    let before = read.patches;
    let mut progress = Progress::new();
    loop {
        let batch = tokio::select! {
            batch = local.feed.next() => batch.map_err(|error| read.explain(error))?,
            code = interrupt.told() => {
                progress.finish(&local.head.stats());
                read.stop(args, &local).await?;
                eprintln!("microtome: {}", stopped(args, &local, &read));
                return Ok(ExitCode::from(code));
            }
        };
        let Some(batch) = batch else { break };
        if read.sheet.is_none() {
            local.keep_selection().await?;
            progress = Progress::new();
            introduce(args, &local).await?;
        }
        read.take(&batch, &args.out).await?;
        progress.show(&local.head.stats());
        if read.batches.is_multiple_of(args.checkpoint_every) {
            read.save(args, &local)?;
        }
    }
    progress.finish(&local.head.stats());
    read.save(args, &local)?;
    local.head.drain().await;
    if read.patches == before {
        read.say_that_nothing_was_left(args);
    }
    if let Some(store) = &mut read.store {
        store.finish().await?;
    }
    let stored = read.store.as_ref().map(Store::stored);
    let summary = Summary::new(&local, (&read.digest.hex(), stored), read.sheet, began.elapsed());
    match args.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&summary)?),
        Output::Table => print!("{}", summary::lines(&summary)),
    }
    if let (Some(store), Output::Table) = (&read.store, args.output) {
        println!("stored {}", store.line());
    }
    Ok(ExitCode::SUCCESS)
}

impl Read {
    /// What was read before, by the checkpoint's file or the output, and where the stream goes on.
    fn from(saved: Option<Saved>, store: Option<Store>) -> (Option<Checkpoint>, Self) {
        if let Some(store) = store {
            let (checkpoint, patches, digest) = store.place();
            return (checkpoint, Self { patches, digest, store: Some(store), ..Self::default() });
        }
        let Some(saved) = saved else { return (None, Self::default()) };
        let read = Self { patches: saved.patches, batches: saved.batches, digest: saved.digest, ..Self::default() };
        (Some(saved.checkpoint), read)
    }

    /// The next batch; the first one is shown.
    async fn take(&mut self, batch: &Batch, out: &Path) -> Result<()> {
        if self.sheet.is_none() {
            let path = out.join(CONTACT_SHEET);
            contact_sheet(batch).write(&path)?;
            self.sheet = Some(path);
        }
        self.digest.update(batch);
        self.patches += batch.patches().len() as u64;
        self.batches += 1;
        match &mut self.store {
            Some(store) => store.add(batch, &self.digest).await,
            None => Ok(()),
        }
    }

    /// Before the stream's end.
    async fn stop(&mut self, args: &Args, local: &Local) -> Result<()> {
        match &mut self.store {
            Some(store) => store.abort().await,
            None => self.save(args, local),
        }
    }

    fn explain(&self, error: FeedError) -> anyhow::Error {
        match &self.store {
            Some(store) => store.explain(error),
            None => error.into(),
        }
    }

    fn say_that_nothing_was_left(&self, args: &Args) {
        match (&self.store, &args.checkpoint) {
            (Some(store), _) if store.is_finished() => eprintln!("microtome: nothing was left to do: {}", store.line()),
            (None, Some(path)) => eprintln!("microtome: nothing was left to read: {}", ended(path, self)),
            _ => {}
        }
    }

    /// Keeps the place, where that was asked for and there is one.
    fn save(&self, args: &Args, local: &Local) -> Result<()> {
        if let (Some(path), Some(checkpoint)) = (&args.checkpoint, local.feed.checkpoint()) {
            Saved::new(checkpoint.clone(), (self.patches, self.batches), self.digest.clone()).write(path)?;
        }
        Ok(())
    }
}

/// What somebody who stopped a run wants to know.
fn stopped(args: &Args, local: &Local, read: &Read) -> String {
    let of = match local.head.stats().patches_total {
        0 => String::new(),
        total => format!(" of {}", thousands(total)),
    };
    let done = format!("stopped after {}{of}", count(read.patches, "patch"));
    if let Some(store) = &read.store {
        return format!("{done}; the same command goes on after {}", store.line());
    }
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
async fn introduce(args: &Args, local: &Local) -> Result<()> {
    if args.output == Output::Table {
        let info = local.only_slide().await?;
        print!("{}", summary::introduction(local, info, args.local.memory));
    }
    Ok(())
}
