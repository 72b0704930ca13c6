//! The bytes of a plan's tiles.

use std::{collections::HashMap, ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    decode,
    laid::{PlannedTile, TileBytes},
    plan::ReadPlan,
    request::Patches,
    tile_cache::{Held, Kept, TileName},
};
use crate::{Fault, Usage};

/// Fetched: the bytes of a plan's tiles, still compressed, and what a [`crate::TileCache`] held of the others.
#[derive(Debug, Clone)]
pub struct Fetched {
    tiles: HashMap<Range<u64>, Bytes>,
    decoded: Held,
    usage: Usage,
}

impl Fetched {
    /// The bytes of tiles by where they lie in the blob, those that need no decoding, and what getting them cost.
    pub(crate) fn new(tiles: HashMap<Range<u64>, Bytes>, decoded: Held, usage: Usage) -> Self {
        Self { tiles, decoded, usage }
    }

    /// Bytes of the tiles that are still compressed.
    pub fn bytes(&self) -> u64 {
        self.tiles.values().map(|tile| tile.len() as u64).sum()
    }

    /// Requests and bytes that this fetch has cost: less than the plan says where a cache held tiles, or where another
    /// fetch was under way for them.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Decodes each tile of `plan`, the plan that was fetched, once, and places its pieces. CPU only and synchronous: to
    /// be called on a decode thread, never on one that does IO.
    pub fn decode(&self, plan: &ReadPlan) -> Patches {
        self.decode_into(plan, Vec::new())
    }

    /// As [`Fetched::decode`], in memory that was used before, such as the pixels of earlier patches: fresh memory costs a
    /// fault for every page, and being filled with background before the tiles cover it.
    pub fn decode_into(&self, plan: &ReadPlan, pixels: Vec<u8>) -> Patches {
        decode::decode(plan, self, pixels)
    }

    /// What was kept of a tile that was decoded before.
    pub(super) fn decoded(&self, tile: TileName) -> Option<&Kept> {
        self.decoded.get(&tile).map(Arc::as_ref)
    }

    /// The encoded bytes of a tile; `None` if the file leaves it out.
    pub(super) fn tile(&self, tile: &PlannedTile) -> Result<Option<&[u8]>, Fault> {
        match &tile.bytes {
            TileBytes::Missing => Ok(None),
            TileBytes::Bad(fault) => Err(fault.clone()),
            TileBytes::At(bytes) => {
                let absent = || Fault::truncated("tile was not fetched with this plan");
                let found = self.tiles.get(bytes).map(|tile| Some(tile.as_ref()));
                found.ok_or_else(|| absent().in_tile(tile.number).at(bytes.start))
            }
        }
    }
}
