//! A cache of decoded tiles, so that a scan decodes each tile once although neighbouring patches, rows and leases share it.
//!
//! Where the codec can stop inside a tile, what is kept of one whose upper rows are done is its data and where to go on: a
//! quarter of the pixels' bytes, and no pixel is written twice. Else it is pixels.
//!
//! A decoded tile takes about 20 times the bytes that it has in the blob, so only scans put tiles in: a tile of which a scan needs a
//! part is needed again within two rows of tiles, one of a random read hardly ever. Every read takes out what is there.
//! Tiles count from the moment they are asked for. A tile that two threads want is decoded by one of them.

use std::{
    collections::HashMap,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use crate::{
    Fault, SlideUrl,
    codec::{PixelFormat, Region, TileRest},
    lru::Lru,
};

/// Decoded tiles, the least recently used dropped first. Cheap to clone; clones share what is held.
///
/// A scan in rows needs room for two rows of tiles: `2 · tiles across · tile width · tile height · 3` bytes.
#[derive(Clone)]
pub struct TileCache {
    limit_bytes: u64,
    tiles: Arc<Mutex<Lru<TileKey, Cell>>>,
    /// The memory of a tile that was dropped: fresh memory costs a fault for every page.
    spare: Arc<Mutex<Vec<u8>>>,
}

/// One tile of one version of a blob, as RGB or RGBA.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TileKey {
    blob: Arc<Blob>,
    tile: TileName,
}

/// One version of a blob. Its hash is made once: it is asked for with every tile.
#[derive(Debug, PartialEq, Eq)]
struct Blob {
    hash: u64,
    url: SlideUrl,
    etag: String,
}

impl Hash for Blob {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

/// A tile of a slide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TileName {
    /// The level's TIFF directory.
    pub(crate) directory: u32,
    pub(crate) number: u64,
    pub(crate) format: PixelFormat,
}

/// The part of a cache that holds one version of one slide.
#[derive(Debug, Clone)]
pub(crate) struct SlideTiles {
    cache: TileCache,
    blob: Arc<Blob>,
}

/// Decoded tiles that a read has taken out of the cache, which may drop them meanwhile.
pub(crate) type Held = HashMap<TileName, Arc<Kept>>;

/// What is kept of a tile.
#[derive(Debug)]
pub(crate) enum Kept {
    /// Decoded pixels of a region, rows without gaps.
    Pixels { region: Region, pixels: Vec<u8> },
    /// What it takes to decode the rows that were not yet.
    Rest(TileRest),
    /// Nothing: the rows that were not decoded cannot be gone on to.
    Nothing,
}

impl Kept {
    /// Whether a region can be had of it.
    fn holds(&self, wanted: Region) -> bool {
        match self {
            Self::Pixels { region, .. } => region.holds(wanted),
            Self::Rest(rest) => rest.y() <= wanted.y,
            Self::Nothing => false,
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Pixels { pixels, .. } => pixels.len(),
            Self::Rest(rest) => rest.bytes(),
            Self::Nothing => 0,
        }
    }
}

/// A tile that is decoded, or is being decoded, or is to be by the first who needs it.
pub(super) type Cell = Arc<OnceLock<Result<Arc<Kept>, Fault>>>;

impl TileCache {
    /// A cache of at most so many bytes of pixels.
    pub fn new(limit_bytes: u64) -> Self {
        Self { limit_bytes, tiles: Arc::new(Mutex::new(Lru::new(limit_bytes))), spare: Arc::default() }
    }

    /// Bytes of pixels that are held or on their way.
    pub fn bytes(&self) -> u64 {
        self.lock().bytes()
    }

    /// What a region of a tile can be had of, if it is there.
    fn get(&self, key: &TileKey, region: Region) -> Option<Arc<Kept>> {
        let cell = self.lock().get(key)?;
        cell.get()?.clone().ok().filter(|found| found.holds(region))
    }

    /// Where what is kept of a tile is or will be; others find it from now on. `None` if it is more than may be held.
    fn claim(&self, key: TileKey, bytes: u64) -> Option<Cell> {
        if bytes > self.limit_bytes {
            return None;
        }
        let mut tiles = self.lock();
        if let Some(found) = tiles.get(&key) {
            return Some(found);
        }
        let cell = Cell::default();
        let dropped = tiles.insert(key, cell.clone(), bytes);
        drop(tiles);
        // Only if nobody reads it any more.
        let kept = dropped.and_then(Arc::into_inner).and_then(OnceLock::into_inner).and_then(Result::ok);
        if let Some(Kept::Pixels { pixels, .. }) = kept.and_then(Arc::into_inner) {
            *self.lock_spare() = pixels;
        }
        Some(cell)
    }

    /// Keeps something of a tile instead of what there was.
    fn keep(&self, key: TileKey, kept: Arc<Kept>) {
        let bytes = kept.bytes() as u64;
        self.lock().insert(key, Arc::new(OnceLock::from(Ok(kept))), bytes);
    }

    /// Room for so many bytes, of whatever they held before.
    fn buffer(&self, bytes: usize) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut *self.lock_spare());
        buffer.resize(bytes, 0);
        buffer
    }

    fn lock_spare(&self) -> MutexGuard<'_, Vec<u8>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Lru<TileKey, Cell>> {
        self.tiles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SlideTiles {
    pub(crate) fn new(cache: TileCache, url: &SlideUrl, etag: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (url, etag).hash(&mut hasher);
        Self { cache, blob: Arc::new(Blob { hash: hasher.finish(), url: url.clone(), etag: etag.to_owned() }) }
    }

    pub(crate) fn get(&self, tile: TileName, region: Region) -> Option<Arc<Kept>> {
        self.cache.get(&TileKey { blob: self.blob.clone(), tile }, region)
    }

    pub(super) fn buffer(&self, bytes: usize) -> Vec<u8> {
        self.cache.buffer(bytes)
    }

    pub(super) fn claim(&self, tile: TileName, bytes: u64) -> Option<Cell> {
        self.cache.claim(TileKey { blob: self.blob.clone(), tile }, bytes)
    }

    /// What was claimed turned out to be this.
    pub(super) fn settle(&self, tile: TileName, kept: &Kept) {
        self.cache.lock().shrink(&TileKey { blob: self.blob.clone(), tile }, kept.bytes() as u64);
    }

    /// Nobody will need it again.
    pub(super) fn drop(&self, tile: TileName) {
        self.cache.lock().remove(&TileKey { blob: self.blob.clone(), tile });
    }

    pub(super) fn keep(&self, tile: TileName, kept: Arc<Kept>) {
        self.cache.keep(TileKey { blob: self.blob.clone(), tile }, kept);
    }
}

impl fmt::Debug for TileCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TileCache({} of {} bytes)", self.bytes(), self.limit_bytes)
    }
}
