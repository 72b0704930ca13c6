//! AVX2: two blocks at a time, 16 samples of upsampling, 32 pixels of conversion.

use std::arch::x86_64::*;

use super::{Batch, Filled, clear, put, rows};
use crate::kernels::{STEP, WIDE, portable};

/// The transform, with AVX2's instructions under its names.
mod transform {
    use std::arch::x86_64::{
        __m256i as V, _mm256_add_epi32 as add_32, _mm256_madd_epi16 as madd, _mm256_packs_epi16 as pack_16,
        _mm256_packs_epi32 as pack_32, _mm256_set1_epi8 as set8, _mm256_set1_epi32 as set32,
        _mm256_srai_epi32 as shift_right_32, _mm256_sub_epi32 as sub_32, _mm256_unpackhi_epi8 as unpack_high_8,
        _mm256_unpackhi_epi16 as unpack_high_16, _mm256_unpackhi_epi32 as unpack_high_32,
        _mm256_unpackhi_epi64 as unpack_high_64, _mm256_unpacklo_epi8 as unpack_low_8,
        _mm256_unpacklo_epi16 as unpack_low_16, _mm256_unpacklo_epi32 as unpack_low_32,
        _mm256_unpacklo_epi64 as unpack_low_64, _mm256_xor_si256 as xor,
    };

    use crate::kernels::x86::inverse::inverse_transform;

    inverse_transform!("avx2");

    /// See the macro.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn inverse_whole(rows: [V; 8]) -> [V; 4] {
        whole(rows)
    }

    /// See the macro.
    #[target_feature(enable = "avx2")]
    #[inline]
    pub(super) fn inverse_corner(rows: [V; 4]) -> [V; 4] {
        corner(rows)
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_16(from: &[u8; 16]) -> __m128i {
    // SAFETY: 16 bytes are there, and the load needs no alignment.
    unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load_32(from: &[u8; 32]) -> __m256i {
    // SAFETY: 32 bytes are there, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store_32(to: &mut [u8; 32], from: __m256i) {
    // SAFETY: 32 bytes are there, and the store needs no alignment.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), from) }
}

/// Rows of two blocks, side by side.
#[target_feature(enable = "avx2")]
#[inline]
fn load_rows([low, high]: [&[i16; 8]; 2]) -> __m256i {
    // SAFETY: 16 bytes are there each, and the loads need no alignment.
    unsafe { _mm256_loadu2_m128i(high.as_ptr().cast(), low.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn dequantized<const ROWS: usize>(coefficients: [&[i16; 64]; 2], factors: [&[i16; 64]; 2]) -> [__m256i; ROWS] {
    let coefficients = coefficients.map(rows::<ROWS>);
    let factors = factors.map(rows::<ROWS>);
    let mut vectors = [_mm256_setzero_si256(); ROWS];
    for (row, vector) in vectors.iter_mut().enumerate() {
        let side_by_side = |rows: [[&[i16; 8]; ROWS]; 2]| load_rows([rows[0][row], rows[1][row]]);
        *vector = _mm256_mullo_epi16(side_by_side(coefficients), side_by_side(factors));
    }
    vectors
}

#[target_feature(enable = "avx2")]
pub(super) fn inverse(mut batch: Batch<'_>, filled: Filled, samples: &mut [u8]) {
    for jobs in batch.jobs.chunks(2) {
        // An odd one out is its own partner.
        let (Some(one), Some(other)) = (jobs.first(), jobs.last()) else { continue };
        let factors = [one, other].map(|job| &batch.quantization[job.component]);
        let coefficients = [batch.peek(one), batch.peek(other)];
        let rows = match filled {
            Filled::Whole => transform::inverse_whole(dequantized(coefficients, factors)),
            Filled::Corner => transform::inverse_corner(dequantized(coefficients, factors)),
        };
        put(rows.map(|rows| _mm256_castsi256_si128(rows)), one, &batch, samples);
        put(rows.map(|rows| _mm256_extracti128_si256::<1>(rows)), other, &batch, samples);
        clear(batch.room(one), filled);
        clear(batch.room(other), filled);
    }
}

/// Sixteen samples with their left and their right neighbours, in 16 bits each.
#[target_feature(enable = "avx2")]
#[inline]
fn widened(from: &[u8], at: usize) -> [__m256i; 3] {
    let Some(from) = from[at..].first_chunk::<{ STEP + 2 }>() else { return [_mm256_setzero_si256(); 3] };
    let (left, this, right) = (from.first_chunk(), from[1..].first_chunk(), from.last_chunk());
    [left, this, right].map(|part| _mm256_cvtepu8_epi16(part.map_or(_mm_setzero_si128(), |part| load_16(part))))
}

/// Three times one, plus the other.
#[target_feature(enable = "avx2")]
#[inline]
fn weighted(three: __m256i, one: __m256i) -> __m256i {
    _mm256_add_epi16(_mm256_add_epi16(three, _mm256_slli_epi16::<1>(three)), one)
}

/// Upsamples 16 values with their left and right neighbours to 32 samples.
#[target_feature(enable = "avx2")]
#[inline]
fn spread<const SHIFT: i32>([left, this, right]: [__m256i; 3], biases: [i16; 2]) -> __m256i {
    let even = _mm256_add_epi16(weighted(this, left), _mm256_set1_epi16(biases[0]));
    let odd = _mm256_add_epi16(weighted(this, right), _mm256_set1_epi16(biases[1]));
    let [even, odd] = [_mm256_srli_epi16::<SHIFT>(even), _mm256_srli_epi16::<SHIFT>(odd)];
    _mm256_or_si256(even, _mm256_slli_epi16::<8>(odd))
}

#[target_feature(enable = "avx2")]
pub(super) fn across(near: &[u8], out: &mut [u8], count: usize) {
    for (step, out) in out.as_chunks_mut::<{ 2 * STEP }>().0.iter_mut().take(count.div_ceil(STEP)).enumerate() {
        let at = step * STEP;
        store_32(out, spread::<2>(widened(near, at), [1, 2]));
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn both(near: &[u8], far: &[u8], out: &mut [u8], count: usize) {
    for (step, out) in out.as_chunks_mut::<{ 2 * STEP }>().0.iter_mut().take(count.div_ceil(STEP)).enumerate() {
        let at = step * STEP;
        let (near, far) = (widened(near, at), widened(far, at));
        let values = [weighted(near[0], far[0]), weighted(near[1], far[1]), weighted(near[2], far[2])];
        store_32(out, spread::<4>(values, [8, 7]));
    }
}

#[target_feature(enable = "avx2")]
pub(super) fn down(near: &[u8], far: &[u8], bias: u8, out: &mut [u8]) {
    let (whole, rest) = out.as_chunks_mut::<32>();
    let done = whole.len() * 32;
    let rows = near.as_chunks::<32>().0.iter().zip(far.as_chunks::<32>().0);
    let (zero, bias_16) = (_mm256_setzero_si256(), _mm256_set1_epi16(i16::from(bias)));
    for (out, (near, far)) in whole.iter_mut().zip(rows) {
        let (near, far) = (load_32(near), load_32(far));
        let sum = |near: __m256i, far: __m256i| _mm256_srli_epi16::<2>(_mm256_add_epi16(weighted(near, far), bias_16));
        let low = sum(_mm256_unpacklo_epi8(near, zero), _mm256_unpacklo_epi8(far, zero));
        let high = sum(_mm256_unpackhi_epi8(near, zero), _mm256_unpackhi_epi8(far, zero));
        store_32(out, _mm256_packus_epi16(low, high));
    }
    portable::down(&near[done..], &far[done..], bias, rest);
}

#[target_feature(enable = "avx2")]
pub(super) fn convert<const YCBCR: bool, const BYTES: usize>(
    first: &[u8],
    second: &[u8],
    third: &[u8],
    out: &mut [u8],
) {
    let rows = [first, second, third];
    let count = out.len() / BYTES;
    let Some(last) = count.checked_sub(WIDE) else {
        let pixels = converted::<YCBCR, BYTES>(rows, 0);
        let mut bytes = [[0; 32]; 4];
        bytes.iter_mut().zip(pixels).for_each(|(bytes, pixels)| store_32(bytes, pixels));
        out.copy_from_slice(&bytes.as_flattened()[..out.len()]);
        return;
    };
    for start in (0..count).step_by(WIDE) {
        // The last step of a row that ends inside it makes some pixels before once more.
        let at = start.min(last);
        let pixels = converted::<YCBCR, BYTES>(rows, at);
        let (out, _) = out[at * BYTES..][..WIDE * BYTES].as_chunks_mut::<32>();
        out.iter_mut().zip(pixels).for_each(|(out, pixels)| store_32(out, pixels));
    }
}

/// The 32 pixels from one on.
#[target_feature(enable = "avx2")]
#[inline]
fn converted<const YCBCR: bool, const BYTES: usize>(rows: [&[u8]; 3], at: usize) -> [__m256i; 4] {
    let samples = rows.map(|row| row[at..].first_chunk().map_or(_mm256_setzero_si256(), |row| load_32(row)));
    let colors = if YCBCR { ycbcr_to_rgb(samples) } else { samples };
    if BYTES == 3 { rgb(colors) } else { rgba(colors) }
}

/// (`factor` · `value` + 2^15) / 2^16, rounded down: the product's upper half of twice the value is one bit more than that.
#[target_feature(enable = "avx2")]
#[inline]
fn scaled(value: __m256i, factor: i16) -> __m256i {
    let product = _mm256_mulhi_epi16(_mm256_add_epi16(value, value), _mm256_set1_epi16(factor));
    _mm256_srai_epi16::<1>(_mm256_add_epi16(product, _mm256_set1_epi16(1)))
}

/// As `scaled`, of the sum of Cb and Cr with green's factors (Cr's plus 1, which fits 16 bits).
#[target_feature(enable = "avx2")]
#[inline]
fn green(cb: __m256i, cr: __m256i) -> __m256i {
    let factors = _mm256_set1_epi32((-22_554 & 0xffff) | (65_536 - 46_802) << 16);
    let sum = |pairs: __m256i| {
        let sum = _mm256_add_epi32(_mm256_madd_epi16(pairs, factors), _mm256_set1_epi32(1 << 15));
        _mm256_srai_epi32::<16>(sum)
    };
    _mm256_packs_epi32(sum(_mm256_unpacklo_epi16(cb, cr)), sum(_mm256_unpackhi_epi16(cb, cr)))
}

/// 32 pixels; the factors are those of `portable`, less the whole numbers that 16 bits do not hold.
#[target_feature(enable = "avx2")]
#[inline]
fn ycbcr_to_rgb([y, cb, cr]: [__m256i; 3]) -> [__m256i; 3] {
    let (zero, middle) = (_mm256_setzero_si256(), _mm256_set1_epi16(128));
    let half = |y: __m256i, cb: __m256i, cr: __m256i| {
        let (cb, cr) = (_mm256_sub_epi16(cb, middle), _mm256_sub_epi16(cr, middle));
        let red = _mm256_add_epi16(_mm256_add_epi16(y, cr), scaled(cr, (91_881 - 65_536) as i16));
        let blue = _mm256_add_epi16(_mm256_add_epi16(cb, cb), scaled(cb, (116_130 - 131_072) as i16));
        let green = _mm256_add_epi16(_mm256_sub_epi16(y, cr), green(cb, cr));
        [red, green, _mm256_add_epi16(y, blue)]
    };
    let low = |v: __m256i| _mm256_unpacklo_epi8(v, zero);
    let high = |v: __m256i| _mm256_unpackhi_epi8(v, zero);
    let (one, other) = (half(low(y), low(cb), low(cr)), half(high(y), high(cb), high(cr)));
    [
        _mm256_packus_epi16(one[0], other[0]),
        _mm256_packus_epi16(one[1], other[1]),
        _mm256_packus_epi16(one[2], other[2]),
    ]
}

/// The same 16 bytes twice.
#[target_feature(enable = "avx2")]
#[inline]
fn twice(bytes: &[u8; 16]) -> __m256i {
    _mm256_broadcastsi128_si256(load_16(bytes))
}

/// Where byte `at` of 16 of a colour goes in three bytes a pixel, modulo 16: a permutation, told from its target.
const fn order(color: usize) -> [u8; 16] {
    let (mut order, mut at) = ([0; 16], 0);
    while at < 16 {
        order[(3 * at + color) % 16] = at as u8;
        at += 1;
    }
    order
}

/// Which of 16 bytes, from byte `16 * part` of pixels of three bytes on, are of a colour.
const fn mask(part: usize, color: usize) -> [u8; 16] {
    let (mut mask, mut at) = ([0; 16], 0);
    while at < 16 {
        mask[at] = if (16 * part + at) % 3 == color { 0xff } else { 0 };
        at += 1;
    }
    mask
}

/// 32 pixels of three bytes; the fourth vector is empty.
#[target_feature(enable = "avx2")]
#[inline]
fn rgb([red, green, blue]: [__m256i; 3]) -> [__m256i; 4] {
    let red = _mm256_shuffle_epi8(red, twice(const { &order(0) }));
    let green = _mm256_shuffle_epi8(green, twice(const { &order(1) }));
    let blue = _mm256_shuffle_epi8(blue, twice(const { &order(2) }));
    let part = |green_mask: &[u8; 16], blue_mask: &[u8; 16]| {
        _mm256_blendv_epi8(_mm256_blendv_epi8(red, green, twice(green_mask)), blue, twice(blue_mask))
    };
    let one = part(const { &mask(0, 1) }, const { &mask(0, 2) });
    let two = part(const { &mask(1, 1) }, const { &mask(1, 2) });
    let three = part(const { &mask(2, 1) }, const { &mask(2, 2) });
    [
        _mm256_permute2x128_si256::<0x20>(one, two),
        _mm256_permute2x128_si256::<0x30>(three, one),
        _mm256_permute2x128_si256::<0x31>(two, three),
        _mm256_setzero_si256(),
    ]
}

/// 32 pixels of four bytes, the fourth 255.
#[target_feature(enable = "avx2")]
#[inline]
fn rgba([red, green, blue]: [__m256i; 3]) -> [__m256i; 4] {
    let opaque = _mm256_set1_epi8(-1);
    let pairs = [_mm256_unpacklo_epi8(red, green), _mm256_unpackhi_epi8(red, green)];
    let others = [_mm256_unpacklo_epi8(blue, opaque), _mm256_unpackhi_epi8(blue, opaque)];
    let a = _mm256_unpacklo_epi16(pairs[0], others[0]);
    let b = _mm256_unpackhi_epi16(pairs[0], others[0]);
    let c = _mm256_unpacklo_epi16(pairs[1], others[1]);
    let d = _mm256_unpackhi_epi16(pairs[1], others[1]);
    [
        _mm256_permute2x128_si256::<0x20>(a, b),
        _mm256_permute2x128_si256::<0x20>(c, d),
        _mm256_permute2x128_si256::<0x31>(a, b),
        _mm256_permute2x128_si256::<0x31>(c, d),
    ]
}
