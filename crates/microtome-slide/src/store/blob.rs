//! One blob, pinned: every range comes from the same version of it, and has the length asked for.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future, stream};
use object_store::{GetOptions, GetRange, GetResult, ObjectStore, path::Path};

use super::{Cause, RangeCache, Stores, Usage, cache::Claim, cause::read_error, extents::Extent, usage::Counters};
use crate::{Error, Fault, SlideUrl};

/// Ranges of one read in flight at once: enough to hide 30 ms of latency behind 8 MiB ranges; the caller bounds how many
/// reads run.
const PARALLEL_RANGES: usize = 16;

/// A blob whose size and ETag are fixed from its first bytes on.
#[derive(Debug)]
pub(crate) struct Blob {
    store: Arc<dyn ObjectStore>,
    path: Path,
    url: SlideUrl,
    etag: Option<String>,
    size: u64,
    counters: Counters,
    cache: Option<RangeCache>,
}

/// The first and last bytes of a blob, fetched together.
pub(crate) struct Ends {
    /// Starts at byte 0.
    pub(crate) head: Bytes,
    /// Ends at the blob's end; `None` if the store cannot address bytes from the end (Azure) or the head is the whole.
    pub(crate) tail: Option<Bytes>,
}

impl Blob {
    /// Fetches both ends in one round trip and pins the version they come from, which must be `pin` if given.
    pub(crate) async fn open(
        stores: &Stores,
        url: &SlideUrl,
        pin: Option<&str>,
        end_bytes: u64,
    ) -> Result<(Self, Ends), Error> {
        let (store, path) = stores.locate(url)?;
        let mut blob = Self {
            store,
            path,
            url: url.clone(),
            etag: pin.map(str::to_owned),
            size: 0,
            counters: Counters::default(),
            cache: stores.cache().cloned(),
        };
        let head = blob.request(GetRange::Bounded(0..end_bytes));
        let tail = blob.request(GetRange::Suffix(end_bytes));
        let (head, tail) = future::join(head, tail).await;
        let (head, head_meta) = match head {
            Ok(head) => head,
            Err(error) => return Err(blob.unless_empty(&error).await),
        };
        let tail = match tail {
            Ok((tail, meta)) if meta.size == head_meta.size && meta.e_tag == head_meta.e_tag => Some(tail),
            Ok((_, meta)) => {
                blob.etag = head_meta.e_tag;
                return Err(blob.changed(meta.e_tag.as_deref()));
            }
            Err(object_store::Error::NotSupported { .. }) => None,
            Err(error) => return Err(blob.failed(&error).await),
        };
        if pin.is_some() && head_meta.e_tag.as_deref() != pin {
            return Err(blob.changed(head_meta.e_tag.as_deref()));
        }
        (blob.size, blob.etag) = (head_meta.size, head_meta.e_tag);
        blob.check_length(&head, blob.size.min(end_bytes))?;
        if let Some(tail) = &tail {
            blob.check_length(tail, blob.size.min(end_bytes))?;
        }
        let tail = tail.filter(|_| blob.size > end_bytes);
        Ok((blob, Ends { head, tail }))
    }

    pub(crate) fn url(&self) -> &SlideUrl {
        &self.url
    }

    pub(crate) fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn usage(&self) -> Usage {
        self.counters.read()
    }

    /// The bytes of each range, in the order given; all ranges must lie in the blob and not be empty.
    pub(crate) async fn get_all(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, Error> {
        stream::iter(ranges.iter().cloned()).map(|range| self.get(range)).buffered(PARALLEL_RANGES).try_collect().await
    }

    /// The bytes of each wanted range, in the order given, and what getting them cost. Ranges are merged over gaps of
    /// `gap_bytes`; what the cache holds, or another task is fetching, is not fetched again.
    pub(crate) async fn get_tiles(&self, wanted: &[Range<u64>], gap_bytes: u64) -> Result<(Vec<Bytes>, Usage), Error> {
        let claim = match (&self.cache, &self.etag) {
            (Some(cache), Some(etag)) => cache.claim(&(self.url.clone(), etag.clone()), wanted, gap_bytes),
            // Without an ETag nobody can tell whether what was read before is still what the blob holds.
            _ => Claim::uncached(wanted, gap_bytes),
        };
        let spent = Counters::default();
        let bodies: Vec<Bytes> = stream::iter(claim.extents.iter().cloned())
            .map(|extent| self.fill(extent, &spent))
            .buffered(PARALLEL_RANGES)
            .try_collect()
            .await?;
        let slice = |(range, &by): (&Range<u64>, &usize)| {
            let from = (range.start - claim.extents[by].range.start) as usize;
            bodies[by].slice(from..from + (range.end - range.start) as usize)
        };
        Ok((wanted.iter().zip(&claim.covered_by).map(slice).collect(), spent.read()))
    }

    /// The bytes of an extent: fetched by the first task that asks; if that fails or is cancelled, by the next one.
    async fn fill(&self, Extent { range, body }: Extent, spent: &Counters) -> Result<Bytes, Error> {
        let fetch = || async {
            let bytes = self.get(range.clone()).await?;
            spent.count_request();
            spent.count_bytes(bytes.len());
            Ok(bytes)
        };
        body.get_or_try_init(fetch).await.cloned()
    }

    async fn get(&self, range: Range<u64>) -> Result<Bytes, Error> {
        let length = range.end.saturating_sub(range.start);
        let (bytes, meta) = match self.request(GetRange::Bounded(range)).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.failed(&error).await),
        };
        if meta.e_tag != self.etag || meta.size != self.size {
            return Err(self.changed(meta.e_tag.as_deref()));
        }
        self.check_length(&bytes, length)?;
        Ok(bytes)
    }

    async fn request(&self, range: GetRange) -> object_store::Result<(Bytes, object_store::ObjectMeta)> {
        let options = GetOptions { range: Some(range), if_match: self.if_match(), ..GetOptions::default() };
        let answer = self.store.get_opts(&self.path, options).await;
        if !matches!(answer, Err(object_store::Error::NotSupported { .. })) {
            // A range that the client itself refuses is never sent.
            self.counters.count_request();
        }
        let answer: GetResult = answer?;
        let meta = answer.meta.clone();
        let bytes = answer.bytes().await?;
        self.counters.count_bytes(bytes.len());
        Ok((bytes, meta))
    }

    /// The pin as a precondition. Weak ETags never match one (RFC 9110 §13.1.1); those are compared on arrival only.
    fn if_match(&self) -> Option<String> {
        self.etag.clone().filter(|etag| !etag.starts_with("W/"))
    }

    fn changed(&self, found: Option<&str>) -> Error {
        let text = |etag: Option<&str>| etag.unwrap_or("none").to_owned();
        Error::Changed { url: self.url.clone(), pinned: text(self.etag()), found: text(found) }
    }

    /// What a failed read means. A store that refuses the pin does not say which version it has: that is asked for.
    async fn failed(&self, error: &object_store::Error) -> Error {
        if !matches!(error, object_store::Error::Precondition { .. } | object_store::Error::NotModified { .. }) {
            return read_error(&self.url, error);
        }
        match self.head().await {
            Ok(meta) => self.changed(meta.e_tag.as_deref()),
            Err(error) => read_error(&self.url, &error),
        }
    }

    /// What the blob is now, whatever is pinned.
    async fn head(&self) -> object_store::Result<object_store::ObjectMeta> {
        self.counters.count_request();
        let options = GetOptions { head: true, ..GetOptions::default() };
        self.store.get_opts(&self.path, options).await.map(|answer| answer.meta)
    }

    /// Stores answer a short body without an error when a blob shrinks between two looks at it.
    fn check_length(&self, bytes: &Bytes, expected: u64) -> Result<(), Error> {
        if bytes.len() as u64 == expected {
            return Ok(());
        }
        let what = format!("the store returned {} of {expected} bytes", bytes.len());
        Err(Error::slide(&self.url, Fault::truncated(what)))
    }

    /// Tells an empty blob, of which no range can be read, from a failing store.
    async fn unless_empty(&self, error: &object_store::Error) -> Error {
        if !matches!(error, object_store::Error::Generic { .. }) {
            return self.failed(error).await;
        }
        match self.head().await {
            Ok(meta) if meta.size == 0 => Error::slide(&self.url, Fault::not_a_slide("the file is empty")),
            _ => match read_error(&self.url, error) {
                Error::Storage { url, .. } => Error::Storage { url, operation: "open", source: Cause::of(error) },
                other => other,
            },
        }
    }
}
