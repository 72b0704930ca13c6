//! Where a slide shows tissue: a mask of cells, from the saturation of their mean colours.
//!
//! Glass is grey, stained tissue is not. The method: saturation of HSV (Smith 1978), and Otsu's threshold of its histogram
//! (Otsu 1979, "A threshold selection method from gray-level histograms"), as CLAM (Lu et al. 2021) and others do it.
//! Integers only: the same pixels give the same mask everywhere. Pure; a worker reads the pixels.

/// A slide without any tissue has a threshold too, somewhere in its noise: nothing below this saturation (of 255) counts.
/// It is what CLAM takes where it does without Otsu.
const LEAST_SATURATION: u8 = 8;

/// Which cells of a slide show tissue, summed up so that any rectangle is counted at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    columns: usize,
    rows: usize,
    /// Level-0 pixels for one cell, across and down.
    cell: (f64, f64),
    /// Tissue cells above and left of each corner: (columns + 1) · (rows + 1).
    sums: Vec<u32>,
}

impl Mask {
    /// A mask of cells with these saturations, row by row; a cell is `cell` level-0 pixels wide and high.
    pub fn of(saturations: &[u8], columns: usize, cell: (f64, f64)) -> Self {
        let columns = columns.max(1);
        let rows = saturations.len() / columns;
        let threshold = otsu(saturations).max(LEAST_SATURATION);
        let width = columns + 1;
        let mut sums = vec![0_u32; width * (rows + 1)];
        for row in 0..rows {
            let mut along = 0;
            for column in 0..columns {
                along += u32::from(saturations[row * columns + column] > threshold);
                sums[(row + 1) * width + column + 1] = sums[row * width + column + 1] + along;
            }
        }
        Self { columns, rows, cell, sums }
    }

    /// Whether at least `percent` of the square at (x, y), in level-0 pixels, is tissue. What lies outside the slide is not.
    pub fn holds(&self, (x, y): (f64, f64), (width, height): (f64, f64), percent: u8) -> bool {
        let (left, right) = span(x, width, self.cell.0);
        let (top, bottom) = span(y, height, self.cell.1);
        let cells = (right - left) as u64 * (bottom - top) as u64;
        let inside = |at: i64, most: usize| at.clamp(0, most as i64) as usize;
        let (left, right) = (inside(left, self.columns), inside(right, self.columns));
        let (top, bottom) = (inside(top, self.rows), inside(bottom, self.rows));
        let sum = |column: usize, row: usize| u64::from(self.sums[row * (self.columns + 1) + column]);
        let tissue = sum(right, bottom) + sum(left, top) - sum(left, bottom) - sum(right, top);
        tissue * 100 >= u64::from(percent) * cells
    }
}

/// The cells that a length touches by more than a rounding error; at least one.
fn span(start: f64, length: f64, cell: f64) -> (i64, i64) {
    const ROUNDING: f64 = 1e-6;
    let first = (start / cell + ROUNDING).floor() as i64;
    let last = ((start + length) / cell - ROUNDING).ceil() as i64;
    (first, last.max(first + 1))
}

/// Saturation of an RGB colour, 0 to 255.
pub fn saturation([red, green, blue]: [u8; 3]) -> u8 {
    let most = u32::from(red.max(green).max(blue));
    let least = u32::from(red.min(green).min(blue));
    ((most - least) * 255).checked_div(most).unwrap_or(0) as u8
}

/// The value that parts a histogram in two classes of the largest variance between them; values above it are the upper one.
fn otsu(values: &[u8]) -> u8 {
    let mut histogram = [0_u64; 256];
    for value in values {
        histogram[usize::from(*value)] += 1;
    }
    let count = values.len() as u64;
    let total: u64 = values.iter().map(|value| u64::from(*value)).sum();
    let (mut below, mut sum_below) = (0_u64, 0_u64);
    let mut best = (0_u128, 1_u128, 0_u8);
    for (value, number) in (0_u8..=255).zip(histogram) {
        below += number;
        sum_below += number * u64::from(value);
        let above = count - below;
        if below == 0 || above == 0 {
            continue;
        }
        // The variance between the classes is (sum_below · above − sum_above · below)² / (below · above), up to a factor.
        let spread = u128::from((sum_below * above).abs_diff((total - sum_below) * below));
        let (variance, scale) = (spread, u128::from(below) * u128::from(above));
        if square_over(variance, scale) > square_over(best.0, best.1) {
            best = (variance, scale, value);
        }
    }
    best.2
}

/// `number² / scale`, in integers that cannot overflow: 16 million cells of 255 are 2⁵⁶, squared 2¹¹².
fn square_over(number: u128, scale: u128) -> u128 {
    number.saturating_mul(number) / scale.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saturation_is_of_the_colour_not_of_its_brightness() {
        let saturations = [[255, 255, 255], [0, 0, 0], [7, 7, 7], [200, 100, 150], [100, 50, 75], [255, 0, 0]];
        assert_eq!(saturations.map(saturation), [0, 0, 0, 127, 127, 255]);
    }

    #[test]
    fn the_threshold_lies_between_two_heaps() {
        let values: Vec<u8> = [3_u8, 4, 5].repeat(100).into_iter().chain([90_u8, 100, 110].repeat(30)).collect();
        let threshold = otsu(&values);
        assert!((5..90).contains(&threshold), "{threshold}");
        assert_eq!((otsu(&[]), otsu(&[9; 50])), (0, 0));
    }

    #[test]
    fn a_patch_is_taken_by_the_part_that_is_tissue() {
        // Four by two cells of ten pixels; the right half is tissue.
        let saturations = [2, 3, 120, 120, 2, 3, 120, 120];
        let mask = Mask::of(&saturations, 4, (10.0, 10.0));
        let holds = |x: f64, percent| mask.holds((x, 0.0), (20.0, 20.0), percent);
        assert!(holds(20.0, 100) && holds(10.0, 50) && !holds(10.0, 51) && !holds(0.0, 1) && holds(0.0, 0));
        assert!(mask.holds((30.0, 0.0), (20.0, 20.0), 50), "half of it lies outside");
        assert!(!mask.holds((30.0, 0.0), (20.0, 20.0), 51));
        assert!(mask.holds((25.0, 5.0), (1.0, 1.0), 100), "smaller than a cell");
        assert!(!mask.holds((-500.0, -500.0), (20.0, 20.0), 1));
    }

    #[test]
    fn bare_glass_has_no_tissue() {
        let noise: Vec<u8> = (0..400).map(|cell| (cell % 5) as u8).collect();
        let mask = Mask::of(&noise, 20, (1.0, 1.0));
        assert!(!mask.holds((0.0, 0.0), (20.0, 20.0), 1));
    }
}
