//! The stores that slides lie in, one client for each (scheme, container).
//!
//! This module alone talks to storage. Keys come from the environment and go into clients, never into errors or logs.

mod azure;
mod blob;
mod cache;
mod cause;
mod extents;
mod local;
mod usage;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use object_store::{ObjectStore, path::Path};

use crate::{Error, SlideUrl, url::Location};

pub(crate) use blob::{Blob, Ends};
pub use cache::RangeCache;
pub use cause::Cause;
pub use usage::Usage;

/// The stores that a process reads slides from. Cheap to clone; clones share their clients.
#[derive(Clone)]
pub struct Stores {
    inner: Arc<Inner>,
    cache: Option<RangeCache>,
}

struct Inner {
    /// Serves every URL, whatever its scheme.
    fixed: Option<Arc<dyn ObjectStore>>,
    clients: Mutex<HashMap<ClientKey, Arc<dyn ObjectStore>>>,
}

/// What a client is shared by.
#[derive(PartialEq, Eq, Hash)]
enum ClientKey {
    Local,
    Azure(String),
}

impl Stores {
    /// Stores whose accounts, keys and endpoints come from the environment when a URL first needs them: `AZURE_*` as
    /// object_store documents them (account, key, client, workload identity, endpoint, emulator).
    pub fn from_env() -> Self {
        Self::new(None)
    }

    /// One given store for every URL: its paths are the blob's name without the container, or the local path without the
    /// leading slash. For tests, and for callers that decorate a store.
    pub fn single(store: Arc<dyn ObjectStore>) -> Self {
        Self::new(Some(store))
    }

    fn new(fixed: Option<Arc<dyn ObjectStore>>) -> Self {
        Self { inner: Arc::new(Inner { fixed, clients: Mutex::new(HashMap::new()) }), cache: None }
    }

    /// The same stores, whose slides share the cache that they have, or else `cache`.
    pub fn caching(mut self, cache: RangeCache) -> Self {
        self.cache.get_or_insert(cache);
        self
    }

    pub(crate) fn cache(&self) -> Option<&RangeCache> {
        self.cache.as_ref()
    }

    /// The client and the path in it that a URL names.
    pub(crate) fn locate(&self, url: &SlideUrl) -> Result<(Arc<dyn ObjectStore>, Path), Error> {
        let path = match url.location() {
            Location::Local { path } => local::object_path(path),
            Location::Azure { key, .. } => Path::parse(key).map_err(object_store::Error::from),
        };
        let path = path.map_err(|error| cause::read_error(url, &error))?;
        if let Some(store) = &self.inner.fixed {
            return Ok((store.clone(), path));
        }
        let mut clients = self.inner.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let key = match url.location() {
            Location::Local { .. } => ClientKey::Local,
            Location::Azure { container, .. } => ClientKey::Azure(container.clone()),
        };
        if let Some(store) = clients.get(&key) {
            return Ok((store.clone(), path));
        }
        let store = match &key {
            ClientKey::Local => local::client(),
            ClientKey::Azure(container) => azure::client(container).map_err(|error| unbuilt(url, &error))?,
        };
        clients.insert(key, store.clone());
        Ok((store, path))
    }
}

fn unbuilt(url: &SlideUrl, error: &object_store::Error) -> Error {
    Error::Storage { url: url.clone(), operation: "build a storage client for", source: Cause::of(error) }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").field("fixed", &self.inner.fixed.is_some()).finish_non_exhaustive()
    }
}
