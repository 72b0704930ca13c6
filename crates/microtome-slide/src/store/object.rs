//! Whole objects, on the same stores as slides: manifests, selections, checkpoints, shards.
//!
//! An object appears whole or not at all, and is read in one version. What is listed, and what is read into memory, is
//! bounded by the caller or by a constant here.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};

use super::{Root, Stores, cause::store_error, local, reader::ObjectReader, writer::ObjectWriter};
use crate::{Error, Fault, SlideUrl, url::Location};

/// Objects that one listing may give: some 300 MB of names.
const MOST_LISTED: usize = 1_000_000;

/// An object in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// All of it.
    pub bytes: Bytes,
    /// Its version; `None` if the store has no ETags.
    pub etag: Option<String>,
}

/// An object by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectEntry {
    /// Where it lies.
    pub url: SlideUrl,
    /// In bytes.
    pub size: u64,
    /// Its version; `None` if the store has no ETags.
    pub etag: Option<String>,
}

impl Stores {
    /// Reads an object of at most `limit_bytes`.
    ///
    /// # Errors
    /// `Limit` where it is larger, `Changed` where it is replaced meanwhile, `NotFound`, `Denied`, `Storage`.
    pub async fn read_object(&self, url: &SlideUrl, limit_bytes: u64) -> Result<Object, Error> {
        let ObjectEntry { size, etag, .. } = self.head_object(url).await?;
        if size > limit_bytes {
            let what = format!("the file is {size} bytes, at most {limit_bytes} are read");
            return Err(Error::slide(url, Fault::limit(what)));
        }
        // A range is what the client tries again when its body is cut; of nothing there is none.
        if size == 0 {
            return Ok(Object { bytes: Bytes::new(), etag });
        }
        let (store, path) = self.locate(url)?;
        let bytes = range((&store, &path), url, etag.as_deref(), 0..size).await?;
        Ok(Object { bytes, etag })
    }

    /// Begins to read an object that may be larger than memory, in one version.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Storage`.
    pub async fn open_object(&self, url: &SlideUrl) -> Result<ObjectReader, Error> {
        let entry = self.head_object(url).await?;
        Ok(ObjectReader::new(self.locate(url)?, entry))
    }

    /// Removes an object, if it is there.
    ///
    /// # Errors
    /// `Unsupported` for web servers, `Denied`, `Storage`.
    pub async fn delete_object(&self, url: &SlideUrl) -> Result<(), Error> {
        if self.is_web(url) {
            let what = "web servers are only read; give az, s3, gs or a local path";
            return Err(Error::Impossible { url: url.clone(), operation: "delete", what });
        }
        let (store, path) = self.locate(url)?;
        match store.delete(&path).await.map_err(|error| store_error(url, "delete", &error)) {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Size and version of an object.
    ///
    /// # Errors
    /// `NotFound`, `Denied`, `Storage`.
    pub async fn head_object(&self, url: &SlideUrl) -> Result<ObjectEntry, Error> {
        let (store, path) = self.locate(url)?;
        let meta = store.head(&path).await.map_err(|error| store_error(url, "read", &error))?;
        Ok(ObjectEntry { url: url.clone(), size: meta.size, etag: meta.e_tag })
    }

    /// Whether there is such an object.
    ///
    /// # Errors
    /// `Denied`, `Storage`.
    pub async fn object_exists(&self, url: &SlideUrl) -> Result<bool, Error> {
        match self.head_object(url).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All objects below a prefix ([`SlideUrl::parse_prefix`]), however deep, sorted by their URLs; none where there is
    /// nothing.
    ///
    /// # Errors
    /// `Unsupported` for web servers, `Limit` for more than a million, `Denied`, `NotFound` (no such bucket), `Storage`.
    pub async fn list(&self, prefix: &SlideUrl) -> Result<Vec<ObjectEntry>, Error> {
        if self.is_web(prefix) {
            let what = "a web server has no listing; give the slides' URLs, or a prefix of az, s3, gs or a local path";
            return Err(Error::Impossible { url: prefix.clone(), operation: "list", what });
        }
        let (store, path) = self.locate(prefix)?;
        let failed = |error: object_store::Error| store_error(prefix, "list", &error);
        let mut listing = store.list(Some(&path));
        let mut found = Vec::new();
        while let Some(meta) = listing.try_next().await.map_err(failed)? {
            if found.len() == MOST_LISTED {
                let what = format!("more than {MOST_LISTED} objects; give a longer prefix");
                return Err(Error::slide(prefix, Fault::limit(what)));
            }
            found.extend(entry(prefix, meta).filter(|entry| !local::is_unfinished(&entry.url)));
        }
        found.sort_unstable_by(|one, other| one.url.cmp(&other.url));
        Ok(found)
    }

    /// Writes an object, in place of one that may be there; directories are made.
    ///
    /// # Errors
    /// `Unsupported` for web servers, `Denied`, `NotFound` (no such bucket), `Storage`.
    pub async fn write_object(&self, url: &SlideUrl, bytes: Bytes) -> Result<(), Error> {
        let mut writer = self.create(url).await?;
        writer.write(bytes).await?;
        writer.finish().await
    }

    /// Begins an object that may be larger than memory. It is there once it is finished, and not before.
    ///
    /// # Errors
    /// As [`Stores::write_object`]; for a local file also `Storage` while another process writes it.
    pub async fn create(&self, url: &SlideUrl) -> Result<ObjectWriter, Error> {
        if self.is_web(url) {
            let what = "web servers are only read; give az, s3, gs or a local path";
            return Err(Error::Impossible { url: url.clone(), operation: "write", what });
        }
        match url.location() {
            Location::Local { path } if self.inner.fixed.is_none() => ObjectWriter::local(url, path).await,
            _ => {
                let (store, path): (Arc<dyn ObjectStore>, Path) = self.locate(url)?;
                Ok(ObjectWriter::remote(url, store, path))
            }
        }
    }

    fn is_web(&self, url: &SlideUrl) -> bool {
        matches!(Root::of(url), Root::Origin(_)) && self.inner.fixed.is_none()
    }
}

/// A range of the version that has this ETag.
pub(super) async fn range(
    (store, path): (&Arc<dyn ObjectStore>, &Path),
    url: &SlideUrl,
    etag: Option<&str>,
    range: Range<u64>,
) -> Result<Bytes, Error> {
    let length = range.end - range.start;
    let if_match = etag.filter(|etag| !etag.starts_with("W/")).map(ToOwned::to_owned);
    let options = GetOptions { range: Some(GetRange::Bounded(range)), if_match, ..GetOptions::default() };
    let failed = |error: object_store::Error| match error {
        object_store::Error::Precondition { .. } => changed(url, etag, None),
        error => store_error(url, "read", &error),
    };
    let answer = store.get_opts(path, options).await.map_err(failed)?;
    let found = answer.meta.e_tag.clone();
    let bytes = answer.bytes().await.map_err(|error| store_error(url, "read", &error))?;
    if found.as_deref() != etag || bytes.len() as u64 != length {
        return Err(changed(url, etag, found.as_deref()));
    }
    Ok(bytes)
}

fn changed(url: &SlideUrl, pinned: Option<&str>, found: Option<&str>) -> Error {
    let text = |etag: Option<&str>| etag.unwrap_or("another").to_owned();
    Error::Changed { url: url.clone(), pinned: text(pinned), found: text(found) }
}

/// A listed object with the URL that reads it; `None` for what only marks a folder.
fn entry(prefix: &SlideUrl, meta: ObjectMeta) -> Option<ObjectEntry> {
    let key = meta.location.as_ref().to_owned();
    let location = match prefix.location() {
        Location::Local { .. } => Location::Local { path: local::file_path(&meta.location)? },
        Location::Blob { cloud, bucket, key: folder } if key != *folder => {
            Location::Blob { cloud: *cloud, bucket: bucket.clone(), key }
        }
        Location::Blob { .. } | Location::Web { .. } => return None,
    };
    // Azure lists ETags without the quotes that its answers have.
    let quoted = |etag: String| if etag.ends_with('"') { etag } else { format!("\"{etag}\"") };
    Some(ObjectEntry { url: SlideUrl::of(location), size: meta.size, etag: meta.e_tag.map(quoted) })
}
