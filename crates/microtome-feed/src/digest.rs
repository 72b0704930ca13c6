//! The stream digest: one number that two runs share exactly if they fed the same patches in the same order.
//!
//! SHA-256 over one record a patch, in the order of the stream: the slide's place in the dataset (u32), x and y (i32,
//! level-0 pixels), and the CRC-32 (the one of zlib, u32) of the patch's RGB bytes; all little-endian. A program needs
//! nothing but its standard library to check it, and a head hashes 16 bytes a patch instead of 200 kB.

use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
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

/// As the hash's inner state in hexadecimal, so that another process can go on with it.
impl Serialize for StreamDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(&self.0.serialize()))
    }
}

impl<'de> Deserialize<'de> for StreamDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let byte = |at: usize| text.get(at..at + 2).and_then(|byte| u8::from_str_radix(byte, 16).ok());
        let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
        let state = bytes.and_then(|bytes| SerializedState::<Sha256>::try_from(bytes.as_slice()).ok());
        let digest = state.and_then(|state| Sha256::deserialize(&state).ok());
        digest.map(Self).ok_or_else(|| de::Error::custom("not the state of a digest"))
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
