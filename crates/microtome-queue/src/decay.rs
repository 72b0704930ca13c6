//! How much later usage counts than earlier: G(t) = 2^(t/H), in fixed point.
//!
//! Time is cut into epochs of [`EPOCH`] half-lives. G is 1 at the start of an epoch, so it stays small; at its end every sum is
//! divided by 2^EPOCH. Epochs begin at fixed instants, so it does not matter who asks when.

/// Half-lives of an epoch, and the bits by which sums shrink at its end. What is older than one and a half epochs has lost 48
/// bits: nobody's share depends on it.
pub(crate) const EPOCH: u32 = 32;
/// Binary places of G. Two numbers below 2^63 have a product that fits 128 bits.
pub(crate) const PLACES: u32 = 62;
/// Half-lives beyond this (35,000 years) are this: so long a memory forgets nothing, and one second still tells.
const LONGEST: u64 = 1 << 40;
/// Times are held inside this, so that no sum of two overflows.
const FARTHEST: i64 = 1 << 60;

/// 2^(2^−1), 2^(2^−2), …: each is the square root of the one before.
const ROOTS: [u128; PLACES as usize] = roots();

const fn roots() -> [u128; PLACES as usize] {
    let mut roots = [0; PLACES as usize];
    let mut root: u128 = 2 << PLACES;
    let mut i = 0;
    while i < roots.len() {
        root = (root << PLACES).isqrt();
        roots[i] = root;
        i += 1;
    }
    roots
}

/// A half-life.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decay {
    half_life: i64,
}

impl Decay {
    pub(crate) fn new(half_life_seconds: u64) -> Self {
        Self { half_life: i64::try_from(half_life_seconds.clamp(1, LONGEST)).unwrap_or(1) }
    }

    /// The half-life in seconds, as it is counted.
    pub(crate) fn seconds(self) -> u128 {
        u128::from(self.half_life.unsigned_abs())
    }

    fn epoch_seconds(self) -> i64 {
        self.half_life * i64::from(EPOCH)
    }

    /// The epoch that an instant lies in.
    pub(crate) fn epoch(self, at: i64) -> i64 {
        clamp(at).div_euclid(self.epoch_seconds())
    }

    /// When an epoch begins.
    pub(crate) fn start(self, epoch: i64) -> i64 {
        epoch.saturating_mul(self.epoch_seconds())
    }

    /// G at an instant of the epoch, or at most one half-life after it: 2^((at − start)/H) with [`PLACES`] places.
    pub(crate) fn growth(self, epoch: i64, at: i64) -> u128 {
        let most = self.epoch_seconds() + self.half_life;
        let offset = (clamp(at) - self.start(epoch)).clamp(0, most);
        let (whole, rest) = (offset / self.half_life, offset % self.half_life);
        let fraction = (u128::from(rest.unsigned_abs()) << PLACES) / u128::from(self.half_life.unsigned_abs());
        let mut growth: u128 = 1 << PLACES;
        for (i, root) in ROOTS.iter().enumerate() {
            if fraction >> (PLACES as usize - 1 - i) & 1 == 1 {
                growth = (growth * root) >> PLACES;
            }
        }
        growth << whole
    }

    /// An eighth of the half-life: the longest look-ahead. Far above it keys forget the past.
    pub(crate) fn longest_lookahead(self) -> u64 {
        self.half_life.unsigned_abs() / 8
    }
}

/// An instant that sums with any other without overflow.
pub(crate) fn clamp(at: i64) -> i64 {
    at.clamp(-FARTHEST, FARTHEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_doubles_each_half_life_and_never_falls() {
        for half_life in [1, 2, 7, 3600, 604_800, u64::MAX] {
            let decay = Decay::new(half_life);
            let step = decay.half_life;
            assert_eq!(decay.growth(0, 0), 1 << PLACES);
            assert_eq!(decay.growth(0, step * 3), 8 << PLACES);
            let mut last = 0;
            for at in 0..2_000 {
                let growth = decay.growth(0, at);
                assert!(growth > last || at > 33 * step, "half-life {half_life}, second {at}");
                last = growth;
            }
        }
    }

    #[test]
    fn growth_is_the_power_of_two() {
        let decay = Decay::new(1000);
        for at in [1, 250, 333, 500, 999, 31_999] {
            let (got, wanted) = (decay.growth(0, at) as f64 / (1_u64 << PLACES) as f64, 2_f64.powf(at as f64 / 1000.0));
            assert!((got / wanted - 1.0).abs() < 1e-14, "{at}: {got} {wanted}");
        }
    }

    #[test]
    fn epochs_of_times_before_the_origin_are_epochs_too() {
        let decay = Decay::new(10);
        assert_eq!((decay.epoch(-1), decay.start(-1), decay.growth(-1, -320)), (-1, -320, 1 << PLACES));
        assert_eq!(decay.growth(-1, -310), 2 << PLACES);
        let _ = (decay.growth(decay.epoch(i64::MIN), i64::MIN), decay.growth(decay.epoch(i64::MAX), i64::MAX));
    }
}
