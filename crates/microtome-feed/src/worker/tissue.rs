//! Reads a slide's tissue mask: the saturation of its cells, from the smallest level that is fine enough.
//!
//! A slide without small levels is read whole, band by band, so that memory stays bounded; the head is told meanwhile that
//! somebody is still at it.

use std::sync::Arc;

use microtome_plan::tissue::{Mask, saturation};
use microtome_slide::{GAP_SCAN_BYTES, PatchRequest, Scale, Slide, SlideInfo, Usage};

use super::Worker;
use super::cut::beat;
use super::lease::{Outbox, Refusal};

/// Cells along a patch, at best: a patch of 256 of them is judged to half a percent.
const CELLS_A_PATCH: f64 = 16.0;
/// A level at least this fine is read rather than one that is four times finer and larger.
const LEAST_CELLS_A_PATCH: f64 = 4.0;
/// The most cells of a mask: 16 million are 64 MB of sums.
const MOST_CELLS: f64 = 16e6;
/// Pixels of the level along an edge of what is read at once.
const SQUARE: u32 = 1024;
/// Squares read at once; 8 of them are 24 MB.
const SQUARES: usize = 8;

/// How a slide is divided into cells.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cells {
    level: u32,
    /// Pixels of the level along a cell's edge.
    pixels: u32,
    /// Level-0 pixels for one pixel of the level.
    downsample: f64,
    columns: u32,
    rows: u32,
}

impl Cells {
    /// For patches that are `patch` level-0 pixels wide.
    fn of(info: &SlideInfo, patch: f64) -> Self {
        let whole = f64::from(info.width) * f64::from(info.height);
        let fewest = (whole / MOST_CELLS).sqrt();
        let coarsest = (patch / LEAST_CELLS_A_PATCH).max(fewest).max(1.0);
        let found = (0..).zip(&info.levels).take_while(|(_, level)| level.downsample <= coarsest).last();
        let (level, width, height, downsample) = found.map_or((0, info.width, info.height, 1.0), |(number, level)| {
            (number, level.width, level.height, level.downsample)
        });
        let wanted = (patch / CELLS_A_PATCH).max(fewest) / downsample;
        let pixels = (wanted.floor() as u32).clamp(1, SQUARE);
        Self { level, pixels, downsample, columns: width.div_ceil(pixels), rows: height.div_ceil(pixels) }
    }

    /// Cells along a square that is read at once.
    fn square(self) -> u32 {
        SQUARE / self.pixels
    }
}

/// The slide's mask for patches that are `patch` level-0 pixels wide.
pub(super) async fn mask(
    worker: &Worker,
    slide: &Slide,
    patch: f64,
    (lease, outbox): ((u64, u32), &Outbox),
) -> Result<(Mask, Usage), Refusal> {
    let cells = Cells::of(slide.info(), patch);
    let mut saturations = vec![0_u8; cells.columns as usize * cells.rows as usize];
    let mut usage = Usage::default();
    let along = |cells_of_all: u32| (0..cells_of_all).step_by(cells.square() as usize);
    let squares: Vec<(u32, u32)> =
        along(cells.rows).flat_map(|row| along(cells.columns).map(move |column| (column, row))).collect();
    for squares in squares.chunks(SQUARES) {
        let plan = slide.plan(&request(cells, squares))?;
        let fetched = slide.fetch(&plan).await?;
        usage = usage + fetched.usage();
        let permit = Arc::clone(&worker.decoders).acquire_owned().await;
        let pixels = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            fetched.decode(&plan)
        })
        .await
        .map_err(|error| Refusal { category: "Decoder".to_owned(), reason: format!("{}: {error}", slide.url()) })?;
        // A tile that cannot be decoded is white here, so no tissue; the patches on it would be bad.
        let edge = (cells.square() * cells.pixels) as usize;
        for (square, pixels) in squares.iter().zip(pixels.pixels.chunks_exact(edge * edge * 3)) {
            fill(&mut saturations, cells, *square, pixels);
        }
        beat(lease, outbox).await?;
    }
    let cell = f64::from(cells.pixels) * cells.downsample;
    Ok((Mask::of(&saturations, cells.columns as usize, (cell, cell)), usage))
}

fn request(cells: Cells, squares: &[(u32, u32)]) -> PatchRequest {
    // The first level-0 pixel that is read as that pixel of the level.
    let origin = |cell: u32| (f64::from(cell) * f64::from(cells.pixels) * cells.downsample).ceil() as i64;
    let edge = cells.square() * cells.pixels;
    PatchRequest {
        scale: Scale::Level(cells.level),
        width: edge,
        height: edge,
        origins: squares.iter().map(|(column, row)| (origin(*column), origin(*row))).collect(),
        gap_bytes: GAP_SCAN_BYTES,
    }
}

/// Writes the saturation of each cell's mean colour.
fn fill(saturations: &mut [u8], cells: Cells, (column, row): (u32, u32), pixels: &[u8]) {
    let (side, length) = (cells.square() as usize, cells.pixels as usize);
    let stride = side * length * 3;
    let (column, row, columns) = (column as usize, row as usize, cells.columns as usize);
    for y in 0..side.min(cells.rows as usize - row) {
        for x in 0..side.min(columns - column) {
            let mut sums = [0_u32; 3];
            for line in 0..length {
                let start = (y * length + line) * stride + x * length * 3;
                for pixel in pixels[start..start + length * 3].chunks_exact(3) {
                    sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u32::from(*value));
                }
            }
            let mean = sums.map(|sum| (sum / (length * length) as u32) as u8);
            saturations[(row + y) * columns + column + x] = saturation(mean);
        }
    }
}

#[cfg(test)]
mod tests {
    use microtome_slide::LevelInfo;

    use super::*;

    fn slide(width: u32, height: u32, downsamples: &[u32]) -> SlideInfo {
        let level = |downsample: &u32| LevelInfo {
            width: width / downsample,
            height: height / downsample,
            downsample: f64::from(*downsample),
            tile_width: 256,
            tile_height: 256,
            compression: "jpeg".to_owned(),
        };
        let levels = downsamples.iter().map(level).collect();
        SlideInfo {
            format: "aperio".to_owned(),
            width,
            height,
            mpp_x: None,
            mpp_y: None,
            levels,
            properties: Default::default(),
        }
    }

    #[test]
    fn the_smallest_level_that_is_fine_enough_is_read() {
        let of = |downsamples: &[u32], patch| {
            let cells = Cells::of(&slide(102_400, 51_200, downsamples), patch);
            (cells.level, cells.pixels, cells.columns, cells.rows)
        };
        assert_eq!(of(&[1, 4, 16], 256.0), (2, 1, 6400, 3200), "64 pixels of a patch are too few, so its 16 are cells");
        assert_eq!(of(&[1, 4, 16], 1024.0), (2, 4, 1600, 800));
        assert_eq!(of(&[1, 4], 256.0), (1, 4, 6400, 3200));
        assert_eq!(of(&[1], 16.0), (0, 18, 5689, 2845), "no more cells than memory is for");
    }

    #[test]
    fn a_cell_has_the_saturation_of_its_mean() {
        let cells = Cells { level: 0, pixels: 512, downsample: 1.0, columns: 3, rows: 2 };
        let mut pixels = vec![255_u8; 1024 * 1024 * 3];
        // The square's upper right cell is red.
        for line in 0..512 {
            for pixel in pixels[(line * 1024 + 512) * 3..(line + 1) * 1024 * 3].chunks_exact_mut(3) {
                pixel.copy_from_slice(&[200, 100, 100]);
            }
        }
        let mut saturations = vec![9; 6];
        fill(&mut saturations, cells, (0, 0), &pixels);
        assert_eq!(saturations, [0, 127, 9, 0, 0, 9]);
    }
}
