//! A job without a program: its stream is stored.

use std::pin::Pin;

use anyhow::{Context, Result};

use super::super::interrupt::Interrupt;
use super::super::store::Store;
use super::program::Ended;
use crate::error::FeedError;
use crate::handoff::HandedOff;
use crate::head::Feed;

/// The exit code of what was told to end.
const TERMINATED: u8 = 143;

/// Stores the streams, one after another, to their ends, or to where it is told to stop or one fails, by a signal or because
/// `until` is there. The digest is the first one's.
pub(super) async fn store(
    streams: impl Iterator<Item = (Feed, Store)>,
    until: impl Future<Output = ()>,
) -> Result<Ended> {
    let mut interrupt = Interrupt::watch()?;
    let told = async {
        tokio::select! {
            code = interrupt.told() => code,
            () = until => TERMINATED,
        }
    };
    tokio::pin!(told);
    let mut first = None;
    for (feed, store) in streams {
        let ended = store_one((feed, store), told.as_mut()).await?;
        if ended.exit_code != 0 || ended.told {
            return Ok(ended);
        }
        first.get_or_insert(ended);
    }
    first.context("a job has a dataset")
}

async fn store_one(
    (mut feed, mut store): (Feed, Store),
    mut told: Pin<&mut impl Future<Output = u8>>,
) -> Result<Ended> {
    let (_, _, mut digest) = store.place();
    loop {
        let batch = tokio::select! {
            batch = feed.next() => batch,
            code = told.as_mut() => {
                store.abort().await?;
                tracing::info!(stored = store.line(), "told to stop");
                return Ok(ended(code.into(), HandedOff::Partly, true));
            }
        };
        match batch {
            Ok(Some(batch)) => {
                digest.update(&batch);
                store.add(&batch, &digest).await?;
            }
            Ok(None) => break,
            Err(error) => return failed(store, error).await,
        }
    }
    let before = store.is_finished();
    store.finish().await?;
    tracing::info!(stored = store.line(), nothing_was_left = before, "stream stored");
    Ok(ended(0, HandedOff::Whole { digest: digest.hex() }, false))
}

async fn failed(mut store: Store, error: FeedError) -> Result<Ended> {
    store.abort().await?;
    if matches!(error, FeedError::Checkpoint(_)) {
        return Err(store.explain(error));
    }
    Ok(ended(1, HandedOff::Failed(error), false))
}

fn ended(exit_code: i32, stream: HandedOff, told: bool) -> Ended {
    Ended { exit_code, handed: Some(stream), told, unsaved: Vec::new() }
}
