//! The arithmetic on samples: inverse transform, upsampling, colour. One table of functions a kind of processor.
//!
//! `portable` says what each function does, in safe code; the others give the same bytes for all input, and hold the crate's
//! only `unsafe`. The choice is made once, in [`Kernels::best`]. Under Miri it is always `portable`.

mod portable;
#[cfg(all(target_arch = "x86_64", not(miri)))]
mod x86;

use crate::{
    planes::Plane,
    region::{ColorTransform, PixelFormat},
};

/// A block on its way to samples.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Job {
    /// The first of its coefficients.
    pub(crate) room: usize,
    pub(crate) component: usize,
    /// The first of its samples.
    pub(crate) start: usize,
}

/// Blocks of a kind.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) jobs: &'a [Job],
    /// Row by row; those of the blocks are zero afterwards.
    pub(crate) coefficients: &'a mut [i16],
    /// By component, row by row, as factors modulo 2^16.
    pub(crate) quantization: &'a [[i16; 64]],
    /// Say how far apart rows of samples are, by component.
    pub(crate) planes: &'a [Plane],
}

impl Batch<'_> {
    /// A block's coefficients, to be read.
    #[inline(always)]
    fn peek(&self, job: &Job) -> &[i16; 64] {
        self.coefficients[job.room..].first_chunk().expect("a job's coefficients are there")
    }

    /// A block's coefficients.
    #[inline(always)]
    fn room(&mut self, job: &Job) -> &mut [i16; 64] {
        self.coefficients[job.room..].first_chunk_mut().expect("a job's coefficients are there")
    }
}

/// How many of a block's coefficients may be other than zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    /// All.
    Whole,
    /// The first four of the first four rows.
    Corner,
}

/// Transforms blocks. The samples are those of libjpeg's `islow`: two passes in 13-bit fixed point.
pub(crate) type Inverse = fn(Batch<'_>, Filled, &mut [u8]);

/// Makes two samples of each, weighted 3:1 with its neighbours. The input starts one before the first. It has one sample more
/// behind the last, and input and output may be used up to the next multiple of [`STEP`] samples of input.
pub(crate) type Across = fn(&[u8], &mut [u8], usize);

/// As [`Across`], of samples that are themselves weighted 3:1 of a near and a far row.
///
/// Rows come one by one, here and below: an array of slices is written to memory for a call, and read back before it is there.
pub(crate) type Both = fn(&[u8], &[u8], &mut [u8], usize);

/// Weights a near and a far row 3:1; rounds by adding a bias of 1 or 2. Exactly as long as the output.
pub(crate) type Down = fn(&[u8], &[u8], u8, &mut [u8]);

/// Converts rows of three components to a row of pixels. Writes the pixels and nothing behind them; the rows are at least as
/// long, rounded up to [`WIDE`].
pub(crate) type Convert = fn(&[u8], &[u8], &[u8], &mut [u8]);

/// Samples of input that upsampling may use at a time.
pub(crate) const STEP: usize = 16;

/// Pixels that conversion may look at at a time.
pub(crate) const WIDE: usize = 32;

/// The functions for one kind of processor.
#[derive(Debug, Clone, Copy)]
pub struct Kernels {
    name: &'static str,
    pub(crate) inverse: Inverse,
    pub(crate) across: Across,
    pub(crate) both: Both,
    pub(crate) down: Down,
    /// By [`ColorTransform`], then by [`PixelFormat`].
    convert: [[Convert; 2]; 2],
}

impl Kernels {
    /// Those that run anywhere.
    pub fn portable() -> Self {
        Self {
            name: "portable",
            inverse: portable::inverse,
            across: portable::across,
            both: portable::both,
            down: portable::down,
            convert: [
                [portable::convert::<false, 3>, portable::convert::<false, 4>],
                [portable::convert::<true, 3>, portable::convert::<true, 4>],
            ],
        }
    }

    /// All that this processor can run, best first.
    pub fn all() -> Vec<Self> {
        let portable = Self::portable();
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        let all = [x86::avx2(), Some(x86::sse2(portable)), Some(portable)].into_iter().flatten().collect();
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let all = vec![portable];
        all
    }

    /// The best that this processor can run.
    pub fn best() -> Self {
        Self::all().first().copied().unwrap_or_else(Self::portable)
    }

    /// What they are made for.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn convert(&self, transform: ColorTransform, format: PixelFormat) -> Convert {
        self.convert[usize::from(transform == ColorTransform::YCbCr)][usize::from(format == PixelFormat::Rgba)]
    }
}

#[cfg(test)]
mod tests;
