//! Decoding of one tile after the other, each once.
//!
//! The pieces of a tile are decoded straight into their patches, and what a scan will need again into the cache, in one go.
//! Where patches lie over each other so closely that copies are cheaper, they share the pixels of one decoding.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{
    fetch::Fetched,
    laid::{Laid, Placement, PlannedTile},
    tile_cache::{Kept, SlideTiles},
};
use crate::{
    Fault,
    codec::{CodecError, EncodedTile, Region, Rows, Scratch, Target, TileCodec, TileRest},
    formats::Level,
};

/// What the decoding of laid patches works with.
pub(super) struct Decoder<'a> {
    laid: &'a Laid,
    fetched: &'a Fetched,
    buffers: Buffers,
    /// Where tiles are kept.
    cache: Option<&'a SlideTiles>,
    decoded: u64,
}

/// What a thread keeps from plan to plan: new buffers for each would cost page faults, some tenth of the decoding.
#[derive(Default)]
struct Buffers {
    scratch: Scratch,
    /// Pixels of a tile that several patches share.
    shared: Vec<u8>,
}

/// Largest buffers kept: some tiles of 512 pixels.
const KEPT_BYTES: usize = 4 << 20;

thread_local! {
    static BUFFERS: Cell<Buffers> = Cell::default();
}

impl<'a> Decoder<'a> {
    /// Keeps tiles that will be needed again if the patches are part of a scan.
    pub(super) fn new(laid: &'a Laid, fetched: &'a Fetched, scan: bool) -> Self {
        let cache = laid.slide().tiles().filter(|_| scan);
        Self { laid, fetched, buffers: BUFFERS.take(), cache, decoded: 0 }
    }

    /// How many tiles were decoded.
    pub(super) fn finish(self) -> u64 {
        if self.buffers.scratch.bytes() + self.buffers.shared.capacity() <= KEPT_BYTES {
            BUFFERS.set(self.buffers);
        }
        self.decoded
    }

    /// Puts the pieces of one tile into their patches.
    pub(super) fn place(&mut self, tile: &PlannedTile, pixels: &mut [u8]) -> Result<(), Fault> {
        let placements = self.laid.placements(tile);
        let Some(region) = self.laid.region(tile) else { return Ok(()) };
        match self.fetched.decoded(self.laid.name(tile)) {
            Some(Kept::Pixels { region, pixels: held }) => {
                self.scatter((held, *region), placements, pixels);
                return Ok(());
            }
            Some(Kept::Rest(rest)) => return self.go_on(tile, region, rest, pixels),
            Some(Kept::Nothing) | None => {}
        }
        let Some(bytes) = self.fetched.tile(tile)? else { return Ok(()) };
        if let Some(kept) = self.kept(tile, region)
            && self.place_kept((tile, bytes), region, kept, pixels)?
        {
            return Ok(());
        }
        // Copying a pixel takes half the time of making it of decoded samples.
        if self.placed(tile) > 2 * area(region) {
            return self.place_shared((tile, bytes), region, pixels);
        }
        self.decode(tile, bytes, &mut targets(self.laid, placements, pixels))
    }

    /// The part of a tile that others will need, of which the patches need `region`: scans go from top to bottom, so that
    /// whole rows are done with once they are placed. Where patches overlap, all may be needed again.
    fn kept(&self, tile: &PlannedTile, region: Region) -> Option<Region> {
        self.cache?;
        let shown = self.laid.level().shown(tile.number);
        if !self.is_done_by(tile, region, shown) {
            return Some(shown);
        }
        let rest = Region { y: region.bottom(), height: shown.height - region.bottom(), ..shown };
        Some(rest).filter(|rest| rest.height > 0)
    }

    /// Whether a scan is done with the rows of a tile's region once they are placed: whole ones, and in no two patches.
    fn is_done_by(&self, tile: &PlannedTile, region: Region, shown: Region) -> bool {
        self.placed(tile) == area(region) && region.width == shown.width
    }

    /// Pixels of all pieces of a tile together.
    fn placed(&self, tile: &PlannedTile) -> u64 {
        self.laid.placements(tile).iter().map(|placement| area(placement.region)).sum()
    }

    /// Decodes a tile, places it, and keeps a part of it; or places what another thread has kept. False if it cannot
    /// be kept, or if what was kept is not what is needed.
    fn place_kept(
        &mut self,
        (tile, bytes): (&PlannedTile, &[u8]),
        region: Region,
        kept: Region,
        pixels: &mut [u8],
    ) -> Result<bool, Fault> {
        let Some(cache) = self.cache else { return Ok(false) };
        let name = self.laid.name(tile);
        let size = kept.width as usize * self.laid.format().bytes() * kept.height as usize;
        let Some(cell) = cache.claim(name, size as u64) else { return Ok(false) };
        let mut placed = false;
        let held = cell.get_or_init(|| {
            // Where all is kept, the pieces are copied out of it.
            placed = !kept.holds(region);
            let mut pieces = targets(self.laid, if placed { self.laid.placements(tile) } else { &[] }, pixels);
            if placed && let Some(rest) = self.decode_rows(tile, (bytes, None), &mut pieces)? {
                let kept = rest.map_or(Kept::Nothing, Kept::Rest);
                cache.settle(name, &kept);
                return Ok(Arc::new(kept));
            }
            let mut buffer = cache.buffer(size);
            let stride = size / kept.height as usize;
            pieces.push(Target { region: kept, pixels: &mut buffer, stride, format: self.laid.format() });
            self.decode(tile, bytes, &mut pieces)?;
            Ok(Arc::new(Kept::Pixels { region: kept, pixels: buffer }))
        });
        match &**held.as_ref().map_err(Fault::clone)? {
            _ if placed => {}
            Kept::Pixels { region: held, pixels: source } if held.holds(region) => {
                self.scatter((source, *held), self.laid.placements(tile), pixels);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Decodes what patches need of the rest of a tile, and keeps what is left then.
    fn go_on(&mut self, tile: &PlannedTile, region: Region, rest: &TileRest, pixels: &mut [u8]) -> Result<(), Fault> {
        let (name, placements) = (self.laid.name(tile), self.laid.placements(tile));
        let shown = self.laid.level().shown(tile.number);
        if let Some(cache) = self.cache
            && !self.is_done_by(tile, region, shown)
        {
            // The next lease needs what is beside it.
            let kept = Region { y: rest.y(), height: shown.bottom() - rest.y(), ..shown };
            let (stride, format) = (kept.width as usize * self.laid.format().bytes(), self.laid.format());
            let mut buffer = cache.buffer(stride * kept.height as usize);
            let target = Target { region: kept, pixels: &mut buffer, stride, format };
            self.decode_rows(tile, (&[], Some(rest)), &mut [target])?;
            self.scatter((&buffer, kept), placements, pixels);
            cache.keep(name, Arc::new(Kept::Pixels { region: kept, pixels: buffer }));
            return Ok(());
        }
        let left = self.decode_rows(tile, (&[], Some(rest)), &mut targets(self.laid, placements, pixels))?;
        match (left.flatten(), self.cache) {
            (Some(rest), Some(cache)) => cache.keep(name, Arc::new(Kept::Rest(rest))),
            // A scan is done with it, and the next tile gets memory that is warm.
            (None, Some(cache)) => cache.drop(name),
            (_, None) => {}
        }
        Ok(())
    }

    /// Decodes pieces of a tile down to the lowest, and returns what is left, if anything is; nothing of that if the codec
    /// decodes whole tiles.
    fn decode_rows(
        &mut self,
        tile: &PlannedTile,
        (bytes, above): (&[u8], Option<&TileRest>),
        targets: &mut [Target<'_>],
    ) -> Result<Option<Option<TileRest>>, Fault> {
        let rows = self.run(tile, bytes, |codec, encoded, _| codec.decode_rows(encoded, targets, above))?;
        let Rows::Read(rest) = rows else { return Ok(None) };
        self.decoded += u64::from(above.is_none());
        Ok(Some(rest))
    }

    /// Decodes the part of a tile that patches share, and copies it.
    fn place_shared(
        &mut self,
        (tile, bytes): (&PlannedTile, &[u8]),
        region: Region,
        pixels: &mut [u8],
    ) -> Result<(), Fault> {
        let format = self.laid.format();
        let stride = region.width as usize * format.bytes();
        let mut shared = std::mem::take(&mut self.buffers.shared);
        shared.resize(stride * region.height as usize, 0);
        let outcome = self.decode(tile, bytes, &mut [Target { region, pixels: &mut shared, stride, format }]);
        if outcome.is_ok() {
            self.scatter((&shared, region), self.laid.placements(tile), pixels);
        }
        self.buffers.shared = shared;
        outcome
    }

    /// Copies the pieces of a tile out of a region of it that holds them all.
    fn scatter(&self, (source, region): (&[u8], Region), placements: &[Placement], pixels: &mut [u8]) {
        let bytes = self.laid.format().bytes();
        let stride = region.width as usize * bytes;
        for (placement, mut target) in placements.iter().zip(targets(self.laid, placements, pixels)) {
            let (left, top) = (placement.region.x - region.x, placement.region.y - region.y);
            let (left, length) = (left as usize * bytes, placement.region.width as usize * bytes);
            let rows = source.chunks_exact(stride).skip(top as usize);
            for (to, from) in target.rows().zip(rows) {
                to.copy_from_slice(&from[left..left + length]);
            }
        }
    }

    fn decode(&mut self, tile: &PlannedTile, bytes: &[u8], targets: &mut [Target<'_>]) -> Result<(), Fault> {
        self.decoded += 1;
        self.run(tile, bytes, |codec, encoded, scratch| codec.decode(encoded, targets, scratch))
    }

    /// Runs the level's codec on a tile; its faults say where the tile lies.
    fn run<T>(
        &mut self,
        tile: &PlannedTile,
        bytes: &[u8],
        decode: impl FnOnce(&dyn TileCodec, EncodedTile<'_>, &mut Scratch) -> Result<T, CodecError>,
    ) -> Result<T, Fault> {
        let level = self.laid.level();
        let Level { codec, tables, directory, .. } = level;
        let scans = self.laid.slide().limits().scans;
        let encoded = EncodedTile { bytes, tables, layout: level.layout_of(tile.number), scans };
        let scratch = &mut self.buffers.scratch;
        // Decoders are other people's code and their input is hostile: a panic in one is a fault of this tile. The scratch
        // and the targets may be half written; all are overwritten or discarded.
        let outcome = catch_unwind(AssertUnwindSafe(|| decode(*codec, encoded, scratch)));
        let fault = match outcome {
            Ok(Ok(decoded)) => return Ok(decoded),
            Ok(Err(error)) => Fault::from(error),
            Err(_) => Fault::malformed("decoder gave up on the tile"),
        };
        let fault = fault.in_directory(*directory).in_tile(tile.number);
        Err(tile.bytes().map_or(fault.clone(), |bytes| fault.at(bytes.start)))
    }
}

fn area(region: Region) -> u64 {
    u64::from(region.width) * u64::from(region.height)
}

/// The parts of their patches that a tile's pieces fill. A patch has at most one piece of a tile, and they ascend by patch.
pub(super) fn targets<'a>(laid: &Laid, placements: &[Placement], pixels: &'a mut [u8]) -> Vec<Target<'a>> {
    let (stride, format) = (laid.stride(), laid.format());
    let mut patches = pixels.chunks_exact_mut(laid.patch_bytes());
    let mut passed = 0;
    let target = |placement: &Placement| {
        let patch = patches.nth(placement.patch - passed)?;
        passed = placement.patch + 1;
        let start = placement.y as usize * stride + placement.x as usize * format.bytes();
        Some(Target { region: placement.region, pixels: &mut patch[start..], stride, format })
    };
    placements.iter().filter_map(target).collect()
}
