//! Opening a slide again: what it costs, and that nothing stale or damaged is believed.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::{path::PathBuf, sync::Arc};

use microtome_slide::{IndexCache, Limits, Slide, Stores};
use object_store::ObjectStoreExt;
use support::{
    blob_path, blob_url, memory, open_in, request, slide_path,
    store::Counting,
    tiff::{CLASSIC, Level, large_aperio, raw_level, raw_slide},
};
use tempfile::TempDir;
use tokio::time::Instant;

async fn open(store: &Arc<Counting>, cache: &IndexCache, etag: Option<&str>) -> Result<Slide, microtome_slide::Error> {
    let stores = Stores::single(store.clone()).caching_indexes(cache.clone());
    Slide::open_pinned(&stores, &blob_url(), &Limits::default(), etag).await
}

fn on_disk(folder: &TempDir) -> IndexCache {
    IndexCache::new(1 << 20).on_disk(folder.path(), 1 << 20)
}

/// The one file of a cache that holds an index.
fn only_file(folder: &TempDir) -> PathBuf {
    let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap());
    let files: Vec<_> = files.filter(|file| file.metadata().unwrap().len() > 0).map(|file| file.path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.into_iter().next().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_large_slide_costs_little_cold_and_nothing_warm() {
    let folder = tempfile::tempdir().unwrap();
    let store = Counting::new(memory(large_aperio()).await, true);
    for cache in [IndexCache::new(1 << 20), on_disk(&folder)] {
        let began = Instant::now();
        let cold = open(&store, &cache, None).await.unwrap();
        let (round_trips, usage) = (began.elapsed().as_secs(), cold.usage());
        println!("cold: {round_trips} round trips, {usage:?}");
        assert!(round_trips <= 5 && usage.bytes <= 512 << 10, "{round_trips} round trips, {usage:?}");
        let before = store.requests();
        let warm = open(&store, &cache, cold.etag()).await.unwrap();
        assert_eq!((store.requests() - before, warm.usage().requests), (0, 0));
        assert_eq!((warm.info(), warm.size(), warm.etag()), (cold.info(), cold.size(), cold.etag()));
        open(&store, &cache, None).await.unwrap();
        assert_eq!(store.requests() - before, 1);
    }
    // Another process, so to speak.
    let before = store.requests();
    let etag = open(&store, &IndexCache::new(0), None).await.unwrap().etag().unwrap().to_owned();
    let cold = store.requests() - before;
    open(&store, &on_disk(&folder), Some(&etag)).await.unwrap();
    assert_eq!(store.requests() - before, cold);
    let bytes = std::fs::metadata(only_file(&folder)).unwrap().len();
    println!("{bytes} bytes on disk");
    assert!(bytes < 80_000, "{bytes} bytes for 16,700 tiles");
}

#[tokio::test(start_paused = true)]
async fn a_slide_from_the_cache_reads_as_one_that_was_opened() {
    for name in ["CMU-1-Small-Region.svs", "tcga-cr-7395-01a-01-ts1.svs", "quad-tile.jpg.tiff"] {
        let folder = tempfile::tempdir().unwrap();
        let store = Counting::new(memory(std::fs::read(slide_path(name)).unwrap()).await, true);
        let plain = open_in(store.inner.clone(), &Limits::default()).await.unwrap();
        open(&store, &on_disk(&folder), None).await.unwrap();
        let warm = open(&store, &on_disk(&folder), plain.etag()).await.unwrap();
        assert_eq!((warm.usage().requests, warm.info()), (0, plain.info()), "{name}");
        let wanted = request(0, (100, 90), &[(200, 100), (-3, -4)]);
        assert!(warm.read_patches(&wanted).await.unwrap() == plain.read_patches(&wanted).await.unwrap(), "{name}");
        for name in plain.associated_names() {
            assert_eq!(warm.read_associated(name).await.unwrap(), plain.read_associated(name).await.unwrap());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_version_is_not_taken_for_the_one_that_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = Counting::new(memory(raw_slide(CLASSIC, &[raw_level((60, 50), (16, 16))])).await, true);
    for cache in [IndexCache::new(1 << 20), on_disk(&folder)] {
        let old = open(&store, &cache, None).await.unwrap();
        let other: Level = raw_level((80, 50), (16, 16));
        store.inner.put(&blob_path(), raw_slide(CLASSIC, &[other]).into()).await.unwrap();
        assert_eq!(open(&store, &cache, None).await.unwrap().info().width, 80);
        let warm = open(&store, &cache, old.etag()).await.unwrap();
        assert_eq!(warm.read_patches(&request(0, (8, 8), &[(0, 0)])).await.unwrap_err().category(), "Changed");
        store.inner.put(&blob_path(), raw_slide(CLASSIC, &[raw_level((60, 50), (16, 16))]).into()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_file_is_ignored_and_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let store = Counting::new(memory(raw_slide(CLASSIC, &[raw_level((60, 50), (16, 16))])).await, true);
    let etag = open(&store, &on_disk(&folder), None).await.unwrap().etag().unwrap().to_owned();
    let path = only_file(&folder);
    let whole = std::fs::read(&path).unwrap();
    let mut other_version = whole.clone();
    other_version[7] += 1;
    for damaged in [Vec::new(), whole[..whole.len() / 2].to_vec(), other_version, vec![0xff; 5000]] {
        std::fs::write(&path, &damaged).unwrap();
        assert_eq!(path.file_name().unwrap().len(), 64);
        let before = store.requests();
        assert_eq!(open(&store, &on_disk(&folder), Some(&etag)).await.unwrap().info().width, 60);
        assert!(store.requests() > before);
        assert!(std::fs::read(&path).unwrap() == whole);
    }
    // A folder that cannot be used.
    let cache = IndexCache::new(0).on_disk(&path, 1 << 20);
    assert_eq!(open(&store, &cache, Some(&etag)).await.unwrap().info().width, 60);
}

#[tokio::test(start_paused = true)]
async fn tighter_limits_are_kept_by_what_is_cached() {
    let store = Counting::new(memory(raw_slide(CLASSIC, &[raw_level((60, 50), (16, 16))])).await, true);
    let cache = IndexCache::new(1 << 20);
    open(&store, &cache, None).await.unwrap();
    let stores = Stores::single(store).caching_indexes(cache);
    let limits = Limits { tiles: 3, ..Limits::default() };
    assert_eq!(Slide::open(&stores, &blob_url(), &limits).await.unwrap_err().category(), "Limit");
}
