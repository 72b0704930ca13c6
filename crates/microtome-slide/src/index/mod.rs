//! Indexes of slides that were open before, so that opening one again takes no request: in memory, and on disk if wanted.
//!
//! An index belongs to one version of a blob: its key is URL and ETag. What is found on disk is as little trusted as a
//! slide; a file that is damaged or of another version is ignored, and written anew.

mod stored;

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};

use self::stored::KeyDigest;
use crate::{
    FileCache, Limits, SlideUrl,
    blocking::blocking,
    formats::{Found, StoredSlide},
    lru::Lru,
};

/// Stands for the ETag in the name of the empty file that says that some version of a blob was kept.
const ANY_VERSION: &str = "";

/// What is known of a slide once it is open.
#[derive(Debug)]
pub(crate) struct Index {
    /// Bytes of the blob.
    pub(crate) size: u64,
    pub(crate) found: Found,
}

/// Indexes of slides, those used longest ago dropped first. Cheap to clone; clones share what is held.
#[derive(Clone)]
pub struct IndexCache {
    limit_bytes: u64,
    memory: Arc<Mutex<Memory>>,
    disk: Option<Arc<FileCache>>,
}

struct Memory {
    indexes: Lru<(SlideUrl, String), Arc<Index>>,
    /// The version of each blob that was last put in: whether it pays to ask a store for the ETag.
    known: Lru<SlideUrl, ()>,
}

impl IndexCache {
    /// A cache of at most so many bytes of memory: 12 a tile, some 0.2 MB for a slide of 30,000 pixels.
    pub fn new(limit_bytes: u64) -> Self {
        let memory = Memory { indexes: Lru::new(limit_bytes), known: Lru::new(limit_bytes) };
        Self { limit_bytes, memory: Arc::new(Mutex::new(memory)), disk: None }
    }

    /// The same cache, which also keeps files of at most so many bytes in a folder, about 3 a tile. The folder is made when
    /// it is first written to, and may be shared by processes; a folder that cannot be used is as good as none.
    pub fn on_disk(self, folder: &Path, limit_bytes: u64) -> Self {
        Self { disk: Some(Arc::new(FileCache::new(folder, limit_bytes))), ..self }
    }

    /// Whether some version of a blob may be here, so that asking for its ETag is worth a request.
    pub(crate) async fn may_know(&self, url: &SlideUrl) -> bool {
        if self.lock().known.get(url).is_some() {
            return true;
        }
        let Some(disk) = self.disk.clone() else { return false };
        let name = hex(&digest(url, ANY_VERSION));
        blocking(move || disk.has(&name)).await.unwrap_or(false)
    }

    /// The index of one version of a blob, if it is here and within the limits.
    pub(crate) async fn get(&self, url: &SlideUrl, etag: &str, limits: &Limits) -> Option<Arc<Index>> {
        let key = (url.clone(), etag.to_owned());
        if let Some(index) = self.lock().indexes.get(&key) {
            return Some(index).filter(|index| index.found.fits(limits));
        }
        let (disk, limits, digest) = (self.disk.clone()?, limits.clone(), digest(url, etag));
        let read = move || {
            let slide = stored::read(&disk.read(&hex(&digest))?, &digest)?;
            let size = slide.size;
            Some(Arc::new(Index { size, found: slide.into_found(&limits)? }))
        };
        let index = blocking(read).await.ok().flatten()?;
        self.remember(key, &index);
        Some(index)
    }

    /// Keeps an index.
    pub(crate) async fn put(&self, url: &SlideUrl, etag: &str, index: &Arc<Index>) {
        self.remember((url.clone(), etag.to_owned()), index);
        let Some(disk) = self.disk.clone() else { return };
        let (index, digest, known) = (index.clone(), digest(url, etag), digest(url, ANY_VERSION));
        let write = move || {
            let slide = StoredSlide::of(&index.found, index.size);
            disk.write(&hex(&known), &[])?;
            disk.write(&hex(&digest), &stored::write(&digest, &slide)?)
        };
        // A folder that cannot be written to is no reason to fail: the slide is open.
        let _ = blocking(write).await;
    }

    fn remember(&self, key: (SlideUrl, String), index: &Arc<Index>) {
        let mut memory = self.lock();
        let name_bytes = key.0.to_string().len() as u64;
        memory.known.insert(key.0.clone(), (), name_bytes);
        memory.indexes.insert(key, index.clone(), index.found.bytes() + name_bytes);
    }

    fn lock(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for IndexCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (held, limit) = (self.lock().indexes.bytes(), self.limit_bytes);
        write!(f, "IndexCache({held} of {limit} bytes, disk: {})", self.disk.is_some())
    }
}

fn digest(url: &SlideUrl, etag: &str) -> KeyDigest {
    // Neither has a line break in it.
    Sha256::digest(format!("{url}\n{etag}")).into()
}

fn hex(digest: &KeyDigest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
