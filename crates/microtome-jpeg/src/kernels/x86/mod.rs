//! x86-64: SSE2, which all of them have, and AVX2.
//!
//! Two kinds of `unsafe` stand here and below, and no other. Loads and stores of vectors go through functions that take
//! arrays of a vector's size, so that the type proves the access. Functions that need AVX2 are called from the functions of
//! the table that [`avx2`] alone hands out, after it has asked the processor.
#![allow(unsafe_code, reason = "vector loads, vector stores, and calls of functions that need AVX2; see above")]

mod avx2;
mod inverse;
mod sse2;

use super::{Block, Filled, Inverse, Kernels};

/// The portable ones with SSE2's transform.
pub(super) fn sse2(portable: Kernels) -> Kernels {
    // SAFETY: every x86-64 processor has SSE2.
    let inverse: Inverse = |blocks, filled, samples| unsafe { sse2::inverse(blocks, filled, samples) };
    Kernels { name: "SSE2", inverse, ..portable }
}

/// Everything in AVX2, if the processor has it.
pub(super) fn avx2() -> Option<Kernels> {
    // SAFETY (of all calls here): these functions can be reached through this table alone, and it is made only where the
    // processor has AVX2.
    is_x86_feature_detected!("avx2").then(|| Kernels {
        name: "AVX2",
        inverse: |blocks, filled, samples| unsafe { avx2::inverse(blocks, filled, samples) },
        across: |near, out, count| unsafe { avx2::across(near, out, count) },
        both: |rows, out, count| unsafe { avx2::both(rows, out, count) },
        down: |rows, bias, out| unsafe { avx2::down(rows, bias, out) },
        convert: [
            [
                |rows, out| unsafe { avx2::convert::<false, 3>(rows, out) },
                |rows, out| unsafe { avx2::convert::<false, 4>(rows, out) },
            ],
            [
                |rows, out| unsafe { avx2::convert::<true, 3>(rows, out) },
                |rows, out| unsafe { avx2::convert::<true, 4>(rows, out) },
            ],
        ],
    })
}

/// The rows of eight coefficients that may be other than zero, multiplied with their factors later.
fn rows<const ROWS: usize>(values: &[i16; 64]) -> [&[i16; 8]; ROWS] {
    let rows = values.as_chunks::<8>().0;
    std::array::from_fn(|row| &rows[row])
}

/// The eight places of a block's rows of samples.
fn places<'a>(block: &Block<'_>, samples: &'a mut [u8]) -> impl Iterator<Item = &'a mut [u8; 8]> {
    let area = &mut samples[block.start..block.start + 7 * block.stride + 8];
    area.chunks_mut(block.stride).filter_map(|row| row.first_chunk_mut::<8>())
}

/// Makes a block's coefficients zero again.
fn clear(block: &mut Block<'_>, filled: Filled) {
    match filled {
        Filled::Whole => block.coefficients.fill(0),
        Filled::Corner => block.coefficients[..32].fill(0),
    }
}
