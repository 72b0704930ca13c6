//! Takes blocks as they are read, and transforms them a batch at a time.
//!
//! Blocks are sorted by how many coefficients they have: those of a kind go through one stream of instructions, two or more
//! side by side. Sorting takes no branch, because what a block holds cannot be foretold.

use crate::{
    block::{CELLS, Room},
    kernels::{Batch, Filled, Inverse, Job},
    planes::Plane,
};

/// Coefficients of a block, in zigzag order, that lie in its corner of 4×4.
const IN_CORNER: usize = 10;

/// Blocks of a batch: 4 KiB of coefficients, so that the tables stay in the first cache beside them.
const BLOCKS: usize = 32;

/// The blocks that wait for their transform.
#[derive(Debug)]
pub(crate) struct Rooms {
    /// The coefficients, block by block, and room behind the last.
    coefficients: Box<[i16; (BLOCKS + 1) * CELLS]>,
    /// Blocks so far.
    count: usize,
    /// Blocks with nothing but a DC coefficient, with a corner, with more.
    jobs: [[Job; BLOCKS]; 3],
    counts: [usize; 3],
}

/// What transforming needs beside the coefficients.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    pub(crate) inverse: Inverse,
    /// Factors by component, row by row.
    pub(crate) quantization: &'a [[i16; 64]],
    pub(crate) planes: &'a [Plane],
    pub(crate) samples: &'a mut [u8],
}

impl Default for Rooms {
    fn default() -> Self {
        let coefficients = Box::new([0; (BLOCKS + 1) * CELLS]);
        Self { coefficients, count: 0, jobs: [[Job::default(); BLOCKS]; 3], counts: [0; 3] }
    }
}

impl Rooms {
    /// Forgets all blocks, whatever became of them.
    pub(crate) fn clear(&mut self) {
        self.coefficients.fill(0);
        (self.count, self.counts) = (0, [0; 3]);
    }

    /// The room for the next block; zero but for its first place and the one behind the block.
    #[inline(always)]
    pub(crate) fn room(&mut self) -> &mut Room {
        let start = (self.count & (BLOCKS - 1)) * CELLS;
        // What lies behind the block is the next one's DC coefficient, which is written when that is read.
        self.coefficients[start..].first_chunk_mut().expect("there is room behind the last block")
    }

    /// Takes the block in [`Self::room`], which has so many coefficients.
    #[inline(always)]
    pub(crate) fn take(&mut self, coefficients: usize, component: usize, start: usize, output: &mut Output<'_>) {
        let kind = usize::from(coefficients > 1) + usize::from(coefficients > IN_CORNER);
        let count = self.counts[kind];
        self.jobs[kind][count & (BLOCKS - 1)] = Job { room: self.count * CELLS, component, start };
        self.counts[kind] = count + 1;
        self.count += 1;
        if self.count == BLOCKS {
            self.finish(output);
        }
    }

    /// Transforms the blocks that wait.
    pub(crate) fn finish(&mut self, output: &mut Output<'_>) {
        let [flat, corner, whole] = [0, 1, 2].map(|kind| &self.jobs[kind][..self.counts[kind]]);
        for job in flat {
            let plane = &output.planes[job.component];
            let sample = flat_sample(self.coefficients[job.room], output.quantization[job.component][0]);
            let area = &mut output.samples[job.start..job.start + 7 * plane.stride + 8];
            for row in area.chunks_mut(plane.stride) {
                row[..8].fill(sample);
            }
        }
        for (jobs, filled) in [(corner, Filled::Corner), (whole, Filled::Whole)] {
            let coefficients = &mut *self.coefficients;
            let (quantization, planes) = (output.quantization, output.planes);
            (output.inverse)(Batch { jobs, coefficients, quantization, planes }, filled, output.samples);
        }
        (self.count, self.counts) = (0, [0; 3]);
    }
}

/// All samples of a block with nothing but its DC coefficient: what the transform gives, without it.
fn flat_sample(coefficient: i16, factor: i16) -> u8 {
    // Both passes shift by the fraction bits, and keep 2 bits after the first.
    let kept = (i32::from(coefficient.wrapping_mul(factor)) * 4).clamp(i32::from(i16::MIN), i32::from(i16::MAX));
    (((kept + 16) >> 5).clamp(-128, 127) + 128) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Kernels;

    /// Transforms blocks of one value each, at `at`, side by side.
    fn transform(blocks: &[(usize, usize, i16)], kernels: Kernels) -> Vec<u8> {
        let mut samples = vec![0; 8 * 8 * blocks.len()];
        let planes = [Plane::of_stride(blocks.len() * 8); 2];
        let quantization = &[[3; 64], [-20_000; 64]];
        let mut output = Output { inverse: kernels.inverse, quantization, planes: &planes, samples: &mut samples };
        let mut rooms = Rooms::default();
        for (column, (coefficients, at, value)) in blocks.iter().enumerate() {
            rooms.room()[0] = 0;
            rooms.room()[*at] = *value;
            rooms.room()[64] = 77;
            rooms.take(*coefficients, column % 2, column * 8, &mut output);
        }
        rooms.finish(&mut output);
        samples
    }

    #[test]
    fn every_block_comes_to_its_place_in_whatever_company() {
        let some =
            [(1, 0, 90), (64, 63, 50), (9, 16, -40), (64, 9, 7), (3, 1, 30), (10, 8, -3), (1, 0, -5), (64, 7, 20)];
        // More than two batches.
        let blocks: Vec<_> = some.into_iter().cycle().take(75).collect();
        for kernels in Kernels::all() {
            let together = transform(&blocks, kernels);
            for (column, block) in blocks.iter().enumerate() {
                // Alone, transformed as a whole, on the same component.
                let whole = (64, block.1, block.2);
                let alone = transform(&[(1, 0, 0), whole][1 - column % 2..], kernels);
                let (width, all) = (alone.len() / 8, together.len() / 8);
                for row in 0..8 {
                    let start = row * all + column * 8;
                    assert_eq!(together[start..start + 8], alone[(row + 1) * width - 8..][..8], "{column}, {row}");
                }
            }
        }
    }

    #[test]
    fn flat_blocks_are_what_the_transform_makes_of_them() {
        for value in (i16::MIN..=i16::MAX).step_by(97) {
            assert_eq!(
                transform(&[(1, 0, value)], Kernels::portable()),
                transform(&[(64, 0, value)], Kernels::portable())
            );
        }
    }
}
