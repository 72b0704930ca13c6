//! What the integration tests share: the project's slides, stores that count and misbehave, and a writer of TIFF files.

#![allow(dead_code, unreachable_pub, reason = "each test file is a crate that uses its part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

pub mod server;
pub mod store;
pub mod stores;
pub mod tiff;

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use microtome_slide::{Error, Limits, PatchRequest, Patches, Scale, Slide, SlideUrl, Stores};
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory, path::Path};

/// A file under `tests/slides` of the project.
pub fn slide_path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/slides")).join(name)
}

/// Opens a slide of the project from the file system.
pub async fn open_file(name: &str) -> Slide {
    let url = SlideUrl::parse(slide_path(name).to_str().unwrap()).unwrap();
    Slide::open(&Stores::from_env(), &url, &Limits::default()).await.unwrap()
}

/// The URL of the one blob that the stores below hold.
pub fn blob_url() -> SlideUrl {
    SlideUrl::parse("az://slides/case/a.svs").unwrap()
}

pub fn blob_path() -> Path {
    Path::from("case/a.svs")
}

/// A store in memory with one blob.
pub async fn memory(bytes: impl Into<Bytes>) -> Arc<InMemory> {
    let store = Arc::new(InMemory::new());
    store.put(&blob_path(), bytes.into().into()).await.unwrap();
    store
}

/// Opens bytes as a slide.
pub async fn open_bytes(bytes: impl Into<Bytes>) -> Result<Slide, Error> {
    open_in(memory(bytes).await, &Limits::default()).await
}

pub async fn open_in(store: Arc<dyn ObjectStore>, limits: &Limits) -> Result<Slide, Error> {
    Slide::open(&Stores::single(store), &blob_url(), limits).await
}

pub fn request(level: u32, size: (u32, u32), origins: &[(i64, i64)]) -> PatchRequest {
    let (width, height) = size;
    PatchRequest { scale: Scale::Level(level), width, height, origins: origins.to_vec(), gap_bytes: 0 }
}

/// Reads patches that must all be there.
pub async fn read(slide: &Slide, level: u32, size: (u32, u32), origins: &[(i64, i64)]) -> Vec<u8> {
    let Patches { pixels, errors, .. } = slide.read_patches(&request(level, size, origins)).await.unwrap();
    assert_eq!(errors, []);
    pixels
}
