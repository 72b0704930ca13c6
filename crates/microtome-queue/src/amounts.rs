//! Amounts of resources: by name outside, by column inside.

use std::collections::BTreeMap;
use std::ops::Range;

/// Amounts by resource, in thousandths. A resource that is not named is zero of a job and in a guarantee, and without limit in
/// a max.
pub type Amounts = BTreeMap<String, i128>;

/// Amounts above this are counted as this: sums over all pods and nodes then stay far inside an `i128`.
const LARGEST: i128 = 1 << 96;
/// Sums are held below this.
pub(crate) const LARGEST_SUM: i128 = 1 << 116;

/// An amount that sums safely: never negative, never above 2⁹⁶.
pub(crate) fn bounded(amount: i128) -> i128 {
    amount.clamp(0, LARGEST)
}

/// `count` times an amount, bounded.
pub(crate) fn times(amount: i128, count: u64) -> i128 {
    amount.saturating_mul(i128::from(count)).min(LARGEST_SUM)
}

/// Which resource is which column. Column 0 is no resource: it is 0 on a node that is up and −1 on one that is down, and
/// everybody asks for 0 of it.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    names: Vec<String>,
}

impl Columns {
    pub(crate) fn new() -> Self {
        Self { names: vec![String::new()] }
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn name(&self, column: usize) -> &str {
        &self.names[column]
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().skip(1).position(|known| known == name).map(|position| position + 1)
    }

    /// Adds what is not known yet; true if there was any.
    pub(crate) fn learn<'a>(&mut self, names: impl Iterator<Item = &'a String>) -> bool {
        let before = self.len();
        for name in names {
            if self.find(name).is_none() {
                self.names.push(name.clone());
            }
        }
        self.len() > before
    }

    /// A row; what is not named gets `missing`.
    pub(crate) fn row(&self, amounts: &Amounts, missing: i128) -> Vec<i128> {
        let amount = |name| amounts.get(name).map_or(missing, |&amount| bounded(amount));
        std::iter::once(0).chain(self.names[1..].iter().map(amount)).collect()
    }

    /// A row of sums, which may be above what one pod can ask for.
    pub(crate) fn sums(&self, amounts: &Amounts) -> Vec<i128> {
        let amount = |name| amounts.get(name).map_or(0, |amount| (*amount).clamp(0, LARGEST_SUM));
        std::iter::once(0).chain(self.names[1..].iter().map(amount)).collect()
    }

    /// The amounts of a row that are not 0, by name.
    pub(crate) fn amounts(&self, row: &[i128]) -> Amounts {
        let columns = self.names.iter().zip(row).skip(1).filter(|(_, amount)| **amount != 0);
        columns.map(|(name, amount)| (name.clone(), *amount)).collect()
    }
}

/// Rows of amounts in one piece of memory: what a pass copies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matrix {
    columns: usize,
    cells: Vec<i128>,
}

impl Matrix {
    pub(crate) fn new(rows: usize, columns: usize) -> Self {
        Self { columns, cells: vec![0; rows * columns] }
    }

    pub(crate) fn push(&mut self, row: &[i128]) {
        self.cells.extend_from_slice(row);
    }

    pub(crate) fn row(&self, row: usize) -> &[i128] {
        &self.cells[row * self.columns..(row + 1) * self.columns]
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [i128] {
        &mut self.cells[row * self.columns..(row + 1) * self.columns]
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn rows(&self) -> usize {
        self.cells.len().checked_div(self.columns).unwrap_or(0)
    }

    pub(crate) fn add(&mut self, row: usize, amounts: &[i128]) {
        for (cell, amount) in self.row_mut(row).iter_mut().zip(amounts) {
            *cell += amount;
        }
    }

    pub(crate) fn subtract(&mut self, row: usize, amounts: &[i128]) {
        for (cell, amount) in self.row_mut(row).iter_mut().zip(amounts) {
            *cell -= amount;
        }
    }

    /// The most of each column in some rows.
    pub(crate) fn peak_of(&self, rows: Range<usize>) -> Vec<i128> {
        let mut peak = vec![i128::MIN; self.columns];
        for row in self.cells[rows.start * self.columns..rows.end * self.columns].chunks_exact(self.columns.max(1)) {
            peak.iter_mut().zip(row).for_each(|(most, amount)| *most = (*most).max(*amount));
        }
        peak
    }

    /// The sum of all rows but those of nodes that are down.
    pub(crate) fn total(&self) -> Vec<i128> {
        let mut total = vec![0; self.columns];
        for row in self.cells.chunks_exact(self.columns.max(1)).filter(|row| row[0] == 0) {
            for (sum, amount) in total.iter_mut().zip(row) {
                *sum = (*sum + amount).min(LARGEST_SUM);
            }
        }
        total
    }
}
