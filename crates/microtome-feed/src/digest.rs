//! The stream digest: one number that two runs share exactly if they fed the same patches in the same order.
//!
//! SHA-256 over one record a patch, in the order of the stream: the slide's place in the dataset (u32), x and y (i32,
//! level-0 pixels), and the CRC-32 (the one of zlib, u32) of the patch's RGB bytes; all little-endian. A program needs
//! nothing but its standard library to check it, and a head hashes 16 bytes a patch instead of 200 kB.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::head::Batch;

/// The digest of the stream so far.
#[derive(Clone, Debug, Default)]
pub struct StreamDigest(Sha256);

impl StreamDigest {
    /// The next batch of the stream.
    pub fn update(&mut self, batch: &Batch) {
        for patch in batch.patches() {
            self.0.update(patch.slide.to_le_bytes());
            self.0.update(patch.coordinate.x.to_le_bytes());
            self.0.update(patch.coordinate.y.to_le_bytes());
            self.0.update(patch.crc32.to_le_bytes());
        }
    }

    /// In hexadecimal.
    pub fn hex(&self) -> String {
        hex(&self.0.clone().finalize())
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
