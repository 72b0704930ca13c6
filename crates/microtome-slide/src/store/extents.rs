//! Which byte ranges of which blobs are held or being fetched: least recently used first out; no IO, no waiting.
//!
//! Properties: extents of one blob that were planned together or after each other do not overlap unless the wanted ranges
//! do; the bytes of all extents stay within the limit.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::Arc,
};

use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::{
    SlideUrl,
    range::{LONGEST_RANGE_BYTES, merge},
};

/// One version of a blob: its URL and ETag.
pub(super) type BlobKey = (SlideUrl, String);

/// Bytes of a blob, here or on their way. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Extent {
    pub(super) range: Range<u64>,
    /// Empty until the first task that needs it has fetched it.
    pub(super) body: Arc<OnceCell<Bytes>>,
}

impl Extent {
    pub(super) fn new(range: Range<u64>) -> Self {
        Self { range, body: Arc::default() }
    }

    fn length(&self) -> u64 {
        self.range.end - self.range.start
    }
}

/// An extent, and the turn in which it was last used.
#[derive(Debug)]
struct Held {
    extent: Extent,
    turn: u64,
}

/// The extents of all blobs.
#[derive(Debug, Default)]
pub(super) struct Extents {
    blobs: HashMap<Arc<BlobKey>, BTreeMap<u64, Held>>,
    /// By turn of last use: blob and start.
    turns: BTreeMap<u64, (Arc<BlobKey>, u64)>,
    turn: u64,
    bytes: u64,
}

impl Extents {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The extent that holds all of `range`, if there is one; it counts as used.
    pub(super) fn find(&mut self, key: &BlobKey, range: &Range<u64>) -> Option<Extent> {
        let (key, held) = self.blobs.get_key_value(key).map(|(key, _)| key.clone()).and_then(|key| {
            let held = self.blobs.get_mut(&key)?.range_mut(..=range.start).next_back()?.1;
            Some((key, held))
        })?;
        if held.extent.range.end < range.end {
            return None;
        }
        self.turns.remove(&held.turn);
        self.turn += 1;
        held.turn = self.turn;
        self.turns.insert(self.turn, (key, held.extent.range.start));
        Some(held.extent.clone())
    }

    /// Merges ranges that no extent holds, ascending by start, but never across an extent: what is held is not fetched
    /// again to save a request.
    pub(super) fn merge_around(&self, key: &BlobKey, missing: &[Range<u64>], gap_bytes: u64) -> Vec<Range<u64>> {
        let held = self.blobs.get(key);
        let free = |one: &Range<u64>, other: &Range<u64>| {
            held.is_none_or(|held| held.range(one.start..=other.start).next().is_none())
        };
        let groups = missing.chunk_by(free);
        groups.flat_map(|group| merge(group, gap_bytes, LONGEST_RANGE_BYTES).ranges).collect()
    }

    /// Adds an extent, and drops those used longest ago until all are within `limit_bytes`.
    pub(super) fn insert(&mut self, key: &Arc<BlobKey>, extent: Extent, limit_bytes: u64) {
        if extent.length() > limit_bytes {
            return;
        }
        self.turn += 1;
        let start = extent.range.start;
        self.bytes += extent.length();
        let replaced = self.blobs.entry(key.clone()).or_default().insert(start, Held { extent, turn: self.turn });
        self.turns.insert(self.turn, (key.clone(), start));
        if let Some(replaced) = replaced {
            self.turns.remove(&replaced.turn);
            self.bytes -= replaced.extent.length();
        }
        while self.bytes > limit_bytes {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let Some((_, (key, start))) = self.turns.pop_first() else { return };
        let Some(held) = self.blobs.get_mut(&key) else { return };
        self.bytes -= held.remove(&start).map_or(0, |held| held.extent.length());
        if held.is_empty() {
            self.blobs.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Arc<BlobKey> {
        Arc::new((SlideUrl::parse("az://slides/x.svs").unwrap(), "1".to_owned()))
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let (mut extents, key) = (Extents::default(), key());
        extents.insert(&key, Extent::new(0..100), 250);
        extents.insert(&key, Extent::new(100..200), 250);
        assert!(extents.find(&key, &(10..100)).is_some());
        extents.insert(&key, Extent::new(200..300), 250);
        assert!(extents.find(&key, &(120..130)).is_none());
        assert!(extents.find(&key, &(0..1)).is_some() && extents.find(&key, &(200..300)).is_some());
        assert_eq!((extents.bytes(), extents.turns.len()), (200, 2));
        extents.insert(&key, Extent::new(300..600), 250);
        assert_eq!(extents.bytes(), 200);
    }

    #[test]
    fn a_longer_extent_from_the_same_byte_replaces_a_shorter_one() {
        let (mut extents, key) = (Extents::default(), key());
        extents.insert(&key, Extent::new(0..100), 250);
        extents.insert(&key, Extent::new(0..200), 250);
        assert_eq!((extents.bytes(), extents.turns.len()), (200, 1));
        assert!(extents.find(&key, &(150..200)).is_some());
    }

    #[test]
    fn merging_stops_at_what_is_held() {
        let (mut extents, key) = (Extents::default(), key());
        extents.insert(&key, Extent::new(100..200), 1000);
        let merged = extents.merge_around(&key, &[0..50, 60..100, 200..250, 260..300], 1000);
        assert_eq!(merged, vec![0..100, 200..300]);
        let other = (key.0.clone(), "2".to_owned());
        assert_eq!(extents.merge_around(&other, &[0..50, 260..300], 1000), vec![0..300]);
    }
}
