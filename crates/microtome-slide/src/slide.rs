//! An open slide.

use std::{fmt, ops::Range, sync::Arc};

use bytes::Bytes;

use crate::{
    AssociatedImage, Background, Downsample, Error, Fault, Fetched, Limits, PatchRequest, Patches, ReadPlan,
    RegionRequest, Scale, SlideInfo, SlideUrl, Stores, Usage, associated,
    formats::{self, Level},
    index::Index,
    quickhash,
    read::{self, Held, SlideTiles},
    store::{Blob, Ends},
    tiff::{Step, Tiff, Walker, Wanted},
};

/// Bytes fetched from each end of a blob at once: small files whole, and the directories of well-made ones.
const END_BYTES: u64 = 64 << 10;

/// A slide whose format, levels and tile index are known, pinned to one version of its blob. Cheap to clone.
#[derive(Clone)]
pub struct Slide {
    inner: Arc<Inner>,
}

struct Inner {
    blob: Blob,
    index: Arc<Index>,
    limits: Limits,
    /// Its part of the cache of decoded tiles.
    tiles: Option<SlideTiles>,
}

impl Slide {
    /// Opens the slide at `url`: both ends of the blob, then one range for each directory that lies elsewhere; or, if its
    /// index is in the [`crate::IndexCache`] of the stores, one request for its ETag.
    ///
    /// # Errors
    /// What the store answers (`NotFound`, `Denied`, `Storage`, `Changed`), or what is wrong with the file (`NotASlide`,
    /// `Unsupported`, `Truncated`, `Malformed`, `Limit`).
    pub async fn open(stores: &Stores, url: &SlideUrl, limits: &Limits) -> Result<Self, Error> {
        Self::open_pinned(stores, url, limits, None).await
    }

    /// As [`Slide::open`], but only the version of the blob that has this ETag. If its index is in the [`crate::IndexCache`] of the
    /// stores, nothing is asked of them: whether the blob still has that ETag is seen by the first read.
    ///
    /// # Errors
    /// `Changed` if the blob has another ETag; else as [`Slide::open`].
    pub async fn open_pinned(
        stores: &Stores,
        url: &SlideUrl,
        limits: &Limits,
        etag: Option<&str>,
    ) -> Result<Self, Error> {
        let mut blob = Blob::unread(stores, url, etag)?;
        let index = match known(stores, &mut blob, limits).await? {
            Some(index) => index,
            None => read_index(stores, &mut blob, limits).await?,
        };
        blob.assume(index.size);
        // Without an ETag nobody can tell whether what was read before is still what the blob holds.
        let tiles = stores.tiles().zip(blob.etag()).map(|(cache, etag)| SlideTiles::new(cache.clone(), url, etag));
        Ok(Self { inner: Arc::new(Inner { blob, index, limits: limits.clone(), tiles }) })
    }

    /// Format, size, resolution, levels, properties.
    pub fn info(&self) -> &SlideInfo {
        &self.inner.index.found.info
    }

    /// Where the slide lies.
    pub fn url(&self) -> &SlideUrl {
        self.inner.blob.url()
    }

    /// The version that is read; `None` if the store has no ETags.
    pub fn etag(&self) -> Option<&str> {
        self.inner.blob.etag()
    }

    /// Size of the blob in bytes.
    pub fn size(&self) -> u64 {
        self.inner.blob.size()
    }

    /// Level-0 pixels per pixel of what is read at a scale: the scale's own, or its level's where the two are within 3 %.
    ///
    /// # Errors
    /// `NoMpp` for a scale in micrometres if the slide does not say its resolution, `Request` for a level that does not exist
    /// or a scale that is not a positive number.
    pub fn downsample(&self, scale: Scale) -> Result<Downsample, Error> {
        read::downsample(self, scale)
    }

    /// Requests and bytes spent on this slide so far, opening included.
    pub fn usage(&self) -> Usage {
        self.inner.blob.usage()
    }

    /// Plans a request for patches on white; pure.
    ///
    /// # Errors
    /// As [`Slide::downsample`], `Request` for patches without pixels, `Limit` for more than the limits allow.
    pub fn plan(&self, request: &PatchRequest) -> Result<ReadPlan, Error> {
        self.plan_on(request, Background::White)
    }

    /// As [`Slide::plan`], on the background of choice.
    ///
    /// # Errors
    /// As [`Slide::plan`].
    pub fn plan_on(&self, request: &PatchRequest, background: Background) -> Result<ReadPlan, Error> {
        ReadPlan::new(self, request, background)
    }

    /// Fetches a plan's tiles, without those that the caches of the slide's [`Stores`] hold; IO only.
    ///
    /// # Errors
    /// `Changed` if the blob was replaced since it was opened, `Truncated` if it is shorter than it said, or what the store
    /// answers.
    pub async fn fetch(&self, plan: &ReadPlan) -> Result<Fetched, Error> {
        let mut decoded = Held::new();
        let wanted = plan.wanted_but(|tile, region| {
            let found = self.tiles().and_then(|tiles| tiles.get(tile, region));
            found.map(|kept| decoded.insert(tile, kept)).is_some()
        });
        let (tiles, usage) = self.inner.blob.get_tiles(&wanted, plan.gap_bytes()).await?;
        Ok(Fetched::new(wanted.into_iter().zip(tiles).collect(), decoded, usage))
    }

    /// Plans, fetches and decodes on the calling task. Workers, which decode on threads of their own, call the three.
    ///
    /// # Errors
    /// As [`Slide::plan`] and [`Slide::fetch`]; bad tiles are in [`Patches::errors`].
    pub async fn read_patches(&self, request: &PatchRequest) -> Result<Patches, Error> {
        let plan = self.plan(request)?;
        Ok(self.fetch(&plan).await?.decode(&plan))
    }

    /// Reads one region as a picture; see [`RegionRequest`] for its pixels.
    ///
    /// # Errors
    /// The fault of a tile that cannot be read; else as [`Slide::plan`] and [`Slide::fetch`].
    pub async fn read_region(&self, request: &RegionRequest) -> Result<Vec<u8>, Error> {
        read::read_region(self, request).await
    }

    /// Names of the associated images, which may show patient data: `thumbnail`, `label`, `macro`.
    pub fn associated_names(&self) -> impl Iterator<Item = &'static str> {
        self.inner.index.found.associated.iter().map(|image| image.name)
    }

    /// Reads an associated image. Nothing else reads one; their indexes are fetched here too.
    ///
    /// # Errors
    /// `Request` for a name that the slide does not have; else as [`Slide::read_region`].
    pub async fn read_associated(&self, name: &str) -> Result<AssociatedImage, Error> {
        let found = self.inner.index.found.associated.iter().find(|image| image.name == name);
        let missing = || Error::Request { url: self.url().clone(), what: format!("there is no image named {name:?}") };
        associated::read(self, found.ok_or_else(missing)?.directory).await
    }

    /// OpenSlide's `quickhash-1`; `None` if the smallest level is too large for one. Fetches that level.
    ///
    /// # Errors
    /// As [`Slide::fetch`], and the fault of a tile that lies nowhere.
    pub async fn quickhash(&self) -> Result<Option<String>, Error> {
        quickhash::compute(self).await
    }

    /// Walks the file once more, this time with the values of images in strips.
    pub(crate) async fn walk_again(&self) -> Result<Tiff, Error> {
        let Inner { blob, limits, .. } = &*self.inner;
        let start = 0..blob.size().min(END_BYTES);
        let head = blob.get_all(&[start]).await?.into_iter().next().unwrap_or_default();
        walk(blob, Ends { head, tail: None }, Wanted::TilesAndStrips, limits).await
    }

    pub(crate) async fn fetch_ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, Error> {
        self.inner.blob.get_all(ranges).await
    }

    /// Unwanted bytes that may be fetched to save a request, of those that the caller allows.
    pub(crate) fn gap_bytes(&self, asked: u64) -> u64 {
        self.inner.blob.gap_bytes(asked)
    }

    pub(crate) fn level(&self, level: u32) -> Option<&Arc<Level>> {
        self.inner.index.found.levels.get(level as usize)
    }

    pub(crate) fn tiles(&self) -> Option<&SlideTiles> {
        self.inner.tiles.as_ref()
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.inner.limits
    }
}

/// Neither properties, which are patient data, nor the index, which is long.
impl fmt::Debug for Slide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slide({})", self.url().hash())
    }
}

/// The index of a blob from the cache, which must be of the version that is pinned or else of the one there is now.
async fn known(stores: &Stores, blob: &mut Blob, limits: &Limits) -> Result<Option<Arc<Index>>, Error> {
    let Some(indexes) = stores.indexes() else { return Ok(None) };
    if indexes.may_know(blob.url()).await {
        blob.look().await?;
    }
    let Some(etag) = blob.etag() else { return Ok(None) };
    Ok(indexes.get(blob.url(), etag, limits).await)
}

/// Reads the index of a blob, and keeps it in the cache.
async fn read_index(stores: &Stores, blob: &mut Blob, limits: &Limits) -> Result<Arc<Index>, Error> {
    let ends = blob.open(END_BYTES).await?;
    let tiff = walk(blob, ends, Wanted::Tiles, limits).await?;
    let found = formats::read(&tiff).map_err(|fault| Error::slide(blob.url(), fault))?;
    let index = Arc::new(Index { size: blob.size(), found });
    if let Some((indexes, etag)) = stores.indexes().zip(blob.etag()) {
        indexes.put(blob.url(), etag, &index).await;
    }
    Ok(index)
}

/// Feeds the walker until it is done, within the budgets of opening.
async fn walk(blob: &Blob, ends: Ends, wanted: Wanted, limits: &Limits) -> Result<Tiff, Error> {
    let failed = |fault| Error::slide(blob.url(), fault);
    let mut walker = Walker::start(ends.head, blob.size(), limits).map_err(failed)?.want(wanted);
    if let Some(tail) = ends.tail {
        walker.supply(blob.size() - tail.len() as u64, tail);
    }
    let (mut bytes, mut requests) = (0, 0);
    while let Step::Fetch(ranges) = walker.step().map_err(failed)? {
        bytes += ranges.iter().map(|range| range.end - range.start).sum::<u64>();
        requests += ranges.len();
        if bytes > limits.open_bytes || requests > limits.open_requests {
            return Err(failed(Fault::limit(format!("opening takes more than {bytes} bytes in {requests} requests"))));
        }
        for (range, body) in ranges.iter().zip(blob.get_all(&ranges).await?) {
            walker.supply(range.start, body);
        }
    }
    Ok(walker.finish())
}
