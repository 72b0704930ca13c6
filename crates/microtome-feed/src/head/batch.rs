//! Batches as the program gets them.

use bytes::Bytes;
use microtome_plan::checkpoint::Checkpoint;
use microtome_plan::select::Coordinate;
use tokio::sync::mpsc;

use super::event::Event;
use super::ledger::Ledger;

/// One patch.
#[derive(Clone, Debug)]
pub struct Patch {
    /// The slide's place in the dataset.
    pub slide: u32,
    /// Upper left corner in level-0 pixels.
    pub coordinate: Coordinate,
    /// RGB, one byte each, row by row.
    pub pixels: Bytes,
    /// CRC-32 of `pixels`.
    pub crc32: u32,
}

/// Consecutive patches of the stream. Dropping it makes room for others.
#[derive(Debug)]
pub struct Batch {
    /// The epoch; counts from 0.
    pub epoch: u64,
    /// The batch of the epoch; counts from 0.
    pub step: u64,
    /// Batches an epoch.
    pub steps: u64,
    /// Width and height of a patch in pixels.
    pub size: u32,
    /// Where the stream goes on after this batch.
    pub checkpoint: Checkpoint,
    pub(super) patches: Vec<Patch>,
    /// The lease that made it complete.
    pub(super) last: Ledger,
    pub(super) events: mpsc::WeakSender<Event>,
}

impl Batch {
    /// The patches in their order.
    pub fn patches(&self) -> &[Patch] {
        &self.patches
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
