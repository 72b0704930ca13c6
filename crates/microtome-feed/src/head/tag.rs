//! Lease numbers of several datasets on one connection: the dataset in the upper bits, its own number below.

use crate::wire::feed::Lease;

/// A dataset's place in the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(pub(super) u16);

/// A dataset has fewer leases than this.
const BITS: u32 = 48;

impl Tag {
    /// Whether it is the dataset that tells what is the same for all, such as which workers there are.
    pub(super) fn is_first(self) -> bool {
        self.0 == 0
    }

    /// The lease under the number that workers know it by.
    pub(super) fn mark(self, lease: Lease) -> Lease {
        Lease { lease: lease.lease | u64::from(self.0) << BITS, ..lease }
    }

    /// Whose lease it is, and its number there.
    pub(super) fn of(lease: u64) -> (usize, u64) {
        ((lease >> BITS) as usize, lease & ((1 << BITS) - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_lease_finds_its_dataset() {
        let lease = Tag(3).mark(Lease { lease: 12, ..Lease::default() });
        assert_eq!(Tag::of(lease.lease), (3, 12));
        assert_eq!(Tag::of(12), (0, 12));
    }
}
