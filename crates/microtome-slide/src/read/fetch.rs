//! The bytes of a plan's tiles.

use std::{collections::HashMap, ops::Range};

use bytes::Bytes;

use super::{
    decode,
    laid::{PlannedTile, TileBytes},
    plan::ReadPlan,
    request::Patches,
};
use crate::{Fault, Usage};

/// Fetched, still compressed: the bytes of a plan's tiles.
#[derive(Debug, Clone)]
pub struct Fetched {
    tiles: HashMap<Range<u64>, Bytes>,
    usage: Usage,
}

impl Fetched {
    /// The bytes of tiles by where they lie in the blob, and what getting them cost.
    pub(crate) fn new(tiles: HashMap<Range<u64>, Bytes>, usage: Usage) -> Self {
        Self { tiles, usage }
    }

    /// Bytes of the tiles.
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
        decode::decode(plan, self)
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
