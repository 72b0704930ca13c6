//! The bytes of a plan.

use bytes::Bytes;

use super::{
    decode,
    plan::{PlannedTile, ReadPlan, TileBytes},
    request::Patches,
};
use crate::Fault;

/// Fetched, still compressed: the bodies of a plan's ranges.
#[derive(Debug, Clone)]
pub struct Fetched {
    bodies: Vec<Bytes>,
}

impl Fetched {
    /// The bodies of the plan's ranges, in their order.
    pub(crate) fn new(bodies: Vec<Bytes>) -> Self {
        Self { bodies }
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bodies.iter().map(|body| body.len() as u64).sum()
    }

    /// Decodes each tile of `plan`, the plan that was fetched, once, and places its pieces. CPU only and synchronous: to
    /// be called on a decode thread, never on one that does IO.
    pub fn decode(&self, plan: &ReadPlan) -> Patches {
        decode::decode(plan, self)
    }

    /// The encoded bytes of a tile of the plan that was fetched or of a part of it; `None` if the file leaves it out.
    pub(super) fn tile(&self, plan: &ReadPlan, tile: &PlannedTile) -> Result<Option<&[u8]>, Fault> {
        let (bytes, range) = match &tile.bytes {
            TileBytes::Missing => return Ok(None),
            TileBytes::Bad(fault) => return Err(fault.clone()),
            TileBytes::At { bytes, range } => (bytes, *range),
        };
        let absent = || Fault::truncated("tile was not fetched with this plan").in_tile(tile.number).at(bytes.start);
        let (fetched, body) = plan.ranges().get(range).zip(self.bodies.get(range)).ok_or_else(absent)?;
        let within = |offset: u64| usize::try_from(offset.checked_sub(fetched.start)?).ok();
        let slice = within(bytes.start).zip(within(bytes.end)).and_then(|(from, to)| body.get(from..to));
        slice.map(Some).ok_or_else(absent)
    }
}
