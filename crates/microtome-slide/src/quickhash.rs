//! OpenSlide's `quickhash-1`: tells a slide whatever its name. It costs all tiles of the smallest level.
//!
//! SHA-256 over the encoded tiles of the smallest level in their order, then over name and value, each ended by a zero, of
//! the texts of directory 0, empty if it has none. Fact: a level of more than 5 MiB has no such hash.

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::{Error, Slide, range::merge};

/// Beyond this OpenSlide gives no hash.
const LARGEST_LEVEL_BYTES: u64 = 5 << 20;

/// The texts, in the order in which they are hashed.
const TEXTS: [&str; 9] = [
    "ImageDescription",
    "Make",
    "Model",
    "Software",
    "DateTime",
    "Artist",
    "HostComputer",
    "Copyright",
    "DocumentName",
];

pub(crate) async fn compute(slide: &Slide) -> Result<Option<String>, Error> {
    let smallest = slide.info().levels.len().saturating_sub(1) as u32;
    let Some(level) = slide.level(smallest) else { return Ok(None) };
    let located =
        |tile| level.locate(tile, slide.size(), slide.limits()).map_err(|fault| Error::slide(slide.url(), fault));
    let mut tiles: Vec<Range<u64>> = Vec::new();
    let mut bytes = 0;
    for tile in 0..level.tiles() {
        if let Some(range) = located(tile)? {
            bytes += range.end - range.start;
            tiles.push(range);
        }
        if bytes > LARGEST_LEVEL_BYTES {
            return Ok(None);
        }
    }
    let merged = merge(&tiles, crate::GAP_SCAN_BYTES, LARGEST_LEVEL_BYTES);
    let bodies = slide.fetch_ranges(&merged.ranges).await?;
    let mut hash = Sha256::new();
    for (tile, covered_by) in tiles.iter().zip(merged.covered_by) {
        let start = merged.ranges[covered_by].start;
        hash.update(&bodies[covered_by][(tile.start - start) as usize..(tile.end - start) as usize]);
    }
    for name in TEXTS {
        let name = format!("tiff.{name}");
        let value = slide.info().properties.get(&name).map_or("", String::as_str);
        hash.update([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    Ok(Some(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}
