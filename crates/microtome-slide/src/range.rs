//! Merging of byte ranges; pure.
//!
//! Objective: fewest requests whose gaps are at most `gap_bytes`, none longer than `longest_bytes` because of merging.
//! Properties: every wanted range lies whole in the merged range it is mapped to; merged ranges start in ascending order;
//! each merged range starts where a wanted one starts and ends where a wanted one ends.

use std::ops::Range;

/// Longest range made by merging, in bytes: the unit of retry, and what one connection carries in about 100 ms.
pub(crate) const LONGEST_RANGE_BYTES: u64 = 8 << 20;

/// The result of [`merge`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Merged {
    /// What to fetch, ascending by start.
    pub ranges: Vec<Range<u64>>,
    /// For each wanted range, in the order given, the index of the merged range that covers it.
    pub covered_by: Vec<usize>,
}

/// Merges wanted ranges whose gap is at most `gap_bytes`, up to `longest_bytes` a merged range.
///
/// A wanted range that is longer than `longest_bytes` stays one range. Overlapping ranges are merged under the same rule.
pub fn merge(wanted: &[Range<u64>], gap_bytes: u64, longest_bytes: u64) -> Merged {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_unstable_by_key(|&index| (wanted[index].start, wanted[index].end));
    let mut merged = Merged { ranges: Vec::new(), covered_by: vec![0; wanted.len()] };
    for index in order {
        let next = &wanted[index];
        match merged.ranges.last_mut() {
            Some(last) if joins(last, next, gap_bytes, longest_bytes) => last.end = last.end.max(next.end),
            _ => merged.ranges.push(next.clone()),
        }
        merged.covered_by[index] = merged.ranges.len() - 1;
    }
    merged
}

/// Whether `next`, which starts at or after `last.start`, may become part of `last`.
fn joins(last: &Range<u64>, next: &Range<u64>, gap_bytes: u64, longest_bytes: u64) -> bool {
    let inside = next.end <= last.end;
    let near = next.start.saturating_sub(last.end) <= gap_bytes;
    inside || (near && next.end.saturating_sub(last.start) <= longest_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_merge_over_small_gaps_only() {
        let merged = merge(&[100..200, 0..50, 250..300, 1000..1100], 50, 1 << 20);
        assert_eq!(merged.ranges, vec![0..300, 1000..1100]);
        assert_eq!(merged.covered_by, vec![0, 0, 0, 1]);
    }

    #[test]
    fn a_long_run_is_split() {
        let merged = merge(&[0..60, 60..120, 120..180], 0, 120);
        assert_eq!(merged.ranges, vec![0..120, 120..180]);
    }

    #[test]
    fn one_longer_than_allowed_stays_whole() {
        assert_eq!(merge(&[0..1000, 2000..2001], 0, 10).ranges, vec![0..1000, 2000..2001]);
    }

    proptest! {
        #[test]
        fn every_wanted_range_is_covered(
            wanted in prop::collection::vec((0u64..5000, 1u64..400), 0..60),
            gap in 0u64..300,
            longest in 1u64..2000,
        ) {
            let wanted: Vec<Range<u64>> = wanted.into_iter().map(|(start, length)| start..start + length).collect();
            let merged = merge(&wanted, gap, longest);
            for (range, &by) in wanted.iter().zip(&merged.covered_by) {
                let cover = &merged.ranges[by];
                prop_assert!(cover.start <= range.start && range.end <= cover.end);
            }
            for cover in &merged.ranges {
                prop_assert!(wanted.iter().any(|range| range.start == cover.start));
                prop_assert!(wanted.iter().any(|range| range.end == cover.end));
                let single = wanted.iter().any(|range| range == cover);
                prop_assert!(single || cover.end - cover.start <= longest);
                for byte in cover.clone() {
                    let wanted_before = wanted.iter().any(|r| r.start <= byte && byte < r.end + gap);
                    prop_assert!(wanted_before, "byte {byte} is neither wanted nor in a gap");
                }
            }
            prop_assert!(merged.ranges.windows(2).all(|pair| pair[0].start <= pair[1].start));
        }

        #[test]
        fn without_overlap_and_gap_nothing_else_is_fetched(lengths in prop::collection::vec((1u64..50, 1u64..50), 0..60)) {
            let mut at = 0;
            let mut wanted = Vec::new();
            for (skip, length) in lengths {
                wanted.push(at + skip..at + skip + length);
                at += skip + length;
            }
            let bytes = |ranges: &[Range<u64>]| ranges.iter().map(|r| r.end - r.start).sum::<u64>();
            prop_assert_eq!(bytes(&merge(&wanted, 0, u64::MAX).ranges), bytes(&wanted));
        }
    }
}
