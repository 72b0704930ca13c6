//! OpenSlide's geometry of a region, and its interpolation; pure.
//!
//! Facts: a region is cut into squares of 4096 pixels; each begins at a whole pixel of level 0, so that at levels whose
//! downsample is not whole there is a jump of less than a pixel between squares. Left of or above the slide a square is
//! moved by whole pixels and read from 0. Elsewhere an origin between two pixels is interpolated, with fractions of 1/128.

use super::{region::RegionRequest, resample::straight};

/// Edge of a square in pixels of the level.
const EDGE: u32 = 4096;

/// Steps between two pixels that the interpolation knows.
const FRACTIONS: f64 = 128.0;

/// A part of a region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Square {
    /// Whole part of where it begins, in pixels of the level.
    pub(super) origin: (i64, i64),
    /// The rest, 0 to 1.
    fraction: (f32, f32),
    pub(super) width: u32,
    pub(super) height: u32,
    /// Where it goes in the region.
    at: (u32, u32),
}

/// One axis of a square.
struct Axis {
    origin: i64,
    fraction: f32,
    length: u32,
    at: u32,
}

/// The squares of a region that have pixels.
pub(super) fn squares(request: &RegionRequest, downsample: f64) -> Vec<Square> {
    let across = axes(request.x, request.width, downsample);
    let down = axes(request.y, request.height, downsample);
    let square = |row: &Axis, column: &Axis| Square {
        origin: (column.origin, row.origin),
        fraction: (column.fraction, row.fraction),
        width: column.length,
        height: row.length,
        at: (column.at, row.at),
    };
    down.iter().flat_map(|row| across.iter().map(move |column| square(row, column))).collect()
}

fn axes(start: i64, length: u32, downsample: f64) -> Vec<Axis> {
    let axis = |number: u32| {
        let first = number * EDGE;
        let length = EDGE.min(length - first);
        // Casts truncate and saturate.
        let start = if number == 0 { start } else { (start as f64 + f64::from(first) * downsample) as i64 };
        let at = start as f64 / downsample;
        if start < 0 {
            let shift = (-at) as u32;
            let length = length.saturating_sub(shift);
            return Axis { origin: 0, fraction: 0.0, length, at: first.saturating_add(shift) };
        }
        let fraction = ((at - at.floor()) * FRACTIONS).floor() / FRACTIONS;
        Axis { origin: at.floor() as i64, fraction: fraction as f32, length, at: first }
    };
    (0..length.div_ceil(EDGE)).map(axis).filter(|axis| axis.length > 0).collect()
}

/// Writes a square into a region, from RGBA pixels of its place that are one wider and one higher than it is.
pub(super) fn interpolate(square: &Square, source: &[u8], region: &mut [u8], region_stride: usize) {
    let (width, stride) = (square.width as usize * 4, (square.width as usize + 1) * 4);
    let rows = region.chunks_exact_mut(region_stride).skip(square.at.1 as usize).take(square.height as usize);
    let left = square.at.0 as usize * 4;
    for (number, row) in rows.enumerate() {
        let target = &mut row[left..left + width];
        let (upper, lower) = source[number * stride..(number + 2) * stride].split_at(stride);
        if square.fraction == (0.0, 0.0) {
            target.copy_from_slice(&upper[..width]);
            continue;
        }
        for (column, pixel) in target.chunks_exact_mut(4).enumerate() {
            let pair = column * 4..column * 4 + 8;
            pixel.copy_from_slice(&blend(&upper[pair.clone()], &lower[pair], square.fraction));
        }
    }
}

/// The pixel between two pairs of neighbours.
fn blend(upper: &[u8], lower: &[u8], (right, down): (f32, f32)) -> [u8; 4] {
    let corners = [
        (&upper[..4], (1.0 - right) * (1.0 - down)),
        (&upper[4..], right * (1.0 - down)),
        (&lower[..4], (1.0 - right) * down),
        (&lower[4..], right * down),
    ];
    let mut sum = [0.0; 4];
    for (pixel, weight) in corners {
        let weight = weight * f32::from(pixel[3]);
        for (sum, value) in sum.iter_mut().zip(&pixel[..3]) {
            *sum += weight * f32::from(*value) / 255.0;
        }
        sum[3] += weight;
    }
    straight(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Background, Mode, Scale};

    fn request(x: i64, width: u32) -> RegionRequest {
        let (scale, mode, background) = (Scale::Level(1), Mode::Exact, Background::Transparent);
        RegionRequest { x, y: 0, width, height: 1, scale, mode, background }
    }

    fn columns(x: i64, width: u32, downsample: f64) -> Vec<(i64, f32, u32, u32)> {
        let squares = squares(&request(x, width), downsample);
        squares.iter().map(|square| (square.origin.0, square.fraction.0, square.width, square.at.0)).collect()
    }

    #[test]
    fn squares_begin_at_whole_pixels_of_level_0() {
        assert_eq!(columns(5, 9000, 1.0), [(5, 0.0, 4096, 0), (4101, 0.0, 4096, 4096), (8197, 0.0, 808, 8192)]);
        assert_eq!(columns(1, 5000, 2.5), [(0, 51.0 / 128.0, 4096, 0), (4096, 51.0 / 128.0, 904, 4096)]);
        // 10 + 4096 · 2.3 = 9430.8, of which 9430 / 2.3 = 4100 exactly.
        assert_eq!(columns(10, 4100, 2.3)[1].0, 4100);
    }

    #[test]
    fn before_the_slide_it_is_moved_by_whole_pixels() {
        assert_eq!(columns(-31, 64, 2.0005), [(0, 0.0, 49, 15)]);
        assert_eq!(columns(-1, 64, 2.0), [(0, 0.0, 64, 0)]);
        assert_eq!(columns(-1000, 64, 2.0), []);
        assert_eq!(columns(i64::MIN, 64, 2.0), []);
    }

    #[test]
    fn between_pixels_is_interpolated() {
        let square = Square { origin: (0, 0), fraction: (0.5, 0.0), width: 1, height: 1, at: (1, 0) };
        let source = [[0, 0, 0, 255], [100, 200, 50, 255], [9; 4], [9; 4]].concat();
        let mut region = vec![7; 8];
        interpolate(&square, &source, &mut region, 8);
        assert_eq!(region, [7, 7, 7, 7, 50, 100, 25, 255]);
        assert_eq!(blend(&[200, 0, 0, 255, 9, 9, 9, 0], &[0; 8], (0.25, 0.0)), [200, 0, 0, 191]);
    }
}
