//! The levels of a slide in a form that can be stored, and back again; pure.
//!
//! Tiles mostly lie one behind the other, so what is stored of an offset is how far it is from the end of the tile before:
//! with that, a tile takes about 3 bytes. What comes back is as little trusted as a slide: it is checked against the same
//! limits, and has to fit together.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Associated, Found, Level, level::TileIndex};
use crate::{
    Limits, SlideInfo,
    codec::{self, Color, TileLayout},
};

/// All that is known of a slide once it is open.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredSlide {
    /// Bytes of the blob.
    pub(crate) size: u64,
    info: SlideInfo,
    levels: Vec<StoredLevel>,
    associated: Vec<StoredImage>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredLevel {
    directory: u32,
    width: u32,
    height: u32,
    downsample: f64,
    tile_width: u32,
    tile_height: u32,
    color: Color,
    predictor: u64,
    strips: bool,
    /// TIFF's number.
    compression: u64,
    finer: Option<u32>,
    tables: Vec<u8>,
    /// From the end of the tile before to the offset of each, as if numbers had no end.
    gaps: Vec<i64>,
    counts: Vec<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredImage {
    name: String,
    directory: u32,
    width: u32,
    height: u32,
    icc_bytes: Option<u64>,
}

/// Names that associated images have.
const NAMES: [&str; 3] = ["thumbnail", "label", "macro"];

impl StoredSlide {
    pub(crate) fn of(found: &Found, size: u64) -> Self {
        let image = |image: &Associated| StoredImage {
            name: image.name.to_owned(),
            directory: image.directory,
            width: image.width,
            height: image.height,
            icc_bytes: image.icc_bytes,
        };
        let levels = found.levels.iter().map(|level| StoredLevel::of(level)).collect();
        let associated = found.associated.iter().map(image).collect();
        Self { size, info: found.info.clone(), levels, associated }
    }

    /// What was stored, if it fits together and keeps within the limits.
    pub(crate) fn into_found(self, limits: &Limits) -> Option<Found> {
        let Self { info, levels, associated, .. } = self;
        if levels.is_empty() || levels.len() > limits.levels || levels.len() != info.levels.len() {
            return None;
        }
        let levels = levels.into_iter().zip(0..).map(|(level, number)| level.into_level(number, limits));
        let found = Found {
            info,
            levels: levels.map(|level| level.map(Into::into)).collect::<Option<_>>()?,
            associated: associated.into_iter().map(StoredImage::into_image).collect::<Option<_>>()?,
        };
        found.fits(limits).then_some(found)
    }
}

impl StoredLevel {
    fn of(level: &Level) -> Self {
        let TileIndex { offsets, counts } = &level.tiles;
        let mut end = 0u64;
        let gap = |(offset, count): (&u64, &u32)| {
            let gap = offset.wrapping_sub(end).cast_signed();
            end = offset.wrapping_add((*count).into());
            gap
        };
        Self {
            directory: level.directory,
            width: level.width,
            height: level.height,
            downsample: level.downsample,
            tile_width: level.layout.width,
            tile_height: level.layout.height,
            color: level.layout.color,
            predictor: level.layout.predictor,
            strips: level.strips,
            compression: level.compression_code,
            finer: level.finer,
            tables: level.tables.to_vec(),
            gaps: offsets.iter().zip(counts).map(gap).collect(),
            counts: counts.clone(),
        }
    }

    fn into_level(self, number: u32, limits: &Limits) -> Option<Level> {
        let Self { directory, width, height, downsample, tile_width, tile_height, color, predictor, .. } = self;
        let sizes = [width, height, tile_width, tile_height];
        let tiles_across = u64::from(width.div_ceil(tile_width.max(1)));
        let tiles = tiles_across.checked_mul(height.div_ceil(tile_height.max(1)).into())?;
        let layout = TileLayout { width: tile_width, height: tile_height, color, predictor };
        let row = codec::find(self.compression).ok()?;
        let sound = sizes.iter().all(|size| *size > 0)
            && downsample.is_finite()
            && downsample > 0.0
            && [self.gaps.len(), self.counts.len()].iter().all(|count| *count as u64 == tiles)
            && self.tables.len() as u64 <= limits.table_bytes
            && self.finer.is_none_or(|finer| finer < number)
            && row.codec.check(&layout).is_ok();
        let mut end = 0u64;
        let offset = |(gap, count): (i64, &u32)| {
            let offset = end.wrapping_add(gap.cast_unsigned());
            end = offset.wrapping_add((*count).into());
            offset
        };
        let offsets = self.gaps.into_iter().zip(&self.counts).map(offset).collect();
        sound.then(|| Level {
            directory,
            width,
            height,
            downsample,
            layout,
            strips: self.strips,
            tiles_across,
            codec: row.codec,
            compression: row.name,
            compression_code: self.compression,
            finer: self.finer,
            tables: Bytes::from(self.tables),
            tiles: TileIndex { offsets, counts: self.counts },
        })
    }
}

impl StoredImage {
    fn into_image(self) -> Option<Associated> {
        let Self { directory, width, height, icc_bytes, .. } = self;
        let name = NAMES.into_iter().find(|name| *name == self.name)?;
        Some(Associated { name, directory, width, height, icc_bytes })
    }
}
