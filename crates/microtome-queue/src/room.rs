//! What is free, slot by slot, so kept that first fit need not look at every slot.
//!
//! Of each block of slots it is known that none has more free of anything than so much. Where not even that is enough for a pod, the
//! block is passed by. The bound may be too high, never too low: taking leaves it, giving back raises it, and a block that was
//! searched in vain gets its own again. So the answer is that of looking at one slot after the other.

use std::ops::Range;

use crate::amounts::Matrix;
use crate::fit;

/// To search a block costs about as much as to pass by so many.
const BLOCK: usize = 16;

/// Free amounts by slot.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    free: Matrix,
    /// By block and column: no slot of it has more.
    most: Matrix,
}

impl Room {
    pub(crate) fn new(free: Matrix) -> Self {
        let mut most = Matrix::new(0, free.columns());
        for block in 0..free.rows().div_ceil(BLOCK) {
            most.push(&free.peak_of(slots(block, free.rows())));
        }
        Self { free, most }
    }

    pub(crate) fn rows(&self) -> usize {
        self.free.rows()
    }

    pub(crate) fn row(&self, slot: usize) -> &[i128] {
        self.free.row(slot)
    }

    /// The most of each column.
    pub(crate) fn peak(&self) -> Vec<i128> {
        self.free.peak_of(0..self.free.rows())
    }

    /// The sum of all slots but those of nodes that are down.
    pub(crate) fn total(&self) -> Vec<i128> {
        self.free.total()
    }

    pub(crate) fn subtract(&mut self, slot: usize, amounts: &[i128]) {
        self.free.subtract(slot, amounts);
    }

    pub(crate) fn add(&mut self, slot: usize, amounts: &[i128]) {
        self.free.add(slot, amounts);
        self.raise(slot);
    }

    /// So many pods go there.
    pub(crate) fn take(&mut self, slot: usize, needs: &[(usize, i128)], count: u64) {
        let free = self.free.row_mut(slot);
        needs.iter().for_each(|&(column, wanted)| free[column] -= wanted * i128::from(count));
    }

    /// So many pods are gone from there.
    pub(crate) fn give(&mut self, slot: usize, needs: &[(usize, i128)], count: u64) {
        let free = self.free.row_mut(slot);
        needs.iter().for_each(|&(column, wanted)| free[column] += wanted * i128::from(count));
        self.raise(slot);
    }

    /// No slot has more than this in it.
    pub(crate) fn lower_to(&mut self, slot: usize, bound: &[i128]) {
        self.free.row_mut(slot).iter_mut().zip(bound).for_each(|(free, bound)| *free = (*free).min(*bound));
    }

    /// The first slot of some in which a pod fits.
    pub(crate) fn first(&mut self, among: Range<usize>, needs: &[(usize, i128)]) -> Option<usize> {
        let mut at = among.start;
        while at < among.end {
            let block = at / BLOCK;
            let all = slots(block, self.free.rows());
            let end = all.end.min(among.end);
            if fit::fits(self.most.row(block), needs) {
                if let Some(slot) = (at..end).find(|&slot| fit::fits(self.free.row(slot), needs)) {
                    return Some(slot);
                }
                if (at..end) == all {
                    self.most.row_mut(block).copy_from_slice(&self.free.peak_of(all));
                }
            }
            at = end;
        }
        None
    }

    fn raise(&mut self, slot: usize) {
        let most = self.most.row_mut(slot / BLOCK);
        most.iter_mut().zip(self.free.row(slot)).for_each(|(most, free)| *most = (*most).max(*free));
    }
}

/// The slots of a block.
fn slots(block: usize, rows: usize) -> Range<usize> {
    block * BLOCK..((block + 1) * BLOCK).min(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Column 0 is that of nodes that are down.
    fn room(free: &[i128]) -> Room {
        let mut matrix = Matrix::new(0, 2);
        free.iter().for_each(|&free| matrix.push(&[0, free]));
        Room::new(matrix)
    }

    #[test]
    fn the_first_slot_is_that_of_looking_at_each() {
        // A multiplier and a modulus without a common factor: every amount comes, in no order.
        let mut number: u64 = 1;
        let mut next = |below: u64| {
            number = number * 48_271 % 2_147_483_647;
            number % below
        };
        let mut room = room(&[3; 75]);
        for _ in 0..20_000 {
            let (slot, amount) = (usize::try_from(next(75)).unwrap_or(0), i128::from(next(3)));
            match next(4) {
                0 => room.take(slot, &[(1, amount)], 1),
                1 if room.row(slot)[1] < 3 => room.give(slot, &[(1, 1)], 1),
                2 => room.subtract(slot, &[0, i128::from(room.row(slot)[1] > 0)]),
                _ if room.row(slot)[1] < 2 => room.add(slot, &[0, 1]),
                _ => {}
            }
            let (start, wanted) = (usize::try_from(next(75)).unwrap_or(0), i128::from(1 + next(3)));
            let plain = (start..75).find(|&slot| room.row(slot)[1] >= wanted);
            assert_eq!(room.first(start..75, &[(1, wanted)]), plain);
        }
    }
}
