//! Objects that are read piece by piece, all pieces of one version.

use std::sync::Arc;

use bytes::Bytes;
use object_store::{ObjectStore, path::Path};

use super::object::{ObjectEntry, range};
use crate::{Error, SlideUrl, range::LONGEST_RANGE_BYTES};

/// An object that is being read, from its first byte to its last.
#[derive(Debug)]
pub struct ObjectReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    entry: ObjectEntry,
    read: u64,
}

impl ObjectReader {
    pub(super) fn new((store, path): (Arc<dyn ObjectStore>, Path), entry: ObjectEntry) -> Self {
        Self { store, path, entry, read: 0 }
    }

    /// All its bytes, read or not.
    pub fn size(&self) -> u64 {
        self.entry.size
    }

    /// The next bytes, at most 8 MiB; `None` at the end.
    ///
    /// # Errors
    /// `Changed` where the object is replaced meanwhile, `NotFound`, `Denied`, `Storage`.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let ObjectEntry { url, size, etag } = &self.entry;
        if self.read == *size {
            return Ok(None);
        }
        let end = size.min(&(self.read + LONGEST_RANGE_BYTES)).to_owned();
        let bytes = range((&self.store, &self.path), url, etag.as_deref(), self.read..end).await?;
        self.read = end;
        Ok(Some(bytes))
    }

    /// Where it lies.
    pub fn url(&self) -> &SlideUrl {
        &self.entry.url
    }
}
