//! How long something waits before it is tried again: longer each time, up to a bound.

use jiff::SignedDuration;

/// Doubling stops to matter long before.
const MOST_DOUBLINGS: i32 = 10;

/// A wait that doubles.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first: SignedDuration,
    longest: SignedDuration,
}

/// After a program failed, as batch/v1 does it.
pub(crate) const FAILED: Backoff = Backoff::seconds(10, 360);
/// After a disruption, which says nothing about the next one.
pub(crate) const DISRUPTED: Backoff = Backoff::seconds(1, 60);
/// After the pods of a cluster found no node.
pub(crate) const NOT_PROVISIONED: Backoff = Backoff::seconds(60, 3600);

impl Backoff {
    const fn seconds(first: i64, longest: i64) -> Self {
        Self { first: SignedDuration::from_secs(first), longest: SignedDuration::from_secs(longest) }
    }

    /// The wait after so many earlier ones.
    pub(crate) fn after(self, earlier: i32) -> SignedDuration {
        self.first.saturating_mul(1 << earlier.clamp(0, MOST_DOUBLINGS)).min(self.longest)
    }
}
