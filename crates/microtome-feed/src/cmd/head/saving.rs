//! The program's checkpoints, on their way to storage.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use microtome_slide::{SlideUrl, Stores};
use tokio::time::{Instant, sleep_until};

use super::super::interrupt::Interrupt;
use super::program::Ended;
use crate::checkpoints::saver::Saver;

/// How long a head holds its GPU for what its program has left, in seconds: a checkpoint of 10 GB at 100 MB/s.
pub(super) const PATIENCE_SECONDS: u64 = 120;

/// At most this when it was told to end: a pod has 30 s after that, of which its program takes some.
const HURRY: Duration = Duration::from_secs(20);

/// Exit codes that stand for signals, as shells tell them.
const SIGNALLED: RangeInclusive<i32> = 129..=192;

/// Names in the log's last line.
const NAMED: usize = 10;

/// Begins to store what the program leaves in `directory`.
pub(super) fn start(stores: &Stores, directory: &Path, url: &str) -> Result<Saver> {
    let folder = SlideUrl::parse_prefix(url).context("--checkpoints-url")?;
    Ok(Saver::start(stores.clone(), directory, folder)?)
}

/// Stores what is left, or as much of it as `patience` allows. Returns names of what is not stored.
pub(super) async fn finish(saver: Saver, ended: &Ended, patience: Duration) -> Result<Vec<String>> {
    let mut interrupt = Interrupt::watch()?;
    let begun = Instant::now();
    let patience = if ended.told { patience.min(HURRY) } else { patience };
    tracing::info!(at_most_s = patience.as_secs(), "the last checkpoints are stored");
    let patience = async {
        tokio::select! {
            () = sleep_until(begun + patience) => return,
            _ = interrupt.told() => {}
        }
        sleep_until((begun + patience).min(Instant::now() + HURRY)).await;
    };
    Ok(saver.finish(SIGNALLED.contains(&ended.exit_code), patience).await)
}

/// The head's last word.
pub(super) fn tell(unsaved: &[String]) {
    if !unsaved.is_empty() {
        let names = unsaved.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        tracing::error!(files = unsaved.len(), names, "checkpoints were not stored");
    }
}
