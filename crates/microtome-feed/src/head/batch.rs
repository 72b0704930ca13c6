//! Batches as the program gets them.

use std::sync::Arc;

use bytes::Bytes;
use microtome_plan::checkpoint::Checkpoint;
use microtome_plan::dataset::{SlideEntry, ViewRule};
use microtome_plan::select::Coordinate;
use tokio::sync::mpsc;

use super::event::Event;
use super::ledger::Ledger;
use crate::error::FeedError;

/// One patch.
#[derive(Clone, Debug)]
pub struct Patch {
    /// The slide's place in the dataset.
    pub slide: u32,
    /// The slide's URL and what is known of it.
    pub entry: Arc<SlideEntry>,
    /// Its number: counted over the whole selection, or in the round in which it was asked for.
    pub number: u64,
    /// The first view's upper left corner in level-0 pixels.
    pub coordinate: Coordinate,
    /// The views one after another: RGB, one byte each, row by row.
    pub pixels: Bytes,
    /// CRC-32 of `pixels`.
    pub crc32: u32,
}

/// Consecutive patches of the stream. Dropping it makes room for others.
#[derive(Debug)]
pub struct Batch {
    /// The epoch, or the round of asking; counts from 0.
    pub epoch: u64,
    /// The batch of the epoch; counts from 0.
    pub step: u64,
    /// Batches an epoch; 0 where patches are asked for at run time.
    pub steps: u64,
    /// What each patch shows.
    pub views: Arc<[ViewRule]>,
    /// Where the stream goes on after this batch; `None` where patches are asked for at run time.
    pub checkpoint: Option<Checkpoint>,
    pub(super) patches: Vec<Patch>,
    /// The lease that made it complete.
    pub(super) last: Ledger,
    pub(super) events: mpsc::WeakSender<Event>,
}

/// What comes next in a stream.
#[derive(Debug)]
pub(super) enum Next {
    Batch(Box<Batch>),
    /// The reading is at its end.
    End,
}

/// What goes from an actor to the program: of which reading it is, and what there is.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) reading: u64,
    pub(super) next: Result<Next, FeedError>,
}

impl Batch {
    /// The patches in their order.
    pub fn patches(&self) -> &[Patch] {
        &self.patches
    }

    /// The pixels of some of the patches, view after view.
    pub fn pixels(&self, rows: std::ops::Range<usize>) -> impl Iterator<Item = &[u8]> {
        let patches = self.patches.get(rows).unwrap_or_default();
        self.pictures().flat_map(move |(_, picture)| patches.iter().map(move |patch| &patch.pixels[picture.clone()]))
    }

    /// Each view, with where its picture lies in a patch's pixels.
    pub fn pictures(&self) -> impl Iterator<Item = (&ViewRule, std::ops::Range<usize>)> {
        self.views.iter().scan(0, |end, view| {
            let start = *end;
            *end += view.bytes() as usize;
            Some((view, start..*end))
        })
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let patches = self.patches.len();
        self.patches.clear();
        let Some(events) = self.events.upgrade() else { return };
        if let Err(mpsc::error::TrySendError::Full(event)) = events.try_send(Event::Released { patches }) {
            // The queue is full of parts: wait for a place beside, a drop cannot.
            if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                runtime.spawn(async move { events.send(event).await });
            }
        }
    }
}
