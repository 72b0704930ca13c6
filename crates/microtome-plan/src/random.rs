//! The frozen random numbers: ChaCha8 keyed by SHA-256 of a purpose and its numbers.
//!
//! A stream that was begun with one version must go on with the next, so neither the generator, nor the key, nor the way
//! in which a bounded number is drawn may change without a new [`VERSION`].

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// Part of every key and of every digest: a new one is a new stream.
pub const VERSION: u32 = 1;

/// A source of random numbers for one purpose.
#[derive(Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The generator for `purpose` and the numbers that make it unique, say seed, epoch and lane.
    pub fn new(purpose: &str, numbers: &[u64]) -> Self {
        let mut key = Sha256::new();
        key.update(VERSION.to_le_bytes());
        key.update((purpose.len() as u64).to_le_bytes());
        key.update(purpose.as_bytes());
        for number in numbers {
            key.update(number.to_le_bytes());
        }
        Self(ChaCha8Rng::from_seed(key.finalize().into()))
    }

    /// A uniform number in `0..bound`; 0 where `bound` is 0.
    ///
    /// Lemire's method: the high half of a 64 × 64 bit product, drawn again where the low half would favour some numbers
    /// (<https://arxiv.org/abs/1805.10941>).
    pub fn below(&mut self, bound: u64) -> u64 {
        let unfair = if bound == 0 { 0 } else { bound.wrapping_neg() % bound };
        loop {
            let product = u128::from(self.0.next_u64()) * u128::from(bound);
            if product as u64 >= unfair {
                return (product >> 64) as u64;
            }
        }
    }

    /// Fisher–Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These numbers are the contract: if this test fails, running jobs would see another stream.
    #[test]
    fn the_numbers_are_frozen() {
        let mut random = Random::new("test", &[7, 1]);
        let drawn: Vec<u64> = (0..6).map(|_| random.below(1000)).collect();
        assert_eq!(drawn, FROZEN);
    }
    const FROZEN: [u64; 6] = [581, 135, 760, 91, 86, 751];

    #[test]
    fn purposes_and_numbers_are_kept_apart() {
        let first = |purpose, numbers: &[u64]| Random::new(purpose, numbers).below(u64::MAX);
        assert_ne!(first("ab", &[1]), first("a", &[1]));
        assert_ne!(first("a", &[1, 2]), first("a", &[2, 1]));
        assert_eq!(first("a", &[3]), first("a", &[3]));
    }

    #[test]
    fn every_number_below_the_bound_is_drawn_about_equally() {
        let mut random = Random::new("uniform", &[]);
        let mut counts = [0_u32; 6];
        for _ in 0..60_000 {
            counts[random.below(6) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    }
}
