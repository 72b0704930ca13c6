//! One pyramid level of a tiled TIFF: its grid, where each tile lies, and how tiles are coded. An image in strips is read
//! as a level whose tiles are as wide as it is.

use std::ops::Range;

use bytes::Bytes;

use crate::{
    Fault, Limits,
    codec::{self, Color, Region, TileCodec, TileLayout},
    tiff::{Directory, Tiff, tags},
};

/// A level, ready to be read.
#[derive(Debug)]
pub(crate) struct Level {
    /// Number of its TIFF directory.
    pub(crate) directory: u32,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Level-0 pixels per pixel.
    pub(crate) downsample: f64,
    pub(crate) layout: TileLayout,
    /// Whether the tiles are strips.
    pub(super) strips: bool,
    /// Tiles in a row.
    pub(crate) tiles_across: u64,
    pub(crate) codec: &'static dyn TileCodec,
    /// The codec's name.
    pub(crate) compression: &'static str,
    /// TIFF's number of the compression.
    pub(super) compression_code: u64,
    /// Number of the finer level that tiles which the file leaves out are made from; `None`: they are background.
    pub(crate) finer: Option<u32>,
    /// `JPEGTables`, or nothing.
    pub(crate) tables: Bytes,
    pub(super) tiles: TileIndex,
}

/// Where the tiles of a level lie: 12 bytes a tile.
#[derive(Debug)]
pub(super) struct TileIndex {
    pub(super) offsets: Vec<u64>,
    /// Counts beyond `u32` are kept as its maximum, which no limit allows.
    pub(super) counts: Vec<u32>,
}

impl Level {
    /// Reads the level of a tiled directory. `tiles_left` is what the slide may still index, and is reduced.
    pub(crate) fn read(tiff: &Tiff, directory: &Directory, tiles_left: &mut u64) -> Result<Self, Fault> {
        let tile = (positive(tiff, directory, tags::TILE_WIDTH)?, positive(tiff, directory, tags::TILE_LENGTH)?);
        Self::build(tiff, directory, (tile, [tags::TILE_OFFSETS, tags::TILE_BYTE_COUNTS]), tiles_left)
    }

    /// Reads an image in strips.
    pub(crate) fn read_strips(tiff: &Tiff, directory: &Directory) -> Result<Self, Fault> {
        let width = positive(tiff, directory, tags::IMAGE_WIDTH)?;
        let height = positive(tiff, directory, tags::IMAGE_LENGTH)?;
        let rows = tiff.uint(directory, tags::ROWS_PER_STRIP)?.map_or(height, |rows| rows.min(height.into()) as u32);
        let tags = [tags::STRIP_OFFSETS, tags::STRIP_BYTE_COUNTS];
        Self::build(tiff, directory, ((width, rows.max(1)), tags), &mut tiff.limits().tiles.clone())
    }

    fn build(
        tiff: &Tiff,
        directory: &Directory,
        ((tile_width, tile_height), index): ((u32, u32), [u16; 2]),
        tiles_left: &mut u64,
    ) -> Result<Self, Fault> {
        let place = |fault: Fault| fault.in_directory(directory.number).at(directory.offset);
        let size = |tag| positive(tiff, directory, tag);
        let (width, height) = (size(tags::IMAGE_WIDTH)?, size(tags::IMAGE_LENGTH)?);
        if u64::from(tile_width) * u64::from(tile_height) > tiff.limits().tile_pixels {
            return Err(place(Fault::limit(format!("tiles of {tile_width}x{tile_height} pixels"))));
        }
        let tiles_across = u64::from(width.div_ceil(tile_width));
        let tiles = tiles_across * u64::from(height.div_ceil(tile_height));
        *tiles_left = tiles_left.checked_sub(tiles).ok_or_else(|| place(Fault::limit(format!("{tiles} tiles"))))?;
        let compression = tiff.uint(directory, tags::COMPRESSION)?.unwrap_or(1);
        let row = codec::find(compression).map_err(place)?;
        let color = color(tiff, directory)?;
        let predictor = tiff.uint(directory, tags::PREDICTOR)?.unwrap_or(1);
        let layout = TileLayout { width: tile_width, height: tile_height, color, predictor };
        row.codec.check(&layout).map_err(|error| place(Fault::unsupported(error.to_string())))?;
        let tables = tiff.bytes(directory, tags::JPEG_TABLES, tiff.limits().table_bytes)?.unwrap_or_default();
        Ok(Self {
            directory: directory.number,
            width,
            height,
            downsample: 1.0,
            layout,
            strips: index[0] == tags::STRIP_OFFSETS,
            tiles_across,
            codec: row.codec,
            compression: row.name,
            compression_code: compression,
            finer: None,
            // A copy of its own: the slice would keep the whole window alive.
            tables: Bytes::copy_from_slice(&tables),
            tiles: TileIndex::read(tiff, directory, index, tiles)?,
        })
    }

    /// Number of tiles.
    pub(crate) fn tiles(&self) -> u64 {
        self.tiles.counts.len() as u64
    }

    /// Layout of one tile: the last strip has only the rows that are left.
    pub(crate) fn layout_of(&self, tile: u64) -> TileLayout {
        let left = u64::from(self.height).saturating_sub(tile.saturating_mul(self.layout.height.into()));
        let height = if self.strips { left.clamp(1, self.layout.height.into()) as u32 } else { self.layout.height };
        TileLayout { height, ..self.layout }
    }

    /// The part of a tile that lies in the level: tiles in the last column and row go beyond it.
    pub(crate) fn shown(&self, tile: u64) -> Region {
        let TileLayout { width, height, .. } = self.layout_of(tile);
        let left = |number: u64, tile: u32, all: u32| {
            let rest = u64::from(all).saturating_sub(number.saturating_mul(tile.into()));
            rest.min(tile.into()) as u32
        };
        let across = left(tile % self.tiles_across, width, self.width);
        let down = left(tile / self.tiles_across, self.layout.height, self.height).min(height);
        Region { x: 0, y: 0, width: across, height: down }
    }

    /// Numbers of the tiles that the file leaves out.
    pub(crate) fn left_out(&self) -> Vec<u64> {
        (0..).zip(&self.tiles.counts).filter(|(_, count)| **count == 0).map(|(tile, _)| tile).collect()
    }

    /// Leaves out the tiles that touch a part of the level, given as fractions of its width and height.
    pub(crate) fn leave_out(&mut self, across: (f64, f64), down: (f64, f64)) {
        let Self { layout, width, height, tiles_across, .. } = *self;
        let numbers = |(from, to): (f64, f64), pixels: u32, tile: u32| {
            let last = u64::from(pixels.div_ceil(tile)) - 1;
            let at = |fraction: f64| fraction * f64::from(pixels) / f64::from(tile);
            // The casts saturate.
            at(from).floor() as u64..=((at(to).ceil() as u64).saturating_sub(1)).min(last)
        };
        for row in numbers(down, height, layout.height) {
            for column in numbers(across, width, layout.width) {
                if let Some(count) = self.tiles.counts.get_mut((row * tiles_across + column) as usize) {
                    *count = 0;
                }
            }
        }
    }

    /// Where tile number `tile` lies; `None` if the file leaves it out, which means background.
    pub(crate) fn locate(&self, tile: u64, blob_bytes: u64, limits: &Limits) -> Result<Option<Range<u64>>, Fault> {
        let entry = usize::try_from(tile).ok().and_then(|tile| self.tiles.get(tile));
        let place = |fault: Fault| fault.in_directory(self.directory).in_tile(tile);
        let (offset, count) = entry.ok_or_else(|| place(Fault::malformed("tile is outside the grid")))?;
        if count == 0 {
            return Ok(None);
        }
        if u64::from(count) > limits.compressed_tile_bytes || count == u32::MAX {
            return Err(place(Fault::limit(format!("compressed tile of {count} bytes or more")).at(offset)));
        }
        match offset.checked_add(u64::from(count)) {
            Some(end) if end <= blob_bytes => Ok(Some(offset..end)),
            _ => Err(place(Fault::truncated("tile lies outside the file").at(offset))),
        }
    }
}

impl TileIndex {
    fn read(tiff: &Tiff, directory: &Directory, [offsets, counts]: [u16; 2], tiles: u64) -> Result<Self, Fault> {
        let offsets = tiff.uints(directory, offsets, tiles)?;
        let counts = tiff.uints(directory, counts, tiles)?;
        let counts = counts.into_iter().map(|count| u32::try_from(count).unwrap_or(u32::MAX)).collect();
        Ok(Self { offsets, counts })
    }

    fn get(&self, tile: usize) -> Option<(u64, u32)> {
        self.offsets.get(tile).copied().zip(self.counts.get(tile).copied())
    }
}

/// A size in pixels: there, not zero, and within 32 bits.
pub(super) fn positive(tiff: &Tiff, directory: &Directory, tag: u16) -> Result<u32, Fault> {
    let value = tiff.uint(directory, tag)?.ok_or_else(|| tiff.missing(directory, tag))?;
    u32::try_from(value).ok().filter(|value| *value > 0).ok_or_else(|| {
        Fault::malformed(format!("tag {tag} is {value}")).in_directory(directory.number).at(directory.offset)
    })
}

/// The colour of the samples; refuses everything but interleaved samples of 8 bits.
fn color(tiff: &Tiff, directory: &Directory) -> Result<Color, Fault> {
    let refuse = |what: String| Err(Fault::unsupported(what).in_directory(directory.number).at(directory.offset));
    let uint = |tag, default| Ok::<u64, Fault>(tiff.uint(directory, tag)?.unwrap_or(default));
    let samples = uint(tags::SAMPLES_PER_PIXEL, 1)?;
    let bits = match directory.entry(tags::BITS_PER_SAMPLE) {
        Some(entry) => tiff.uints(directory, tags::BITS_PER_SAMPLE, entry.count.clamp(1, samples.clamp(1, 8)))?,
        None => vec![1],
    };
    if let Some(bits) = bits.iter().find(|bits| **bits != 8) {
        return refuse(format!("samples of {bits} bits are not read, only of 8"));
    }
    let format = uint(tags::SAMPLE_FORMAT, 1)?;
    if format != 1 {
        return refuse(format!("sample format {format}"));
    }
    let planar = uint(tags::PLANAR_CONFIGURATION, 1)?;
    if planar != 1 && samples > 1 {
        return refuse(format!("planar configuration {planar}"));
    }
    let photometric = tiff.uint(directory, tags::PHOTOMETRIC)?;
    match (photometric.ok_or_else(|| tiff.missing(directory, tags::PHOTOMETRIC))?, samples) {
        (0, 1) => Ok(Color::GreyInverted),
        (1, 1) => Ok(Color::Grey),
        (2, 3) => Ok(Color::Rgb),
        (6, 3) => Ok(Color::YCbCr),
        (2, 4) => match uint(tags::EXTRA_SAMPLES, 0)? {
            2 => Ok(Color::Rgba),
            // As libtiff has it: what is not said to be straight is premultiplied.
            _ => Ok(Color::RgbaPremultiplied),
        },
        (0..=2 | 6, samples) => refuse(format!("{samples} samples per pixel")),
        (other, _) => refuse(format!("photometric interpretation {other}")),
    }
}
