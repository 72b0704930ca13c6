//! A contact sheet: all patches of a batch side by side, made smaller.

use crate::head::Batch;
use crate::sink::png::{Alpha, Picture};

/// No patch is shown larger, in pixels: 32 of them are a picture of about 1,000 × 700.
const THUMBNAIL: u32 = 160;
/// White between patches, in pixels.
const GAP: u32 = 4;

/// The sheet of a batch, by its first view; nearly square.
pub fn contact_sheet(batch: &Batch) -> Picture {
    let Some((view, picture)) = batch.pictures().next() else { return sheet(&[], 1, 1) };
    let size = view.size.get();
    let patches: Vec<&[u8]> = batch.patches().iter().map(|patch| &patch.pixels[picture.clone()]).collect();
    sheet(&patches, size, size.div_ceil(THUMBNAIL))
}

fn sheet(patches: &[&[u8]], size: u32, shrink: u32) -> Picture {
    let edge = size / shrink;
    let columns = (patches.len() as f64).sqrt().ceil().max(1.0) as u32;
    let rows = (patches.len() as u32).div_ceil(columns).max(1);
    let (width, height) = (columns * (edge + GAP) + GAP, rows * (edge + GAP) + GAP);
    let mut pixels = vec![255; width as usize * height as usize * 3];
    for (number, patch) in (0..).zip(patches) {
        let left = GAP + number % columns * (edge + GAP);
        let top = GAP + number / columns * (edge + GAP);
        for y in 0..edge {
            for x in 0..edge {
                let target = ((top + y) as usize * width as usize + (left + x) as usize) * 3;
                pixels[target..target + 3].copy_from_slice(&mean(patch, size, shrink, (x, y)));
            }
        }
    }
    Picture { width, height, alpha: Alpha::Without, pixels }
}

/// The mean of a square of the patch.
fn mean(patch: &[u8], size: u32, shrink: u32, (x, y): (u32, u32)) -> [u8; 3] {
    let mut sums = [0_u32; 3];
    for row in y * shrink..(y + 1) * shrink {
        let start = (row as usize * size as usize + (x * shrink) as usize) * 3;
        for pixel in patch[start..start + shrink as usize * 3].chunks_exact(3) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += u32::from(*value);
            }
        }
    }
    sums.map(|sum| (sum / (shrink * shrink)) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_stand_in_rows_with_their_mean_colours() {
        let black_and_white: Vec<u8> = [[0; 3], [100; 3], [100; 3], [200; 3]].concat();
        let grey = vec![50; 12];
        let picture = sheet(&[&black_and_white, &grey, &grey], 2, 2);
        assert_eq!((picture.width, picture.height), (14, 14));
        let at = |x: usize, y: usize| picture.pixels[(y * 14 + x) * 3];
        assert_eq!((at(4, 4), at(9, 4), at(4, 9), at(9, 9), at(0, 0)), (100, 50, 50, 255, 255));
    }
}
