//! What reading costs in requests and round trips, and what happens when the blob or the store does not hold still.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::sync::Arc;

use microtome_slide::{GAP_RANDOM_BYTES, Limits, PatchRequest, RangeCache, Slide, Stores, Usage};
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory};
use support::{
    blob_path, blob_url, memory, open_bytes, open_in, request,
    store::Counting,
    tiff::{CLASSIC, Kind, Writer, associated, large_aperio, raw_level, raw_slide},
};
use tokio::time::Instant;

/// Opens the blob of a counting store; returns what it cost.
async fn cost_to_open(store: &Arc<Counting>) -> (u64, Usage) {
    let start = Instant::now();
    let slide = open_in(store.clone(), &Limits::default()).await.unwrap();
    assert_eq!(store.requests(), slide.usage().requests);
    (start.elapsed().as_secs(), slide.usage())
}

#[tokio::test(start_paused = true)]
async fn a_large_aperio_slide_opens_in_few_round_trips() {
    let blob = memory(large_aperio()).await;
    let (round_trips, usage) = cost_to_open(&Counting::new(blob, true)).await;
    println!("{round_trips} round trips, {usage:?}");
    assert!(round_trips <= 5, "{round_trips} round trips");
    assert!(usage.bytes <= 512 << 10, "{usage:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_count_from_the_end_costs_no_more_round_trips() {
    let blob = memory(large_aperio()).await;
    let with_suffix = cost_to_open(&Counting::new(blob.clone(), true)).await;
    let without = cost_to_open(&Counting::new(blob, false)).await;
    assert_eq!(without.0, with_suffix.0);
    assert!(without.1.bytes <= 512 << 10, "{:?}", without.1);
}

#[tokio::test(start_paused = true)]
async fn a_small_file_opens_in_one_round_trip() {
    let blob = memory(raw_slide(CLASSIC, &[raw_level((60, 50), (16, 16))])).await;
    assert_eq!(cost_to_open(&Counting::new(blob, true)).await.0, 1);
}

#[tokio::test(start_paused = true)]
async fn ranges_of_a_read_are_fetched_together() {
    let store = Counting::new(memory(raw_slide(CLASSIC, &[raw_level((600, 500), (100, 100))])).await, true);
    let slide = open_in(store.clone(), &Limits::default()).await.unwrap();
    let (before, start) = (store.requests(), Instant::now());
    // Four tiles, two neighbouring ones in each of two rows.
    let plan = slide.plan(&request(0, (100, 100), &[(50, 50)])).unwrap();
    assert_eq!((plan.tiles().count(), plan.ranges().len()), (4, 2));
    assert_eq!(plan.fetch_bytes(), plan.needed_bytes());
    slide.fetch(&plan).await.unwrap();
    assert_eq!((store.requests() - before, start.elapsed().as_secs()), (2, 1));
    let wide = PatchRequest { gap_bytes: GAP_RANDOM_BYTES, ..request(0, (100, 100), &[(50, 50)]) };
    assert_eq!(slide.plan(&wide).unwrap().ranges().len(), 1);
}

#[tokio::test]
async fn a_blob_replaced_after_opening_is_an_error() {
    let bytes = raw_slide(CLASSIC, &[raw_level((60, 50), (16, 16))]);
    let store = memory(bytes.clone()).await;
    let slide = open_in(store.clone(), &Limits::default()).await.unwrap();
    assert!(slide.read_patches(&request(0, (8, 8), &[(0, 0)])).await.is_ok());
    store.put(&blob_path(), bytes.into()).await.unwrap();
    let error = slide.read_patches(&request(0, (8, 8), &[(0, 0)])).await.unwrap_err();
    assert_eq!(error.category(), "Changed");
    assert_eq!(error.to_string(), "az://slides/case/a.svs has changed since it was pinned: ETag \"0\" became \"1\"");
}

#[tokio::test]
async fn a_pinned_version_opens_or_not() {
    let bytes = raw_slide(CLASSIC, &[raw_level((60, 50), (16, 16))]);
    let store = memory(bytes.clone()).await;
    let stores = Stores::single(store.clone());
    let etag = Slide::open(&stores, &blob_url(), &Limits::default()).await.unwrap().etag().unwrap().to_owned();
    assert!(Slide::open_pinned(&stores, &blob_url(), &Limits::default(), Some(&etag)).await.is_ok());
    store.put(&blob_path(), bytes.into()).await.unwrap();
    let error = Slide::open_pinned(&stores, &blob_url(), &Limits::default(), Some(&etag)).await.unwrap_err();
    assert_eq!(error.category(), "Changed");
}

#[tokio::test]
async fn a_blob_that_is_not_there_or_empty() {
    let error = open_in(Arc::new(InMemory::new()), &Limits::default()).await.unwrap_err();
    assert_eq!((error.category(), error.to_string().as_str()), ("NotFound", "az://slides/case/a.svs does not exist"));
    let error = open_bytes(Vec::new()).await.unwrap_err();
    assert_eq!(error.category(), "NotASlide");
    assert_eq!(error.to_string(), "cannot read az://slides/case/a.svs: the file is empty");
}

#[tokio::test]
async fn local_files_open_by_path_and_by_url() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a b%.svs");
    std::fs::write(&path, raw_slide(CLASSIC, &[raw_level((60, 50), (16, 16))])).unwrap();
    let url = format!("file://{}", path.display()).replace('%', "%25");
    for text in [path.to_str().unwrap().to_owned(), url] {
        let url = microtome_slide::SlideUrl::parse(&text).unwrap();
        let slide = Slide::open(&Stores::from_env(), &url, &Limits::default()).await.unwrap();
        assert_eq!((slide.info().width, slide.url().name().as_str()), (60, "a b%.svs"));
    }
    let url = microtome_slide::SlideUrl::parse(folder.path().join("none.svs").to_str().unwrap()).unwrap();
    let error = Slide::open(&Stores::from_env(), &url, &Limits::default()).await.unwrap_err();
    assert_eq!(error.category(), "NotFound");
}

#[tokio::test]
async fn a_local_file_that_changes_under_the_reader_has_changed() {
    let bytes = raw_slide(CLASSIC, &[raw_level((60, 50), (16, 16))]);
    let replace = |path: &std::path::Path| {
        std::fs::write(path.with_extension("new"), &bytes).unwrap();
        std::fs::rename(path.with_extension("new"), path).unwrap();
    };
    let append = |path: &std::path::Path| std::fs::write(path, [&bytes[..], b"."].concat()).unwrap();
    let cut = |path: &std::path::Path| std::fs::write(path, &bytes[..100]).unwrap();
    for (change, category) in [
        (&replace as &dyn Fn(&std::path::Path), "Changed"),
        (&append, "Changed"),
        (&cut, "Changed"),
        (&|path| std::fs::remove_file(path).unwrap(), "NotFound"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.svs");
        std::fs::write(&path, &bytes).unwrap();
        let url = microtome_slide::SlideUrl::parse(path.to_str().unwrap()).unwrap();
        let slide = Slide::open(&Stores::from_env(), &url, &Limits::default()).await.unwrap();
        let (wanted, other) = (request(0, (8, 8), &[(0, 0)]), request(0, (8, 8), &[(20, 20)]));
        slide.read_patches(&wanted).await.unwrap();
        change(&path);
        // What was read before and what was not.
        for request in [wanted, other] {
            assert_eq!(slide.read_patches(&request).await.unwrap_err().category(), category);
        }
    }
}

#[tokio::test]
async fn opening_stays_within_its_budget() {
    let kind = Kind { big_endian: false, big_tiff: true };
    let mut writer = Writer::new(kind);
    for _ in 0..20 {
        associated(&mut writer, 200_000);
    }
    let limits = Limits { open_requests: 10, ..Limits::default() };
    let error = open_in(memory(writer.out).await as Arc<dyn ObjectStore>, &limits).await.unwrap_err();
    assert_eq!(error.category(), "Limit");
}

/// A slide of 30 tiles of 30 kB in a store that counts, whose slides share a cache of so many bytes.
async fn cached(limit_bytes: u64) -> (Arc<Counting>, RangeCache, Slide) {
    let store = Counting::new(memory(raw_slide(CLASSIC, &[raw_level((600, 500), (100, 100))])).await, true);
    let cache = RangeCache::new(limit_bytes);
    let stores = Stores::single(store.clone()).caching(cache.clone());
    let slide = Slide::open(&stores, &blob_url(), &Limits::default()).await.unwrap();
    (store, cache, slide)
}

#[tokio::test(start_paused = true)]
async fn neighbouring_reads_fetch_each_byte_once() {
    let (store, cache, slide) = cached(1 << 20).await;
    let (opened, whole) = (store.requests(), open_in(store.inner.clone(), &Limits::default()).await.unwrap());
    let mut spent = 0;
    for row in 0..6 {
        let wanted = request(0, (100, 100), &[(50, 70 * row), (350, 70 * row)]);
        let plan = slide.plan(&wanted).unwrap();
        let fetched = slide.fetch(&plan).await.unwrap();
        assert_eq!(fetched.decode(&plan), whole.read_patches(&wanted).await.unwrap());
        spent += fetched.usage().bytes;
    }
    // Two pairs of tiles in each of five rows, with a tile between them that nobody wants.
    assert_eq!((spent, cache.bytes()), (20 * 30_000, 20 * 30_000));
    assert_eq!(store.requests() - opened, 10);
}

#[tokio::test(start_paused = true)]
async fn what_two_reads_want_at_once_is_fetched_once() {
    let (store, _, slide) = cached(1 << 20).await;
    let (opened, start) = (store.requests(), Instant::now());
    let plan = slide.plan(&request(0, (100, 100), &[(0, 0)])).unwrap();
    // The first is cancelled while it fetches; one of the others takes over.
    let cancelled = tokio::time::timeout(std::time::Duration::from_millis(500), slide.fetch(&plan));
    let (cancelled, one, other) = futures::join!(cancelled, slide.fetch(&plan), slide.fetch(&plan));
    assert!(cancelled.is_err());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!((one.bytes(), other.bytes()), (30_000, 30_000));
    assert_eq!(one.usage().requests + other.usage().requests, 1);
    assert_eq!((store.requests() - opened, start.elapsed().as_millis()), (2, 1500));
}

#[tokio::test(start_paused = true)]
async fn the_cache_stays_within_its_bytes() {
    let (store, cache, slide) = cached(70_000).await;
    let mut left = Vec::new();
    for column in [0, 1, 2, 2, 1, 0] {
        let plan = slide.plan(&request(0, (100, 100), &[(100 * column, 0)])).unwrap();
        left.push(slide.fetch(&plan).await.unwrap().usage().requests);
        assert!(cache.bytes() <= 70_000);
    }
    assert_eq!(left, [1, 1, 1, 0, 0, 1]);
    assert!(store.requests() > 4);
}

#[tokio::test(start_paused = true)]
async fn another_version_of_a_blob_is_not_served_from_the_cache() {
    let (store, _, slide) = cached(1 << 20).await;
    let wanted = request(0, (100, 100), &[(0, 0)]);
    slide.read_patches(&wanted).await.unwrap();
    store.inner.put(&blob_path(), raw_slide(CLASSIC, &[raw_level((600, 500), (100, 100))]).into()).await.unwrap();
    let elsewhere = request(0, (100, 100), &[(200, 200)]);
    assert_eq!(slide.read_patches(&elsewhere).await.unwrap_err().category(), "Changed");
    // What was read before the change stays what it was.
    assert_eq!(slide.read_patches(&wanted).await.unwrap().errors, []);
}
