//! Whole objects over all stores: read in one version, listed in order, written whole or not at all. `tests/stores` adds an
//! Azurite and an S3 server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests are tests")]

mod support;

use bytes::Bytes;
use futures::future::join_all;
use microtome_slide::{Error, SlideUrl, Stores};
use support::{server::Fault, stores::Store};

async fn over(stores: Vec<Store>, row: impl AsyncFn(&Store)) {
    join_all(stores.iter().map(|store| row(store))).await;
    println!("{}", stores.iter().map(|store| store.name).collect::<Vec<_>>().join(", "));
}

/// Larger than two parts and no multiple of them.
fn large() -> Bytes {
    (0..11_000_001_u32).map(|at| (at % 251) as u8).collect::<Vec<_>>().into()
}

#[tokio::test]
async fn an_object_is_read_whole_with_its_version() {
    over(Store::all().await, async |store| {
        store.put("a b.csv", b"url\nx".to_vec()).await;
        store.put("empty", Vec::new()).await;
        let object = store.stores.read_object(&store.url("a b.csv"), 5).await.unwrap();
        assert_eq!((&object.bytes[..], object.etag.is_some()), (&b"url\nx"[..], true), "{}", store.name);
        assert_eq!(store.stores.head_object(&store.url("a b.csv")).await.unwrap().etag, object.etag, "{}", store.name);
        assert!(store.stores.read_object(&store.url("empty"), 5).await.unwrap().bytes.is_empty(), "{}", store.name);
        let error = store.stores.read_object(&store.url("a b.csv"), 4).await.unwrap_err();
        assert_eq!((error.category(), error.to_string().contains("5 bytes, at most 4")), ("Limit", true), "{error}");
        let error = store.stores.read_object(&store.url("none"), 4).await.unwrap_err();
        assert_eq!(error.category(), "NotFound", "{}", store.name);
        assert!(store.stores.object_exists(&store.url("empty")).await.unwrap(), "{}", store.name);
        assert!(!store.stores.object_exists(&store.url("none")).await.unwrap(), "{}", store.name);
    })
    .await;
}

#[tokio::test]
async fn small_objects_are_written_and_replaced() {
    over(Store::writable(Store::all().await), async |store| {
        for text in ["one", "another"] {
            let url = store.url("new/folder/x.json");
            store.stores.write_object(&url, Bytes::from(text)).await.unwrap();
            assert_eq!(store.stores.read_object(&url, 99).await.unwrap().bytes, text, "{}", store.name);
        }
        let empty = store.url("new/empty");
        store.stores.write_object(&empty, Bytes::new()).await.unwrap();
        assert!(store.stores.object_exists(&empty).await.unwrap(), "{}", store.name);
    })
    .await;
}

#[tokio::test]
async fn a_large_object_appears_whole_or_not_at_all() {
    over(Store::whole().await, async |store| {
        let (url, bytes) = (store.url("large/x.tar"), large());
        let mut writer = store.stores.create(&url).await.unwrap();
        // Pieces that fit no part.
        let (mut rest, mut piece) = (bytes.clone(), 1);
        while !rest.is_empty() {
            writer.write(rest.split_to(rest.len().min(piece))).await.unwrap();
            piece *= 7;
        }
        assert!(!store.stores.object_exists(&url).await.unwrap(), "{}", store.name);
        assert_eq!(store.stores.list(&store.prefix("large/")).await.unwrap(), [], "{}", store.name);
        writer.finish().await.unwrap();
        assert!(store.stores.read_object(&url, u64::MAX).await.unwrap().bytes == bytes, "{}", store.name);

        let mut reader = store.stores.open_object(&url).await.unwrap();
        let mut read = Vec::new();
        while let Some(piece) = reader.next().await.unwrap() {
            assert!(piece.len() <= 8 << 20, "{}", store.name);
            read.extend_from_slice(&piece);
        }
        assert!(read == bytes && reader.size() == bytes.len() as u64, "{}", store.name);

        let gone = store.url("large/y.tar");
        let mut writer = store.stores.create(&gone).await.unwrap();
        writer.write(bytes.clone()).await.unwrap();
        writer.abort().await.unwrap();
        let listed = store.stores.list(&store.prefix("large/")).await.unwrap();
        assert_eq!(listed.iter().map(|entry| &entry.url).collect::<Vec<_>>(), [&url], "{}", store.name);
    })
    .await;
}

#[tokio::test]
async fn an_object_that_is_replaced_while_it_is_read_has_changed() {
    over(Store::whole().await, async |store| {
        let url = store.url("replaced/x.pt");
        store.stores.write_object(&url, large()).await.unwrap();
        let mut reader = store.stores.open_object(&url).await.unwrap();
        reader.next().await.unwrap().unwrap();
        store.stores.write_object(&url, large().slice(1..)).await.unwrap();
        assert_eq!(reader.next().await.unwrap_err().category(), "Changed", "{}", store.name);
    })
    .await;
}

#[tokio::test]
async fn an_object_is_removed_once_and_for_all() {
    over(Store::whole().await, async |store| {
        let url = store.url("removed/x.pt");
        store.stores.write_object(&url, Bytes::from("x")).await.unwrap();
        for _ in 0..2 {
            store.stores.delete_object(&url).await.unwrap_or_else(|error| panic!("{}: {error:?}", store.name));
            assert!(!store.stores.object_exists(&url).await.unwrap(), "{}", store.name);
        }
        let missing = store.stores.open_object(&url).await.unwrap_err();
        assert_eq!(missing.category(), "NotFound", "{}", store.name);
    })
    .await;
}

#[tokio::test]
async fn a_listing_is_sorted_and_its_urls_can_be_read() {
    over(Store::whole().await, async |store| {
        assert_eq!(store.stores.list(&store.prefix("set/")).await.unwrap(), [], "{}", store.name);
        let names = ["set/a/x 1.svs", "set/a/x 100%.svs", "set/b.svs", "set/c/d/e.svs", "settle.svs"];
        for name in names.iter().rev() {
            store.put(name, name.as_bytes().to_vec()).await;
        }
        let listed = store.stores.list(&store.prefix("set/")).await.unwrap();
        let urls: Vec<SlideUrl> = listed.iter().map(|entry| entry.url.clone()).collect();
        assert_eq!(urls, names[..4].iter().map(|name| store.url(name)).collect::<Vec<_>>(), "{}", store.name);
        for entry in listed {
            let object = store.stores.read_object(&entry.url, 99).await.unwrap();
            assert_eq!((object.bytes.len() as u64, object.etag), (entry.size, entry.etag), "{}", store.name);
        }
    })
    .await;
}

#[tokio::test]
async fn refusals_and_missing_buckets_are_told_apart() {
    over(Store::scripted().await, async |store| {
        store.put("x", b"x".to_vec()).await;
        store.server().script([Fault::Status(403, None)]);
        let error = store.stores.read_object(&store.url("x"), 9).await.unwrap_err();
        assert_eq!(error.category(), "Denied", "{}", store.name);
    })
    .await;
    for (status, category, text) in [(403, "Denied", "not allowed to"), (404, "NotFound", "")] {
        let refused = |error: Error, store: &Store| {
            assert_eq!(error.category(), category, "{}: {error:?}", store.name);
            assert!(error.to_string().starts_with(text), "{}: {error}", store.name);
        };
        over(Store::writable(Store::scripted().await), async |store| {
            store.server().script([Fault::Status(status, None)]);
            refused(store.stores.write_object(&store.url("x"), Bytes::from("y")).await.unwrap_err(), store);
            store.server().script([Fault::Status(status, None)]);
            refused(store.stores.list(&store.prefix("x/")).await.unwrap_err(), store);
            // Last, because an upload that was refused may leave a part under way, which takes what is scripted next.
            store.server().script([Fault::Status(status, None)]);
            refused(store.stores.write_object(&store.url("x"), large()).await.unwrap_err(), store);
        })
        .await;
    }
}

#[tokio::test]
async fn web_servers_are_neither_listed_nor_written() {
    let (stores, url) = (Stores::from_env(), SlideUrl::parse("https://host.example/data").unwrap());
    let said = |error: Error| (error.category(), error.to_string());
    let (category, text) = said(stores.list(&url).await.unwrap_err());
    assert_eq!(category, "Unsupported");
    assert!(text.starts_with("cannot list https://host.example/data: a web server has no listing"), "{text}");
    let (category, text) = said(stores.write_object(&url, Bytes::new()).await.unwrap_err());
    assert_eq!(category, "Unsupported");
    assert!(text.starts_with("cannot write https://host.example/data: web servers are only read"), "{text}");
}

#[tokio::test]
async fn a_local_file_has_one_writer_and_a_killed_one_leaves_nothing_in_its_way() {
    let folder = tempfile::tempdir().unwrap();
    let stores = Stores::from_env();
    let prefix = SlideUrl::parse_prefix(folder.path().to_str().unwrap()).unwrap();
    let url = prefix.join("x.tar").unwrap();
    let mut killed = stores.create(&url).await.unwrap();
    killed.write(Bytes::from("half of a longer text")).await.unwrap();
    let error = stores.create(&url).await.unwrap_err();
    assert!(format!("{error:?}").contains("another process is writing it"), "{error:?}");
    drop(killed);
    assert_eq!(stores.list(&prefix).await.unwrap(), [], "what is unfinished is not there");
    stores.write_object(&url, Bytes::from("whole")).await.unwrap();
    assert_eq!(std::fs::read(folder.path().join("x.tar")).unwrap(), b"whole");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
