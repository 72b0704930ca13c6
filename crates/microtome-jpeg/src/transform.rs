//! Takes blocks as they are read and transforms them two by two.
//!
//! Blocks are sorted by how many coefficients they have, because two of a kind go through one instruction stream; a block
//! waits for its partner in its room, and a third room takes the block that is being read.

use crate::{
    block::Room,
    kernels::{Block, Filled, Inverse},
};

/// Coefficients of a block, in zigzag order, that lie in its corner of 4×4.
const IN_CORNER: usize = 10;

/// Where a block's samples go, and the component it is of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) component: usize,
    pub(crate) start: usize,
    pub(crate) stride: usize,
}

/// Rooms for coefficients, and the blocks that wait in them.
#[derive(Debug)]
pub(crate) struct Rooms {
    rooms: [Room; 3],
    /// The room of the block that is being read.
    free: usize,
    whole: Option<(usize, Place)>,
    corner: Option<(usize, Place)>,
}

/// What transforming needs beside the coefficients.
#[derive(Debug)]
pub(crate) struct Output<'a> {
    pub(crate) inverse: Inverse,
    /// Factors by component, row by row.
    pub(crate) quantization: &'a [[i16; 64]],
    pub(crate) samples: &'a mut [u8],
}

impl Default for Rooms {
    fn default() -> Self {
        Self { rooms: [[0; 128]; 3], free: 0, whole: None, corner: None }
    }
}

impl Rooms {
    /// The room for the next block; zero but for its first place and the one behind the block.
    #[inline(always)]
    pub(crate) fn room(&mut self) -> &mut Room {
        &mut self.rooms[self.free]
    }

    /// Takes the block in [`Self::room`], which has so many coefficients.
    #[inline(always)]
    pub(crate) fn take(&mut self, coefficients: usize, place: Place, output: &mut Output<'_>) {
        if coefficients <= 1 {
            flat(self.rooms[self.free][0], place, output);
            return;
        }
        let filled = if coefficients <= IN_CORNER { Filled::Corner } else { Filled::Whole };
        let waiting = match filled {
            Filled::Corner => &mut self.corner,
            Filled::Whole => &mut self.whole,
        };
        let this = (self.free, place);
        match waiting.take() {
            Some(other) => self.transform(other, this, filled, output),
            None => {
                *waiting = Some(this);
                let taken = |room: usize| [self.whole, self.corner].iter().flatten().any(|(taken, _)| *taken == room);
                self.free = (0..3).find(|room| !taken(*room)).unwrap_or_default();
            }
        }
    }

    /// Transforms the blocks that still wait.
    pub(crate) fn finish(&mut self, output: &mut Output<'_>) {
        for (waiting, filled) in [(self.whole.take(), Filled::Whole), (self.corner.take(), Filled::Corner)] {
            if let Some((room, place)) = waiting {
                // The free room's block has no coefficients; it goes to the same place, first.
                self.rooms[self.free][0] = 0;
                self.transform((self.free, place), (room, place), filled, output);
            }
        }
    }

    fn transform(&mut self, one: (usize, Place), other: (usize, Place), filled: Filled, output: &mut Output<'_>) {
        let Ok(rooms) = self.rooms.get_disjoint_mut([one.0, other.0]) else { return };
        let [Some(first), Some(second)] = rooms.map(|room| room.first_chunk_mut()) else { return };
        let block = |coefficients, place: Place| Block {
            coefficients,
            quantization: &output.quantization[place.component],
            start: place.start,
            stride: place.stride,
        };
        (output.inverse)([block(first, one.1), block(second, other.1)], filled, output.samples);
        self.free = other.0;
    }
}

/// A block with nothing but its DC coefficient: all its samples are the same. What the transform gives, without it.
#[inline(always)]
fn flat(coefficient: i16, place: Place, output: &mut Output<'_>) {
    let value = coefficient.wrapping_mul(output.quantization[place.component][0]);
    // Both passes shift by the fraction bits, and keep 2 bits after the first.
    let kept = (i32::from(value) * 4).clamp(i32::from(i16::MIN), i32::from(i16::MAX));
    let sample = (((kept + 16) >> 5).clamp(-128, 127) + 128) as u8;
    let area = &mut output.samples[place.start..place.start + 7 * place.stride + 8];
    for row in area.chunks_mut(place.stride) {
        row[..8].fill(sample);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Kernels;

    /// Transforms blocks of one value each, at `at`, side by side.
    fn transform(blocks: &[(usize, usize, i16)], kernels: Kernels) -> Vec<u8> {
        let mut samples = vec![0; 8 * 8 * blocks.len()];
        let mut output =
            Output { inverse: kernels.inverse, quantization: &[[3; 64], [-20_000; 64]], samples: &mut samples };
        let mut rooms = Rooms::default();
        for (column, (coefficients, at, value)) in blocks.iter().enumerate() {
            rooms.room()[0] = 0;
            rooms.room()[*at] = *value;
            rooms.room()[64] = 77;
            let place = Place { component: column % 2, start: column * 8, stride: blocks.len() * 8 };
            rooms.take(*coefficients, place, &mut output);
        }
        rooms.finish(&mut output);
        samples
    }

    #[test]
    fn every_block_comes_to_its_place_in_whatever_company() {
        let blocks =
            [(1, 0, 90), (64, 63, 50), (9, 16, -40), (64, 9, 7), (3, 1, 30), (10, 8, -3), (1, 0, -5), (64, 7, 20)];
        for kernels in Kernels::all() {
            let together = transform(&blocks, kernels);
            for (column, block) in blocks.iter().enumerate() {
                // Alone, transformed as a whole, on the same component.
                let whole = (64, block.1, block.2);
                let alone = transform(&[(1, 0, 0), whole][1 - column % 2..], kernels);
                let width = alone.len() / 8;
                for row in 0..8 {
                    let start = row * 64 + column * 8;
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
