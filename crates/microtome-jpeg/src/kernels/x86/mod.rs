//! x86-64: SSE2, which all of them have, and AVX2.
//!
//! Two kinds of `unsafe` stand here and below, and no other. Loads and stores of vectors go through functions that take
//! arrays of a vector's size, so that the type proves the access. Functions that need AVX2 are called from the functions of
//! the table that [`avx2`] alone hands out, after it has asked the processor.
#![allow(unsafe_code, reason = "vector loads, vector stores, and calls of functions that need AVX2; see above")]

mod avx2;
mod inverse;
mod sse2;

use std::arch::x86_64::{__m128i, _mm_cvtsi128_si64, _mm_unpackhi_epi64};

use super::{Batch, Filled, Inverse, Job, Kernels};

/// The portable ones with SSE2's transform.
pub(super) fn sse2(portable: Kernels) -> Kernels {
    // SAFETY: every x86-64 processor has SSE2.
    let inverse: Inverse = |batch, filled, samples| unsafe { sse2::inverse(batch, filled, samples) };
    Kernels { name: "SSE2", inverse, ..portable }
}

/// Everything in AVX2, if the processor has it.
pub(super) fn avx2() -> Option<Kernels> {
    // SAFETY (of all calls here): these functions can be reached through this table alone, and it is made only where the
    // processor has AVX2.
    is_x86_feature_detected!("avx2").then(|| Kernels {
        name: "AVX2",
        inverse: |batch, filled, samples| unsafe { avx2::inverse(batch, filled, samples) },
        across: |near, out, count| unsafe { avx2::across(near, out, count) },
        both: |near, far, out, count| unsafe { avx2::both(near, far, out, count) },
        down: |near, far, bias, out| unsafe { avx2::down(near, far, bias, out) },
        convert: [
            [
                |first, second, third, out| unsafe { avx2::convert::<false, 3>(first, second, third, out) },
                |first, second, third, out| unsafe { avx2::convert::<false, 4>(first, second, third, out) },
            ],
            [
                |first, second, third, out| unsafe { avx2::convert::<true, 3>(first, second, third, out) },
                |first, second, third, out| unsafe { avx2::convert::<true, 4>(first, second, third, out) },
            ],
        ],
    })
}

/// Rows of eight coefficients, or of their factors.
#[inline(always)]
fn rows<const ROWS: usize>(values: &[i16; 64]) -> [&[i16; 8]; ROWS] {
    let rows = values.as_chunks::<8>().0;
    std::array::from_fn(|row| &rows[row])
}

/// Writes a block's samples: two rows in each vector.
#[inline(always)]
fn put(rows: [__m128i; 4], job: &Job, batch: &Batch<'_>, samples: &mut [u8]) {
    let stride = batch.planes[job.component].stride;
    let area = &mut samples[job.start..][..7 * stride + 8];
    for (at, rows) in rows.into_iter().enumerate() {
        // SAFETY: every x86-64 processor has SSE2.
        let pair = unsafe { [_mm_cvtsi128_si64(rows), _mm_cvtsi128_si64(_mm_unpackhi_epi64(rows, rows))] };
        for (at, row) in pair.into_iter().enumerate().map(|(odd, row)| (2 * at + odd, row)) {
            area[at * stride..][..8].copy_from_slice(&row.to_le_bytes());
        }
    }
}

/// Makes a block's coefficients zero again.
#[inline(always)]
fn clear(room: &mut [i16; 64], filled: Filled) {
    match filled {
        Filled::Whole => room.fill(0),
        Filled::Corner => room[..32].fill(0),
    }
}
