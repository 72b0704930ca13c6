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

pub(crate) use cache::{Cache, Use};
pub(crate) use codes::{Codes, extend};
pub(crate) use coefficients::Coefficients;
pub(crate) use differences::Differences;
pub(crate) use skips::{END, NONE, Skips};

/// How many bits the look-ups take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Size {
    /// For tables that come with one tile and go with it: 9 bits cost little to build.
    Small,
    /// For tables that many tiles share.
    Large,
}

impl Size {
    /// Bits of a look-up of coefficients. 10 bits hold two coefficients often enough, and stay in the first cache.
    fn coefficient_bits(self) -> u32 {
        match self {
            Self::Small => 9,
            Self::Large => 10,
        }
    }

    /// Bits of a look-up that skips. One that needs no values gains from a longer one.
    fn skip_bits(self) -> u32 {
        match self {
            Self::Small => 9,
            Self::Large => 12,
        }
    }
}

/// A table of entries for each index of as many bits as its length has, from one for fewer bits: look-ups are of one kind then,
/// and small tables are still made quickly.
fn spread<T: Copy + Default, const LENGTH: usize>(entries: impl ExactSizeIterator<Item = T>) -> Box<[T; LENGTH]> {
    let mut table = Box::new([T::default(); LENGTH]);
    let times = LENGTH / entries.len().max(1);
    for (entry, places) in entries.zip(table.chunks_exact_mut(times)) {
        places.fill(entry);
    }
    table
}
