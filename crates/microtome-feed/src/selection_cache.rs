//! Selections of earlier runs, by a digest of all that they depend on: the dataset's rules, its slides, and the version of
//! each slide's blob. Asking storage for a slide's version is one small request; opening and masking it are many.
//!
//! A cache can lose or refuse, never err: what cannot be read is selected anew.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use microtome_plan::dataset::Dataset;
use microtome_plan::random::VERSION;
use microtome_plan::selection::Selection;
use microtome_slide::{SlideUrl, Stores};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::selection_file;
use crate::source::Source;

/// Requests for versions that are out at once.
const REQUESTS: usize = 32;
/// All files together; a million patches are some 8 MB.
const BYTES: u64 = 512 << 20;

/// A directory of selections.
#[derive(Clone, Debug)]
pub struct SelectionCache {
    directory: PathBuf,
}

/// What a selection is kept under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl SelectionCache {
    /// Keeps selections in a directory, which is made when it is first needed.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// What the selection of a dataset is kept under now; `None` where a slide's version cannot be had.
    pub async fn key(source: &Source, stores: &Stores) -> Option<Key> {
        let version = async |url: &str| {
            let url = SlideUrl::parse(url).ok()?;
            stores.head_object(&url).await.ok()?.etag
        };
        let versions: Vec<String> = stream::iter(&source.slides)
            .map(|slide| async move { version(&slide.url).await.ok_or(()) })
            .buffered(REQUESTS)
            .try_collect()
            .await
            .ok()?;
        let Dataset { views, sampling, filter, seed, on_error, .. } = &source.dataset;
        let rules = json!([VERSION, views, sampling, filter, seed, on_error, source.slides, versions]);
        let mut digest = Sha256::new();
        digest.update(rules.to_string());
        for place in source.places.iter().flatten() {
            digest.update(place.x.to_le_bytes());
            digest.update(place.y.to_le_bytes());
        }
        Some(Key(hex(&digest.finalize())))
    }

    /// The selection under a key.
    pub async fn find(&self, key: &Key) -> Option<Arc<Selection>> {
        let path = self.path(key);
        let bytes = Bytes::from(fs::read(&path).ok()?);
        match selection_file::read(bytes).await {
            Ok(selection) => {
                // What was used last goes last; a file that somebody else deletes meanwhile needs no date.
                let _ = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
                Some(Arc::new(selection))
            }
            Err(error) => {
                tracing::warn!(%error, "a cached selection cannot be used");
                None
            }
        }
    }

    /// Keeps a selection. A directory that cannot be written keeps nothing.
    pub fn keep(&self, key: &Key, selection: &Selection) {
        let bytes = match selection_file::write(selection) {
            Ok(bytes) => bytes,
            Err(error) => return tracing::warn!(%error, "a selection cannot be encoded"),
        };
        match selection_file::replace(&self.path(key), &bytes) {
            Ok(()) => self.make_room(),
            Err(error) => tracing::warn!(%error, "a selection cannot be cached"),
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.directory.join(format!("{}.parquet", key.0))
    }

    /// Deletes what was used longest ago, until the rest is small enough.
    fn make_room(&self) {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let mut files: Vec<(SystemTime, u64, PathBuf)> = entries
            .filter_map(|entry| {
                let facts = entry.metadata().ok()?;
                Some((facts.modified().ok()?, facts.len(), entry.path()))
            })
            .collect();
        files.sort_by(|left, right| right.cmp(left));
        let mut kept = 0;
        for (_, bytes, path) in files {
            kept += bytes;
            if kept > BYTES {
                let _ = fs::remove_file(path);
            }
        }
    }
}
