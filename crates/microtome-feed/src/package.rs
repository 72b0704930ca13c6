//! A job's own Python module: a tar that is checked whole and then unpacked.
//!
//! The tar is the user's, and so is hostile. It is copied once, into a file without a name, and its digest is that of the
//! copy, which alone is unpacked: what changes at its source in between cannot come in. It may hold files and directories
//! and nothing else, and its names stay below the directory. What is refused leaves nothing behind.

mod fetch;
#[cfg(test)]
mod tests;
mod unpack;

use std::io;
use std::path::{Path, PathBuf};

use microtome_slide::{SlideUrl, Stores};

use crate::file;

/// What a package may be. A module is some hundred files; data belong into storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Entries of the tar.
    pub entries: usize,
    /// Bytes of the tar, as it lies and once it is inflated.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 10_000, bytes: 256 << 20 }
    }
}

/// What was unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why a package is not taken. Each is one line.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// It cannot be had.
    #[error(transparent)]
    Storage(#[from] microtome_slide::Error),
    /// It is another one.
    #[error("the package's SHA-256 is {found}, and {expected} is asked for: nothing was unpacked")]
    Digest {
        /// What the job says.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The tar as it lies is too large.
    #[error("the package's tar is {bytes} bytes, at most {limit} are taken")]
    Large {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// An entry is not what a package may hold.
    #[error("the package's entry {name:?} at byte {offset}: {problem}")]
    Entry {
        /// Its name, as far as it is text.
        name: String,
        /// Where it begins in the tar, inflated.
        offset: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The bytes are no tar.
    #[error("the package's tar cannot be read from byte {offset} on")]
    Tar {
        /// Where, inflated.
        offset: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The directory cannot be written.
    #[error("{}: the package cannot be unpacked there", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl PackageError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.category(),
            Self::Digest { .. } => "Digest",
            Self::Large { .. } => "Limit",
            Self::Entry { .. } | Self::Tar { .. } => "Malformed",
            Self::Directory { .. } => "Io",
        }
    }
}

/// Puts the package at `url`, whose tar has this digest, in place of `directory`.
///
/// # Errors
/// `directory` is what it was then.
pub async fn install(
    (stores, url): (&Stores, &SlideUrl),
    sha256: &str,
    directory: &Path,
    limits: Limits,
) -> Result<Unpacked, PackageError> {
    let failed = |source| PackageError::Directory { path: directory.to_owned(), source };
    let tar = fetch::fetch((stores, url), sha256, limits.bytes, (file::parent(directory), &failed)).await?;
    file::replace_directory(directory, |beside| unpack::unpack(&tar, limits, beside)).map_err(failed)?
}
