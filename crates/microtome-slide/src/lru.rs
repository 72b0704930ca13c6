//! A map bounded by the bytes of its values, of which the least recently used go first; no IO, no waiting.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// Values by key. Values are cheap to clone: they are handles to what takes the bytes.
#[derive(Debug)]
pub(crate) struct Lru<K, V> {
    limit_bytes: u64,
    bytes: u64,
    held: HashMap<K, Held<V>>,
    /// By turn of last use.
    turns: BTreeMap<u64, K>,
    turn: u64,
}

#[derive(Debug)]
struct Held<V> {
    value: V,
    bytes: u64,
    turn: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> Lru<K, V> {
    pub(crate) fn new(limit_bytes: u64) -> Self {
        Self { limit_bytes, bytes: 0, held: HashMap::new(), turns: BTreeMap::new(), turn: 0 }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The value of a key; it counts as used.
    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        let held = self.held.get_mut(key)?;
        let key = self.turns.remove(&held.turn)?;
        self.turn += 1;
        held.turn = self.turn;
        self.turns.insert(self.turn, key);
        Some(held.value.clone())
    }

    /// Adds or replaces a value, and drops those used longest ago until all are within the limit. One that is larger than
    /// the limit is not kept. Returns the last that was dropped, whose memory may be of use.
    pub(crate) fn insert(&mut self, key: K, value: V, bytes: u64) -> Option<V> {
        let mut dropped = self.remove(&key);
        if bytes > self.limit_bytes {
            return dropped;
        }
        self.turn += 1;
        self.bytes += bytes;
        self.turns.insert(self.turn, key.clone());
        self.held.insert(key, Held { value, bytes, turn: self.turn });
        while self.bytes > self.limit_bytes {
            let oldest = self.turns.first_key_value().map(|(_, key)| key.clone());
            dropped = oldest.and_then(|oldest| self.remove(&oldest));
        }
        dropped
    }

    /// A value takes fewer bytes than was thought.
    pub(crate) fn shrink(&mut self, key: &K, bytes: u64) {
        if let Some(held) = self.held.get_mut(key) {
            let smaller = bytes.min(held.bytes);
            self.bytes -= held.bytes - smaller;
            held.bytes = smaller;
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let held = self.held.remove(key)?;
        self.bytes -= held.bytes;
        self.turns.remove(&held.turn);
        Some(held.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_within_the_bytes() {
        let mut lru = Lru::new(250);
        lru.insert("a", 1, 100);
        lru.insert("b", 2, 100);
        assert_eq!(lru.get(&"a"), Some(1));
        assert_eq!(lru.insert("c", 3, 100), Some(2));
        assert_eq!((lru.get(&"a"), lru.get(&"b"), lru.get(&"c")), (Some(1), None, Some(3)));
        lru.insert("a", 4, 200);
        assert_eq!((lru.get(&"a"), lru.get(&"c"), lru.bytes()), (Some(4), None, 200));
        assert_eq!(lru.insert("d", 5, 251), None);
        assert_eq!((lru.get(&"a"), lru.get(&"d")), (Some(4), None));
        lru.shrink(&"a", 50);
        lru.shrink(&"a", 120);
        lru.shrink(&"gone", 1);
        assert_eq!(lru.bytes(), 50, "nothing grows");
        assert_eq!(lru.insert("e", 6, 200), None, "there is room for both");
        assert_eq!(lru.remove(&"e"), Some(6));
        assert_eq!(lru.remove(&"a"), Some(4));
        assert_eq!((lru.bytes(), lru.turns.len(), lru.held.len()), (0, 0, 0));
    }
}
