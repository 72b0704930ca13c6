//! The stores that slides and other objects lie in, one client for each container, bucket or web server.
//!
//! This module alone talks to storage. Keys come from the environment and go into clients, never into errors or logs.

mod azure;
mod blob;
mod cache;
mod cause;
mod client;
mod extents;
mod google;
mod local;
mod object;
mod retry;
mod s3;
mod usage;
mod web;
mod writer;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use object_store::{ObjectStore, path::Path};

use self::client::Variables;
use crate::{
    Error, SlideUrl,
    url::{Cloud, Location},
};

pub(crate) use blob::{Blob, Ends};
pub use cache::RangeCache;
pub use cause::Cause;
pub use object::{Object, ObjectEntry};
pub use usage::Usage;
pub use writer::ObjectWriter;

/// The stores that a process reads slides from. Cheap to clone; clones share their clients.
#[derive(Clone)]
pub struct Stores {
    inner: Arc<Inner>,
    cache: Option<RangeCache>,
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
    /// `STORAGE_EMULATOR_HOST`.
    pub fn from_env() -> Self {
        Self::new(None, Variables::of_process())
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
        Self { inner: Arc::new(Inner { fixed, variables, clients: Mutex::default() }), cache: None }
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
