//! Huffman tables made for reading: for coefficients, and for skipping them.
//!
//! A look-up takes the next bits as an index and answers with everything that lies in them: whole symbols with their extra
//! bits. What does not fit the index falls to the canonical search of [`Codes`], one symbol at a time. Tables are pure
//! functions of their [`HuffmanSpec`](crate::header::HuffmanSpec) and their size; [`Cache`] keeps them by content.

mod cache;
mod codes;
mod coefficients;
mod differences;
mod skips;

pub(crate) use cache::{Cache, Slot};
pub(crate) use codes::{Codes, extend};
pub(crate) use coefficients::Coefficients;
pub(crate) use differences::Differences;
pub(crate) use skips::{END, NONE, Skips};

/// Entries of a large table of coefficients: 10 bits hold two of them often enough, and stay in the first cache.
pub(crate) const LARGE: usize = 1 << 10;

/// Entries of a large table of skips: it needs no values, so its entries are small, and more bits hold more symbols.
pub(crate) const LARGE_SKIPS: usize = 1 << 12;

/// Entries of small tables, for those that come with one tile and go with it: 9 bits cost little to build.
pub(crate) const SMALL: usize = 1 << 9;

/// What AC coefficients are read and passed with, by numbers of entries.
#[derive(Debug)]
pub(crate) struct Tables<const ENTRIES: usize, const SKIPS: usize> {
    pub(crate) coefficients: Coefficients<ENTRIES>,
    /// Nothing as long as no block was to be passed.
    pub(crate) skips: Option<Skips<SKIPS>>,
}

impl<const ENTRIES: usize, const SKIPS: usize> Tables<ENTRIES, SKIPS> {
    const BYTES: usize = 8 * ENTRIES + 2 * SKIPS;
}
