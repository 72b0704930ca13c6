//! Which rows of a step each rank of a distributed training takes.
//!
//! The step is the same for every number of ranks; rank r takes the r-th of W equal runs of rows. So W must divide the batch
//! size. An epoch's last batch may be smaller; its runs differ by at most one row, and every rank still takes every step.

use std::num::NonZeroU64;
use std::ops::Range;

/// The ranks of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranks {
    world: NonZeroU64,
}

/// A batch cannot be shared by so many ranks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("batchSize: {batch} is no multiple of the {world} ranks that share a batch; take {below} or {above}")]
pub struct RankError {
    batch: u64,
    world: u64,
    below: u64,
    above: u64,
}

impl RankError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &'static str {
        "InvalidDataset"
    }
}

impl Ranks {
    /// Ranks that share batches of `batch` patches.
    pub fn new(batch: u64, world: NonZeroU64) -> Result<Self, RankError> {
        if batch % world == 0 && batch > 0 {
            return Ok(Self { world });
        }
        let below = (batch / world).max(1) * world.get();
        Err(RankError { batch, world: world.get(), below, above: batch.div_ceil(world.get()).max(1) * world.get() })
    }

    /// How many there are.
    pub fn world(self) -> NonZeroU64 {
        self.world
    }

    /// The rows of a step of `patches` patches that a rank takes.
    pub fn rows(self, rank: u64, patches: u64) -> Range<u64> {
        let start = |rank: u64| patches * rank.min(self.world.get()) / self.world;
        start(rank)..start(rank + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_ranks_rows_are_the_step_whatever_their_number(rows in 1_u64..40, world in 1_u64..9, short in 0_u64..40) {
            let batch = rows * world;
            let ranks = Ranks::new(batch, NonZeroU64::new(world).unwrap()).unwrap();
            for patches in [batch, short.min(batch)] {
                let taken: Vec<u64> = (0..world).flat_map(|rank| ranks.rows(rank, patches)).collect();
                prop_assert_eq!(taken, (0..patches).collect::<Vec<_>>());
                let lengths = (0..world).map(|rank| ranks.rows(rank, patches).count());
                let (least, most) = (lengths.clone().min().unwrap(), lengths.max().unwrap());
                prop_assert!(most - least <= u64::from(patches != batch) as usize);
            }
        }
    }

    #[test]
    fn a_batch_that_cannot_be_shared_is_refused_with_what_could() {
        let error = Ranks::new(50, NonZeroU64::new(4).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "batchSize: 50 is no multiple of the 4 ranks that share a batch; take 48 or 52");
        assert!(Ranks::new(50, NonZeroU64::new(2).unwrap()).is_ok());
    }
}
