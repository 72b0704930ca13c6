//! SSE2: the inverse transform of one block after the other.

use std::arch::x86_64::{
    __m128i as V, _mm_add_epi32 as add_32, _mm_loadu_si128, _mm_madd_epi16 as madd, _mm_mullo_epi16,
    _mm_packs_epi16 as pack_16, _mm_packs_epi32 as pack_32, _mm_set1_epi8 as set8, _mm_set1_epi32 as set32,
    _mm_srai_epi32 as shift_right_32, _mm_sub_epi32 as sub_32, _mm_unpackhi_epi8 as unpack_high_8,
    _mm_unpackhi_epi16 as unpack_high_16, _mm_unpackhi_epi32 as unpack_high_32, _mm_unpackhi_epi64 as unpack_high_64,
    _mm_unpacklo_epi8 as unpack_low_8, _mm_unpacklo_epi16 as unpack_low_16, _mm_unpacklo_epi32 as unpack_low_32,
    _mm_unpacklo_epi64 as unpack_low_64, _mm_xor_si128 as xor,
};

use super::{Batch, Filled, clear, inverse::inverse_transform, put, rows};

inverse_transform!("sse2");

#[target_feature(enable = "sse2")]
#[inline]
fn load(from: &[i16; 8]) -> V {
    // SAFETY: 16 bytes are there, and the load needs no alignment.
    unsafe { _mm_loadu_si128(from.as_ptr().cast()) }
}

#[target_feature(enable = "sse2")]
#[inline]
fn dequantized<const ROWS: usize>(coefficients: &[i16; 64], factors: &[i16; 64]) -> [V; ROWS] {
    let mut vectors = [set32(0); ROWS];
    let rows = rows::<ROWS>(coefficients).into_iter().zip(rows::<ROWS>(factors));
    for (vector, (coefficients, factors)) in vectors.iter_mut().zip(rows) {
        *vector = _mm_mullo_epi16(load(coefficients), load(factors));
    }
    vectors
}

#[target_feature(enable = "sse2")]
pub(super) fn inverse(mut batch: Batch<'_>, filled: Filled, samples: &mut [u8]) {
    for job in batch.jobs {
        let factors = &batch.quantization[job.component];
        let room = batch.room(job);
        let rows = match filled {
            Filled::Whole => whole(dequantized(room, factors)),
            Filled::Corner => corner(dequantized(room, factors)),
        };
        clear(room, filled);
        put(rows, job, &batch, samples);
    }
}
