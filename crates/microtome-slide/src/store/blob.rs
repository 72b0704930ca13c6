//! One blob, pinned: every range comes from the same version of it, and has the length asked for.

use std::{io, ops::Range};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future, stream};
use object_store::GetRange;

use super::{
    Cause, RangeCache, Stores, Usage, cache::Claim, cause::read_error, extents::Extent, file::LocalFile, file::Version,
    remote::Remote, usage::Counters,
};
use crate::{
    Error, Fault, SlideUrl,
    range::{LONGEST_RANGE_BYTES, Merged, merge},
};

/// Ranges of one read in flight at once: enough to hide 30 ms of latency behind 8 MiB ranges; the caller bounds how many
/// reads run.
const PARALLEL_RANGES: usize = 16;

/// A blob whose size and ETag are fixed from its first bytes on.
#[derive(Debug)]
pub(crate) struct Blob {
    source: Source,
    url: SlideUrl,
    etag: Option<String>,
    size: u64,
    counters: Counters,
    cache: Option<RangeCache>,
}

/// Where the bytes come from.
#[derive(Debug)]
enum Source {
    Remote(Remote),
    File(LocalFile),
}

/// The first and last bytes of a blob, fetched together.
pub(crate) struct Ends {
    /// Starts at byte 0.
    pub(crate) head: Bytes,
    /// Ends at the blob's end; `None` if the store cannot address bytes from the end (Azure) or the head is the whole.
    pub(crate) tail: Option<Bytes>,
}

impl Blob {
    /// A blob of which nothing is known but where it lies, and perhaps the version that is wanted.
    pub(crate) fn unread(stores: &Stores, url: &SlideUrl, pin: Option<&str>) -> Result<Self, Error> {
        let source = match stores.file(url) {
            Some(path) => Source::File(LocalFile::new(path)),
            None => {
                let (store, path) = stores.locate(url)?;
                Source::Remote(Remote { store, path })
            }
        };
        // The system caches files itself.
        let cache = stores.cache().cloned().filter(|_| matches!(source, Source::Remote(_)));
        let (url, etag) = (url.clone(), pin.map(str::to_owned));
        Ok(Self { source, url, etag, size: 0, counters: Counters::default(), cache })
    }

    /// Pins the version that there is now, if none is pinned: one request.
    pub(crate) async fn look(&mut self) -> Result<(), Error> {
        if self.etag.is_none() {
            self.etag = match &self.source {
                Source::File(file) => Some(file.version().map_err(|error| self.unreadable(error))?.etag),
                Source::Remote(remote) => {
                    remote.head(&self.counters).await.map_err(|error| read_error(&self.url, &error))?.e_tag
                }
            };
        }
        Ok(())
    }

    /// The pinned version's size is known from before.
    pub(crate) fn assume(&mut self, size: u64) {
        self.size = size;
    }

    /// Fetches both ends in one round trip and pins the version they come from, which must be the pinned one if there is
    /// one.
    pub(crate) async fn open(&mut self, end_bytes: u64) -> Result<Ends, Error> {
        let ends = match &self.source {
            Source::File(_) => self.open_file(end_bytes).await?,
            Source::Remote(_) => self.open_remote(end_bytes).await?,
        };
        if self.size == 0 { Err(self.empty()) } else { Ok(ends) }
    }

    async fn open_file(&mut self, end_bytes: u64) -> Result<Ends, Error> {
        let Source::File(file) = &self.source else { return Ok(Ends { head: Bytes::new(), tail: None }) };
        let found = file.version().map_err(|error| self.unreadable(error))?;
        self.check_version(&found)?;
        (self.size, self.etag) = (found.size, Some(found.etag));
        let tail = Some(self.size.saturating_sub(end_bytes)..self.size).filter(|tail| tail.start > 0);
        let wanted: Vec<Range<u64>> = std::iter::once(0..self.size.min(end_bytes)).chain(tail).collect();
        let mut bodies = self.get_all(&wanted).await?.into_iter();
        Ok(Ends { head: bodies.next().unwrap_or_default(), tail: bodies.next() })
    }

    async fn open_remote(&mut self, end_bytes: u64) -> Result<Ends, Error> {
        let Source::Remote(remote) = &self.source else { return Ok(Ends { head: Bytes::new(), tail: None }) };
        let head = remote.get(GetRange::Bounded(0..end_bytes), self.etag(), &self.counters);
        let tail = remote.get(GetRange::Suffix(end_bytes), self.etag(), &self.counters);
        let (head, tail) = future::join(head, tail).await;
        let (head, head_meta) = match head {
            Ok(head) => head,
            Err(error) => return Err(self.unless_empty(remote, &error).await),
        };
        let tail = match tail {
            Ok((tail, meta)) if meta.size == head_meta.size && meta.e_tag == head_meta.e_tag => Some(tail),
            Ok((_, meta)) => return Err(changed(&self.url, head_meta.e_tag.as_deref(), meta.e_tag.as_deref())),
            Err(object_store::Error::NotSupported { .. }) => None,
            Err(error) => return Err(self.failed(remote, &error).await),
        };
        if self.etag.is_some() && head_meta.e_tag != self.etag {
            return Err(changed(&self.url, self.etag(), head_meta.e_tag.as_deref()));
        }
        (self.size, self.etag) = (head_meta.size, head_meta.e_tag);
        self.check_length(&head, self.size.min(end_bytes))?;
        if let Some(tail) = &tail {
            self.check_length(tail, self.size.min(end_bytes))?;
        }
        let tail = tail.filter(|_| self.size > end_bytes);
        Ok(Ends { head, tail })
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

    /// Unwanted bytes that may be fetched to save a request: none of a local file, whose requests cost nothing.
    pub(crate) fn gap_bytes(&self, asked: u64) -> u64 {
        if matches!(self.source, Source::File(_)) { 0 } else { asked }
    }

    /// The bytes of each range, in the order given; all ranges must lie in the blob and not be empty.
    pub(crate) async fn get_all(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, Error> {
        match &self.source {
            Source::File(file) => self.read_file(file, ranges).await,
            Source::Remote(remote) => {
                let each = stream::iter(ranges.iter().cloned()).map(|range| self.get(remote, range));
                each.buffered(PARALLEL_RANGES).try_collect().await
            }
        }
    }

    /// The bytes of each wanted range, in the order given, and what getting them cost. Ranges are merged over gaps of
    /// `gap_bytes`; what the cache holds, or another task is fetching, is not fetched again.
    pub(crate) async fn get_tiles(&self, wanted: &[Range<u64>], gap_bytes: u64) -> Result<(Vec<Bytes>, Usage), Error> {
        let remote = match &self.source {
            Source::File(file) => return self.read_tiles(file, wanted, gap_bytes).await,
            Source::Remote(remote) => remote,
        };
        let claim = match (&self.cache, &self.etag) {
            (Some(cache), Some(etag)) => cache.claim(&(self.url.clone(), etag.clone()), wanted, gap_bytes),
            // Without an ETag nobody can tell whether what was read before is still what the blob holds.
            _ => Claim::uncached(wanted, gap_bytes),
        };
        let spent = Counters::default();
        let bodies: Vec<Bytes> = stream::iter(claim.extents.iter().cloned())
            .map(|extent| self.fill(remote, extent, &spent))
            .buffered(PARALLEL_RANGES)
            .try_collect()
            .await?;
        let ranges: Vec<Range<u64>> = claim.extents.into_iter().map(|extent| extent.range).collect();
        Ok((slices(wanted, &Merged { ranges, covered_by: claim.covered_by }, &bodies), spent.read()))
    }

    /// As [`Blob::get_tiles`], of a local file.
    async fn read_tiles(
        &self,
        file: &LocalFile,
        wanted: &[Range<u64>],
        gap_bytes: u64,
    ) -> Result<(Vec<Bytes>, Usage), Error> {
        let merged = merge(wanted, gap_bytes, LONGEST_RANGE_BYTES);
        let bodies = self.read_file(file, &merged.ranges).await?;
        let bytes = bodies.iter().map(|body| body.len() as u64).sum();
        Ok((slices(wanted, &merged, &bodies), Usage { requests: bodies.len() as u64, bytes }))
    }

    async fn read_file(&self, file: &LocalFile, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, Error> {
        let (bodies, found) = file.read(ranges).await.map_err(|error| self.unreadable(error))?;
        self.check_version(&found)?;
        for (body, range) in bodies.iter().zip(ranges) {
            self.counters.count_request();
            self.counters.count_bytes(body.len());
            self.check_length(body, range.end.saturating_sub(range.start))?;
        }
        Ok(bodies)
    }

    /// The bytes of an extent: fetched by the first task that asks; if that fails or is cancelled, by the next one.
    async fn fill(&self, remote: &Remote, Extent { range, body }: Extent, spent: &Counters) -> Result<Bytes, Error> {
        let fetch = || async {
            let bytes = self.get(remote, range.clone()).await?;
            spent.count_request();
            spent.count_bytes(bytes.len());
            Ok(bytes)
        };
        body.get_or_try_init(fetch).await.cloned()
    }

    async fn get(&self, remote: &Remote, range: Range<u64>) -> Result<Bytes, Error> {
        let length = range.end.saturating_sub(range.start);
        let (bytes, meta) = match remote.get(GetRange::Bounded(range), self.etag(), &self.counters).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.failed(remote, &error).await),
        };
        if meta.e_tag != self.etag || meta.size != self.size {
            return Err(changed(&self.url, self.etag(), meta.e_tag.as_deref()));
        }
        self.check_length(&bytes, length)?;
        Ok(bytes)
    }

    fn check_version(&self, found: &Version) -> Result<(), Error> {
        match self.etag() {
            Some(pinned) if pinned != found.etag => Err(changed(&self.url, Some(pinned), Some(&found.etag))),
            _ => Ok(()),
        }
    }

    /// What a failed read means. A store that refuses the pin does not say which version it has: that is asked for.
    async fn failed(&self, remote: &Remote, error: &object_store::Error) -> Error {
        if !matches!(error, object_store::Error::Precondition { .. } | object_store::Error::NotModified { .. }) {
            return read_error(&self.url, error);
        }
        match remote.head(&self.counters).await {
            Ok(meta) => changed(&self.url, self.etag(), meta.e_tag.as_deref()),
            Err(error) => read_error(&self.url, &error),
        }
    }

    /// What a failed read of a local file means.
    fn unreadable(&self, source: io::Error) -> Error {
        let path = self.url.to_string();
        read_error(
            &self.url,
            &match source.kind() {
                io::ErrorKind::NotFound => object_store::Error::NotFound { path, source: source.into() },
                _ => object_store::Error::Generic { store: "local", source: source.into() },
            },
        )
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
    async fn unless_empty(&self, remote: &Remote, error: &object_store::Error) -> Error {
        if !matches!(error, object_store::Error::Generic { .. }) {
            return self.failed(remote, error).await;
        }
        match remote.head(&self.counters).await {
            Ok(meta) if meta.size == 0 => self.empty(),
            _ => match read_error(&self.url, error) {
                Error::Storage { url, .. } => Error::Storage { url, operation: "open", source: Cause::of(error) },
                other => other,
            },
        }
    }

    fn empty(&self) -> Error {
        Error::slide(&self.url, Fault::not_a_slide("the file is empty"))
    }
}

/// Each wanted range, out of the merged ones that cover them.
fn slices(wanted: &[Range<u64>], merged: &Merged, bodies: &[Bytes]) -> Vec<Bytes> {
    let slice = |(range, &by): (&Range<u64>, &usize)| {
        let from = (range.start - merged.ranges[by].start) as usize;
        bodies[by].slice(from..from + (range.end - range.start) as usize)
    };
    wanted.iter().zip(&merged.covered_by).map(slice).collect()
}

fn changed(url: &SlideUrl, pinned: Option<&str>, found: Option<&str>) -> Error {
    let text = |etag: Option<&str>| etag.unwrap_or("none").to_owned();
    Error::Changed { url: url.clone(), pinned: text(pinned), found: text(found) }
}
