//! One object of a store, read by ranges of one version.

use std::sync::Arc;

use bytes::Bytes;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore, Result, path::Path};

use super::usage::Counters;

/// Where the object lies.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) path: Path,
}

impl Remote {
    /// A range of the version that has this ETag, and what the store says of the object.
    pub(super) async fn get(
        &self,
        range: GetRange,
        etag: Option<&str>,
        counters: &Counters,
    ) -> Result<(Bytes, ObjectMeta)> {
        // Weak ETags never match a precondition (RFC 9110 §13.1.1); those are compared on arrival only.
        let if_match = etag.filter(|etag| !etag.starts_with("W/")).map(str::to_owned);
        let options = GetOptions { range: Some(range), if_match, ..GetOptions::default() };
        let answer = self.store.get_opts(&self.path, options).await;
        if !matches!(answer, Err(object_store::Error::NotSupported { .. })) {
            // A range that the client itself refuses is never sent.
            counters.count_request();
        }
        let answer = answer?;
        let meta = answer.meta.clone();
        let bytes = answer.bytes().await?;
        counters.count_bytes(bytes.len());
        Ok((bytes, meta))
    }

    /// What the object is now, whatever is pinned.
    pub(super) async fn head(&self, counters: &Counters) -> Result<ObjectMeta> {
        counters.count_request();
        let options = GetOptions { head: true, ..GetOptions::default() };
        self.store.get_opts(&self.path, options).await.map(|answer| answer.meta)
    }
}
