//! A cache of compressed bytes, so that neighbouring requests do not fetch the same tiles again.
//!
//! It keeps merged ranges as they were fetched, keyed by URL, ETag and bytes, not single tiles: the tiles in the gaps that
//! were fetched along are wanted sooner or later, and a tile cut out of its range would keep the whole range in memory
//! without being counted for it. Ranges count from the moment they are asked for, so that the limit holds while they
//! arrive. A range that two tasks want is fetched by one of them.

use std::{
    fmt,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::extents::{BlobKey, Extent, Extents};
use crate::range::{LONGEST_RANGE_BYTES, Merged, merge};

/// Compressed bytes of slides, the least recently used dropped first. Cheap to clone; clones share what is held.
#[derive(Clone)]
pub struct RangeCache {
    limit_bytes: u64,
    extents: Arc<Mutex<Extents>>,
}

/// The extents that together hold some wanted ranges.
pub(super) struct Claim {
    pub(super) extents: Vec<Extent>,
    /// For each wanted range, in the order given, the index of the extent that holds it.
    pub(super) covered_by: Vec<usize>,
}

impl RangeCache {
    /// A cache of at most so many bytes.
    pub fn new(limit_bytes: u64) -> Self {
        Self { limit_bytes, extents: Arc::default() }
    }

    /// Bytes that are held or on their way.
    pub fn bytes(&self) -> u64 {
        self.lock().bytes()
    }

    /// The extents for wanted ranges: those that are held, and new ones for the rest, which from now on others find too.
    pub(super) fn claim(&self, key: &BlobKey, wanted: &[Range<u64>], gap_bytes: u64) -> Claim {
        let mut extents = self.lock();
        let found: Vec<Option<Extent>> = wanted.iter().map(|range| extents.find(key, range)).collect();
        let absent = wanted.iter().zip(&found).filter(|(_, found)| found.is_none());
        let mut missing: Vec<Range<u64>> = absent.map(|(range, _)| range.clone()).collect();
        missing.sort_unstable_by_key(|range| (range.start, range.end));
        let fresh: Vec<Extent> = extents.merge_around(key, &missing, gap_bytes).into_iter().map(Extent::new).collect();
        let key = Arc::new(key.clone());
        for extent in &fresh {
            extents.insert(&key, extent.clone(), self.limit_bytes);
        }
        Claim::of(wanted, found, fresh)
    }

    fn lock(&self) -> MutexGuard<'_, Extents> {
        self.extents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RangeCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RangeCache({} of {} bytes)", self.bytes(), self.limit_bytes)
    }
}

impl Claim {
    /// Extents that nobody else knows.
    pub(super) fn uncached(wanted: &[Range<u64>], gap_bytes: u64) -> Self {
        let Merged { ranges, covered_by } = merge(wanted, gap_bytes, LONGEST_RANGE_BYTES);
        Self { extents: ranges.into_iter().map(Extent::new).collect(), covered_by }
    }

    /// Each wanted range with what was found for it, or else one of the fresh extents, which are ascending.
    fn of(wanted: &[Range<u64>], found: Vec<Option<Extent>>, fresh: Vec<Extent>) -> Self {
        let mut claim = Self { extents: fresh, covered_by: Vec::with_capacity(wanted.len()) };
        let fresh = claim.extents.len();
        for (range, found) in wanted.iter().zip(found) {
            let by = match found {
                None => claim.fresh_for(range, fresh),
                // Neighbouring tiles mostly lie in the same extent.
                Some(extent) => match claim.extents[fresh..].iter().rposition(|known| known.range == extent.range) {
                    Some(index) => fresh + index,
                    None => {
                        claim.extents.push(extent);
                        claim.extents.len() - 1
                    }
                },
            };
            claim.covered_by.push(by);
        }
        claim
    }

    /// The one of the first `fresh` extents that holds `range`: the last that starts at or before it, or one further back
    /// where wanted ranges overlap.
    fn fresh_for(&self, range: &Range<u64>, fresh: usize) -> usize {
        let after = self.extents[..fresh].partition_point(|extent| extent.range.start <= range.start);
        let holds = |extent: &Extent| extent.range.end >= range.end;
        self.extents[..after].iter().rposition(holds).expect("each missing range was merged into a fresh extent")
    }
}
