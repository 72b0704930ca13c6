//! The stores that slides and other objects lie in, one client for each container, bucket or web server.
//!
//! This module alone talks to storage. Keys come from the environment and go into clients, never into errors or logs.

mod azure;
mod blob;
mod cache;
mod cause;
mod client;
mod extents;
mod file;
mod google;
mod local;
mod object;
mod reader;
mod remote;
mod retry;
mod s3;
mod usage;
mod web;
mod writer;

use std::{
    collections::HashMap,
    fmt,
    path::Path as FilePath,
    sync::{Arc, Mutex, PoisonError},
};

use object_store::{ObjectStore, path::Path};

use self::client::Variables;
use crate::{
    Error, IndexCache, SlideUrl, TileCache,
    url::{Cloud, Location},
};

pub(crate) use blob::{Blob, Ends};
pub use cache::RangeCache;
pub use cause::Cause;
pub use object::{Object, ObjectEntry};
pub use reader::ObjectReader;
pub use usage::Usage;
pub use writer::ObjectWriter;

/// The variable that names a folder for indexes.
const INDEX_FOLDER: &str = "MICROTOME_INDEX_CACHE";

/// Indexes in memory, in bytes: those of some hundred large slides.
const INDEX_MEMORY_BYTES: u64 = 64 << 20;

/// Indexes on disk, in bytes: those of some ten thousand.
const INDEX_DISK_BYTES: u64 = 1 << 30;

/// The stores that a process reads slides from. Cheap to clone; clones share their clients.
#[derive(Clone)]
pub struct Stores {
    inner: Arc<Inner>,
    cache: Option<RangeCache>,
    tiles: Option<TileCache>,
    indexes: Option<IndexCache>,
}

struct Inner {
    /// Serves every URL, whatever its scheme.
    fixed: Option<Arc<dyn ObjectStore>>,
    variables: Variables,
    clients: Mutex<HashMap<Root, Arc<dyn ObjectStore>>>,
}

/// What a client is shared by.
#[derive(PartialEq, Eq, Hash)]
enum Root {
    Local,
    Bucket(Cloud, String),
    Origin(String),
}

impl Root {
    fn of(url: &SlideUrl) -> Self {
        match url.location() {
            Location::Local { .. } => Self::Local,
            Location::Blob { cloud, bucket, .. } => Self::Bucket(*cloud, bucket.clone()),
            Location::Web { origin, .. } => Self::Origin(origin.clone()),
        }
    }
}

impl Stores {
    /// Stores whose accounts, keys and endpoints come from the environment when a URL first needs them: `AZURE_*`,
    /// `AWS_*` and `GOOGLE_*` as object_store documents them (keys, workload identities, endpoints, emulators), and
    /// `STORAGE_EMULATOR_HOST`. `MICROTOME_INDEX_CACHE` may name a folder where indexes of slides are kept.
    pub fn from_env() -> Self {
        Self::of_process(Variables::of_process())
    }

    /// As [`Stores::from_env`], where a variable whose name has `prefix` before it counts as one without, and more than one
    /// without: what a process uses itself, beside what is its program's.
    pub fn from_env_preferring(prefix: &str) -> Self {
        Self::of_process(Variables::of_process().preferring(prefix))
    }

    fn of_process(variables: Variables) -> Self {
        let stores = Self::new(None, variables);
        match std::env::var_os(INDEX_FOLDER).filter(|folder| !folder.is_empty()) {
            Some(folder) => stores
                .caching_indexes(IndexCache::new(INDEX_MEMORY_BYTES).on_disk(FilePath::new(&folder), INDEX_DISK_BYTES)),
            None => stores,
        }
    }

    /// As [`Stores::from_env`], with the variables given instead of the process's.
    pub fn with_variables(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self::new(None, Variables::new(variables))
    }

    /// One given store for every URL: its paths are the blob's name without the container, or the local path without the
    /// leading slash. For tests, and for callers that decorate a store.
    pub fn single(store: Arc<dyn ObjectStore>) -> Self {
        Self::new(Some(store), Variables::default())
    }

    fn new(fixed: Option<Arc<dyn ObjectStore>>, variables: Variables) -> Self {
        Self {
            inner: Arc::new(Inner { fixed, variables, clients: Mutex::default() }),
            cache: None,
            tiles: None,
            indexes: None,
        }
    }

    /// The same stores, whose slides share the cache that they have, or else `cache`.
    pub fn caching(mut self, cache: RangeCache) -> Self {
        self.cache.get_or_insert(cache);
        self
    }

    /// The same stores, whose slides share the cache of decoded tiles that they have, or else `tiles`. Without one nothing
    /// that was decoded is kept.
    pub fn caching_tiles(mut self, tiles: TileCache) -> Self {
        self.tiles.get_or_insert(tiles);
        self
    }

    /// The same stores, whose slides share the cache of indexes that they have, or else `indexes`.
    pub fn caching_indexes(mut self, indexes: IndexCache) -> Self {
        self.indexes.get_or_insert(indexes);
        self
    }

    pub(crate) fn indexes(&self) -> Option<&IndexCache> {
        self.indexes.as_ref()
    }

    pub(crate) fn tiles(&self) -> Option<&TileCache> {
        self.tiles.as_ref()
    }

    pub(crate) fn cache(&self) -> Option<&RangeCache> {
        self.cache.as_ref()
    }

    /// The path of a local file, which is read without a client.
    fn file<'a>(&self, url: &'a SlideUrl) -> Option<&'a FilePath> {
        match url.location() {
            Location::Local { path } if self.inner.fixed.is_none() => Some(path),
            _ => None,
        }
    }

    /// The client and the path in it that a URL names.
    pub(crate) fn locate(&self, url: &SlideUrl) -> Result<(Arc<dyn ObjectStore>, Path), Error> {
        let path = match url.location() {
            Location::Local { path } => local::object_path(path),
            Location::Blob { key, .. } | Location::Web { key, .. } => {
                Path::parse(key).map_err(object_store::Error::from)
            }
        };
        let path = path.map_err(|error| cause::read_error(url, &error))?;
        if let Some(store) = &self.inner.fixed {
            return Ok((store.clone(), path));
        }
        let root = Root::of(url);
        let mut clients = self.inner.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = clients.get(&root) {
            return Ok((store.clone(), path));
        }
        let store = self.inner.build(&root).map_err(|error| unbuilt(url, &error))?;
        clients.insert(root, store.clone());
        Ok((store, path))
    }
}

impl Inner {
    /// A client for a root: one row for each kind of store.
    fn build(&self, root: &Root) -> object_store::Result<Arc<dyn ObjectStore>> {
        match root {
            Root::Local => Ok(local::client()),
            Root::Bucket(Cloud::Azure, container) => azure::client(container, &self.variables),
            Root::Bucket(Cloud::S3, bucket) => s3::client(bucket, &self.variables),
            Root::Bucket(Cloud::Google, bucket) => google::client(bucket, &self.variables),
            Root::Origin(origin) => web::client(origin),
        }
    }
}

fn unbuilt(url: &SlideUrl, error: &object_store::Error) -> Error {
    let variables = match url.location() {
        Location::Blob { cloud: Cloud::Azure, .. } => "AZURE_*",
        Location::Blob { cloud: Cloud::S3, .. } => "AWS_*",
        Location::Blob { cloud: Cloud::Google, .. } => "GOOGLE_*",
        Location::Local { .. } | Location::Web { .. } => "",
    };
    let advice = format!("account, endpoint and keys are taken from the variables {variables}");
    let cause = Cause::of(error);
    let source = if variables.is_empty() { cause } else { cause.and(&advice) };
    Error::Storage { url: url.clone(), operation: "build a storage client for", source }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").field("fixed", &self.inner.fixed.is_some()).finish_non_exhaustive()
    }
}
