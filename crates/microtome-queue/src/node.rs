//! Nodes, and nodes that pools may add: one row of free amounts each.

use std::collections::HashMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::Amounts;
use crate::amounts::{Columns, Matrix};

/// Of all pools' missing nodes so many are looked at: more than any cluster has, and a bound on memory.
const MOST_MISSING: u64 = 100_000;
/// Pools from this on share one bit of a mask: they then share one reservation.
const MASK_BITS: usize = 127;
/// The free row of a node that is down: not even a pod that asks for nothing fits.
pub(crate) const DOWN: i128 = -1;

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The pool it belongs to; none: one of the nodes that are in no pool.
    pub pool: Option<String>,
    /// What it offers to pods.
    pub allocatable: Amounts,
    /// What pods hold on it that are no jobs of ours.
    pub taken: Amounts,
}

/// A pool of equal nodes that grows when it is asked to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// What a new node of it offers to pods.
    pub node: Amounts,
    /// The most nodes it has, those that are there included.
    pub max_nodes: u64,
}

/// All places for pods. Nodes without a pool come first, then pool by pool those that there are and those that may be added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Slots {
    names: Vec<String>,
    by_name: HashMap<String, usize>,
    is_down: Vec<bool>,
    /// What each offers when nobody is on it.
    pub(crate) offers: Matrix,
    /// What is left now.
    pub(crate) free: Matrix,
    /// Names of pools; the first has none, and holds the nodes in no pool.
    pools: Vec<String>,
    ranges: Vec<Range<usize>>,
}

impl Slots {
    pub(crate) fn new(nodes: &[Node], pools: &[Pool], columns: &Columns) -> Self {
        let mut slots = Self {
            offers: Matrix::new(0, columns.len()),
            free: Matrix::new(0, columns.len()),
            pools: std::iter::once(String::new()).chain(pools.iter().map(|pool| pool.name.clone())).collect(),
            ..Self::default()
        };
        for (i, name) in slots.pools.clone().iter().enumerate() {
            let start = slots.names.len();
            let is_in = |node: &&Node| match node.pool.as_ref().filter(|name| slots.pools[1..].contains(name)) {
                None => i == 0,
                Some(pool) => i > 0 && pool == name,
            };
            let there: Vec<&Node> = nodes.iter().filter(is_in).collect();
            for node in &there {
                let row = columns.row(&node.allocatable, 0);
                slots.push(node.name.clone(), &row, &columns.row(&node.taken, 0));
            }
            if let Some(pool) = i.checked_sub(1).map(|i| &pools[i]) {
                let (row, none) = (columns.row(&pool.node, 0), vec![0; columns.len()]);
                let there = u64::try_from(there.len()).unwrap_or(u64::MAX);
                for number in 0..pool.max_nodes.saturating_sub(there).min(MOST_MISSING) {
                    slots.push(format!("{name}#{number}"), &row, &none);
                }
            }
            slots.ranges.push(start..slots.names.len());
        }
        slots
    }

    fn push(&mut self, name: String, offers: &[i128], taken: &[i128]) {
        self.by_name.entry(name.clone()).or_insert(self.names.len());
        self.names.push(name);
        self.is_down.push(false);
        self.offers.push(offers);
        self.free.push(offers);
        self.free.subtract(self.names.len() - 1, taken);
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn name(&self, slot: usize) -> &str {
        &self.names[slot]
    }

    pub(crate) fn is_down(&self, slot: usize) -> bool {
        self.is_down[slot]
    }

    /// Nothing fits on a node that is down. Nobody may hold anything on it when it goes.
    pub(crate) fn set_down(&mut self, slot: usize, is_down: bool) {
        self.is_down[slot] = is_down;
        let change = if is_down { DOWN } else { 0 };
        self.free.row_mut(slot)[0] = change;
    }

    pub(crate) fn pools(&self) -> usize {
        self.ranges.len()
    }

    pub(crate) fn pool(&self, name: &str) -> Option<usize> {
        self.pools[1..].iter().position(|known| known == name).map(|position| position + 1)
    }

    pub(crate) fn range(&self, pool: usize) -> Range<usize> {
        self.ranges[pool].clone()
    }

    /// The bit of a pool in a mask.
    pub(crate) fn bit(pool: usize) -> u128 {
        1 << pool.min(MASK_BITS)
    }

    /// What all nodes that are up, and all that may be added, offer together.
    pub(crate) fn capacity(&self) -> Vec<i128> {
        let mut offered = self.offers.clone();
        for slot in (0..self.len()).filter(|&slot| self.is_down[slot]) {
            offered.row_mut(slot)[0] = DOWN;
        }
        offered.total()
    }
}
