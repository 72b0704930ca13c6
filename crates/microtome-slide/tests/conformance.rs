//! One suite for all stores: what they are asked is the same, so what comes back must be. Each test is a row, and runs over
//! every store; rows with faults run over the scripted ones. `tests/stores` adds an Azurite and an S3 server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod support;

use std::time::{Duration, Instant};

use futures::future::join_all;
use microtome_slide::Slide;
use support::{
    open_bytes, request,
    server::Fault,
    stores::Store,
    tiff::{CLASSIC, raw_level, raw_slide},
};

const KEY: &str = "case/a b.svs";

/// 750 kB in 25 tiles, with its directory at the end.
fn blob() -> Vec<u8> {
    raw_slide(CLASSIC, &[raw_level((500, 500), (100, 100))])
}

/// Reads a patch of four tiles, in two ranges, and compares it with the same of the blob in memory.
async fn check_patch(store: &Store, slide: &Slide) {
    let wanted = request(0, (150, 150), &[(120, 230)]);
    let plan = slide.plan(&wanted).unwrap();
    assert_eq!((plan.tiles().count(), plan.ranges().len()), (4, 2), "{}", store.name);
    let fetched = slide.fetch(&plan).await.unwrap_or_else(|error| panic!("{}: {error:?}", store.name));
    let expected = open_bytes(blob()).await.unwrap().read_patches(&wanted).await.unwrap();
    assert_eq!(fetched.decode(&plan), expected, "{}", store.name);
}

async fn over(stores: Vec<Store>, row: impl AsyncFn(&Store)) {
    join_all(stores.iter().map(|store| row(store))).await;
    println!("{}", stores.iter().map(|store| store.name).collect::<Vec<_>>().join(", "));
}

/// Opens the blob in a scripted store; what comes next is not yet decided.
async fn opened(store: &Store) -> Slide {
    store.put(KEY, blob()).await;
    store.open(KEY).await.unwrap_or_else(|error| panic!("{}: {error:?}", store.name))
}

#[tokio::test]
async fn a_slide_is_opened_by_its_ends_and_read_by_ranges() {
    over(Store::all().await, async |store| {
        let slide = opened(store).await;
        assert_eq!((slide.info().width, slide.size()), (500, blob().len() as u64), "{}", store.name);
        assert!(slide.usage().requests <= 3 && slide.usage().bytes <= 192 << 10, "{}: {:?}", store.name, slide.usage());
        check_patch(store, &slide).await;
    })
    .await;
}

#[tokio::test]
async fn a_range_past_the_end_is_what_there_is() {
    over(Store::all().await, async |store| {
        store.put("small.svs", raw_slide(CLASSIC, &[raw_level((30, 20), (16, 16))])).await;
        assert_eq!(store.open("small.svs").await.unwrap().info().width, 30, "{}", store.name);
        store.put("empty.svs", Vec::new()).await;
        let error = store.open("empty.svs").await.unwrap_err();
        assert_eq!(error.to_string(), format!("cannot read {}: the file is empty", store.url("empty.svs")));
    })
    .await;
}

#[tokio::test]
async fn a_replaced_blob_has_changed() {
    over(Store::all().await, async |store| {
        let slide = opened(store).await;
        let pinned = slide.etag().unwrap().to_owned();
        assert!(store.open_pinned(KEY, Some(&pinned)).await.is_ok(), "{}", store.name);
        // Another byte, so that stores whose ETag is a hash see another version.
        store.put(KEY, [blob(), vec![0]].concat()).await;
        let found = store.open(KEY).await.unwrap().etag().unwrap().to_owned();
        assert_ne!(found, pinned, "{}", store.name);
        let expected = format!("{} has changed since it was pinned: ETag {pinned} became {found}", store.url(KEY));
        let read = slide.read_patches(&request(0, (8, 8), &[(0, 0)])).await.unwrap_err();
        let opened = store.open_pinned(KEY, Some(&pinned)).await.unwrap_err();
        for error in [read, opened] {
            assert_eq!((error.category(), error.to_string()), ("Changed", expected.clone()), "{}", store.name);
        }
    })
    .await;
}

#[tokio::test]
async fn a_blob_that_is_not_there_is_not_found() {
    over(Store::all().await, async |store| {
        let error = store.open("none.svs").await.unwrap_err();
        let expected = format!("{} does not exist", store.url("none.svs"));
        assert_eq!((error.category(), error.to_string()), ("NotFound", expected), "{}", store.name);
    })
    .await;
}

#[tokio::test]
async fn refusals_are_not_tried_again() {
    for status in [401, 403] {
        over(Store::scripted().await, async |store| {
            let slide = opened(store).await;
            let before = store.server().requests();
            store.server().script([Fault::Status(status, None)]);
            let error = slide.read_patches(&request(0, (8, 8), &[(0, 0)])).await.unwrap_err();
            assert_eq!(error.category(), "Denied", "{}", store.name);
            assert_eq!(store.server().requests() - before, 1, "{}", store.name);
        })
        .await;
    }
}

#[tokio::test]
async fn a_busy_store_is_asked_again_when_it_says() {
    for status in [503, 429] {
        over(Store::scripted().await, async |store| {
            let (slide, began) = (opened(store).await, Instant::now());
            store.server().script([Fault::Status(status, Some(1))]);
            check_patch(store, &slide).await;
            assert!(began.elapsed() >= Duration::from_secs(1), "{}", store.name);
        })
        .await;
    }
}

#[tokio::test]
async fn failures_are_tried_again_but_not_for_ever() {
    over(Store::scripted().await, async |store| {
        let slide = opened(store).await;
        store.server().script([500, 502, 503].map(|status| Fault::Status(status, None)));
        check_patch(store, &slide).await;
        let before = store.server().requests();
        store.server().script([Fault::Status(503, None); 100]);
        let error = slide.read_patches(&request(0, (8, 8), &[(0, 0)])).await.unwrap_err();
        assert_eq!((error.category(), store.server().requests() - before), ("Storage", 6), "{}", store.name);
        // A pause longer than there is time for is not begun.
        let before = store.server().requests();
        store.server().script([Fault::Status(503, Some(120))]);
        let error = slide.read_patches(&request(0, (8, 8), &[(0, 0)])).await.unwrap_err();
        assert_eq!((error.category(), store.server().requests() - before), ("Storage", 1), "{}", store.name);
    })
    .await;
}

#[tokio::test]
async fn a_cut_body_is_fetched_again() {
    over(Store::scripted().await, async |store| {
        let slide = opened(store).await;
        let before = store.server().requests();
        store.server().script([Fault::Cut, Fault::Cut]);
        check_patch(store, &slide).await;
        assert_eq!(store.server().requests() - before, 4, "{}", store.name);
    })
    .await;
}

#[tokio::test]
async fn a_stalled_body_is_given_up_and_fetched_again() {
    over(Store::scripted().await, async |store| {
        let (slide, began) = (opened(store).await, Instant::now());
        store.server().script([Fault::Stall]);
        check_patch(store, &slide).await;
        let elapsed = began.elapsed();
        assert!((3..9).contains(&elapsed.as_secs()), "{}: {elapsed:?}", store.name);
    })
    .await;
}
