//! Selections of earlier runs, by a digest of all that they depend on: the dataset's rules, its slides, and the version of
//! each slide's blob. Asking storage for a slide's version is one small request; opening and masking it are many.
//!
//! A cache can lose or refuse, never err: what cannot be read is selected anew.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt, TryStreamExt};
use microtome_plan::dataset::Dataset;
use microtome_plan::random::VERSION;
use microtome_plan::selection::Selection;
use microtome_slide::{FileCache, SlideUrl, Stores};
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
#[derive(Debug)]
pub struct SelectionCache {
    files: FileCache,
}

/// What a selection is kept under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl SelectionCache {
    /// Keeps selections in a directory, which is made when it is first needed.
    pub fn new(directory: &Path) -> Self {
        Self { files: FileCache::new(directory, BYTES) }
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
        match selection_file::read(Bytes::from(self.files.read(&key.0)?)).await {
            Ok(selection) => Some(Arc::new(selection)),
            Err(error) => {
                tracing::warn!(%error, "a cached selection cannot be used");
                None
            }
        }
    }

    /// Keeps a selection. A directory that cannot be written keeps nothing.
    pub fn keep(&self, key: &Key, selection: &Selection) {
        match selection_file::write(selection) {
            Ok(bytes) if self.files.write(&key.0, &bytes).is_some() => {}
            Ok(_) => tracing::warn!("a selection cannot be cached"),
            Err(error) => tracing::warn!(%error, "a selection cannot be encoded"),
        }
    }
}
