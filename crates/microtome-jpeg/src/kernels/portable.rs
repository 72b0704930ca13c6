//! What the kernels do, in plain Rust.

use super::{Batch, Filled};

/// Fraction bits of the transform's factors, and those that the first pass keeps.
const FRACTION: u32 = 13;
const KEPT: u32 = 2;

/// Factors of coefficients 2 and 6 in the even half's inner sums.
pub(super) const EVEN: [[i32; 2]; 2] = [[10_703, 4_433], [4_433, -10_704]];

/// Factors of coefficients 1, 3, 5 and 7 in the odd half's sums: libjpeg's chain of products, multiplied out.
pub(super) const ODD: [[i32; 4]; 4] = [
    [11_363, 9_633, 6_437, 2_260],
    [9_633, -2_259, -11_362, -6_436],
    [6_437, -11_362, 2_261, 9_633],
    [2_260, -6_436, 9_633, -11_363],
];

/// See [`super::Inverse`].
pub(super) fn inverse(mut batch: Batch<'_>, _filled: Filled, samples: &mut [u8]) {
    for job in batch.jobs {
        let (mut values, factors) = ([0_i32; 64], &batch.quantization[job.component]);
        for (value, (coefficient, factor)) in values.iter_mut().zip(batch.room(job).iter().zip(factors)) {
            *value = i32::from(coefficient.wrapping_mul(*factor));
        }
        batch.room(job).fill(0);
        for column in 0..8 {
            pass::<8, { FRACTION - KEPT }>(&mut values, column);
        }
        for row in 0..8 {
            pass::<1, { FRACTION + KEPT + 3 }>(&mut values, row * 8);
        }
        for (row, values) in values.as_chunks::<8>().0.iter().enumerate() {
            let start = job.start + row * batch.planes[job.component].stride;
            for (sample, value) in samples[start..start + 8].iter_mut().zip(values) {
                *sample = ((*value).clamp(-128, 127) + 128) as u8;
            }
        }
    }
}

/// One dimension of eight values, `STEP` apart. All sums fit 32 bits whatever 16-bit values come in.
fn pass<const STEP: usize, const SHIFT: u32>(values: &mut [i32; 64], start: usize) {
    let at = |place: usize| values[start + place * STEP];
    let sum = [(at(0) + at(4)) << FRACTION, (at(0) - at(4)) << FRACTION];
    let inner = EVEN.map(|[two, six]| two * at(2) + six * at(6));
    let even = [sum[0] + inner[0], sum[1] + inner[1], sum[1] - inner[1], sum[0] - inner[0]];
    let odd = ODD.map(|[one, three, five, seven]| one * at(1) + three * at(3) + five * at(5) + seven * at(7));
    for (place, (even, odd)) in even.into_iter().zip(odd).enumerate() {
        let round = |value: i32| {
            let value = (value + (1 << (SHIFT - 1))) >> SHIFT;
            value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
        };
        values[start + place * STEP] = round(even + odd);
        values[start + (7 - place) * STEP] = round(even - odd);
    }
}

/// See [`super::Across`].
pub(super) fn across(near: &[u8], out: &mut [u8], count: usize) {
    for (pair, window) in out.as_chunks_mut::<2>().0.iter_mut().zip(near.windows(3)).take(count) {
        let [left, this, right] = [0, 1, 2].map(|at| u16::from(window[at]));
        *pair = [((3 * this + left + 1) >> 2) as u8, ((3 * this + right + 2) >> 2) as u8];
    }
}

/// See [`super::Both`].
pub(super) fn both(near: &[u8], far: &[u8], out: &mut [u8], count: usize) {
    let windows = near.windows(3).zip(far.windows(3));
    for (pair, (near, far)) in out.as_chunks_mut::<2>().0.iter_mut().zip(windows).take(count) {
        let [left, this, right] = [0, 1, 2].map(|at| 3 * u16::from(near[at]) + u16::from(far[at]));
        *pair = [((3 * this + left + 8) >> 4) as u8, ((3 * this + right + 7) >> 4) as u8];
    }
}

/// See [`super::Down`].
pub(super) fn down(near: &[u8], far: &[u8], bias: u8, out: &mut [u8]) {
    for (out, (near, far)) in out.iter_mut().zip(near.iter().zip(far)) {
        *out = ((3 * u16::from(*near) + u16::from(*far) + u16::from(bias)) >> 2) as u8;
    }
}

/// See [`super::Convert`].
pub(super) fn convert<const YCBCR: bool, const BYTES: usize>(
    first: &[u8],
    second: &[u8],
    third: &[u8],
    out: &mut [u8],
) {
    let samples = first.iter().zip(second).zip(third);
    for (pixel, ((first, second), third)) in out.as_chunks_mut::<BYTES>().0.iter_mut().zip(samples) {
        let colors = if YCBCR { ycbcr_to_rgb([*first, *second, *third]) } else { [*first, *second, *third] };
        for (to, from) in pixel.iter_mut().zip(colors.into_iter().chain([255])) {
            *to = from;
        }
    }
}

/// As JFIF has it, with factors of 16 fraction bits: 1.402, 0.34414, 0.71414 and 1.772.
fn ycbcr_to_rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    const HALF: i32 = 1 << 15;
    let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
    let red = y + ((91_881 * cr + HALF) >> 16);
    let green = y + ((HALF - 22_554 * cb - 46_802 * cr) >> 16);
    let blue = y + ((116_130 * cb + HALF) >> 16);
    [red, green, blue].map(|value| value.clamp(0, 255) as u8)
}
