//! What a dataset may say, on real slides: where slides come from, which patches are taken, what they show, in which order.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use microtome_feed::engine;
use microtome_feed::head::{self, Mode, Order, PatchSpec};
use microtome_feed::selection_cache::SelectionCache;
use microtome_feed::selection_file;
use microtome_plan::dataset::Label;
use microtome_plan::select::Coordinate;
use microtome_slide::{Background, Limits, RegionRequest, Scale, Slide, SlideUrl, Stores};
use serde_json::json;

use support::{BUDGET, SLIDE, STREAM, dataset, job, job_of, open, read, stream};

const SLIDES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/slides");

async fn slide(path: &str) -> Slide {
    Slide::open(&Stores::from_env(), &SlideUrl::parse(path).unwrap(), &Limits::default()).await.unwrap()
}

/// What a view of a patch must show.
async fn region(slide: &Slide, (x, y): (i64, i64), size: u32, scale: Scale) -> Vec<u8> {
    let mode = microtome_slide::Mode::Nearest;
    let background = Background::White;
    slide.read_region(&RegionRequest { x, y, width: size, height: size, scale, mode, background }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_concentric_and_each_holds_its_own_pixels() {
    let views = json!([
        {"name": "image", "size": 128, "mpp": 0.499},
        {"name": "context", "size": 64, "mpp": 2},
        {"name": "detail", "size": 32, "level": 0},
    ]);
    let outcome = stream(&job(|dataset| dataset["views"] = views), 2).await.unwrap();
    let slide = slide(SLIDE).await;
    assert_eq!(outcome.patches.len(), 300);
    for patch in outcome.patches.iter().step_by(37) {
        let (x, y) = (i64::from(patch.coordinate.x), i64::from(patch.coordinate.y));
        let (image, rest) = patch.pixels.split_at(128 * 128 * 3);
        let (context, detail) = rest.split_at(64 * 64 * 3);
        assert!(image == region(&slide, (x, y), 128, Scale::Level(0)).await, "within 3 % a level is read as it is");
        // 64 px of 2 µm are 256.5 px of level 0: 64.25 to the left of the image's 128.
        assert!(context == region(&slide, (x - 65, y - 65), 64, Scale::Mpp(2.0)).await, "context at {x}, {y}");
        assert!(detail == region(&slide, (x + 48, y + 48), 32, Scale::Level(0)).await, "detail at {x}, {y}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_gives_slides_with_labels_resolutions_and_weights() {
    let directory = tempfile::tempdir().unwrap();
    let tcga = format!("{SLIDES}/tcga-cr-7395-01a-01-ts1.svs");
    let rows = format!("path,grade,patient,um,share\n{SLIDE},2,p1,,1\n{tcga},3,p2,0.25,0.5\n");
    fs::write(directory.path().join("train.csv"), rows).unwrap();
    let columns = json!({"url": "path", "labels": ["grade"], "group": "patient", "mpp": "um", "weight": "share"});
    let manifest = json!({"manifest": {"url": directory.path().join("train.csv"), "columns": columns}});
    let job = job(|dataset| {
        dataset["slides"] = manifest;
        dataset["views"] = json!([{"name": "image", "size": 100, "mpp": 0.499}]);
        dataset["epochs"] = json!(1);
    });
    let outcome = stream(&job, 2).await.unwrap();
    let of = |slide| outcome.patches.iter().filter(move |patch| patch.slide == slide);
    assert_eq!((of(0).count(), of(1).count()), (150, 75));
    assert!(of(1).all(|patch| patch.entry.labels["grade"] == Label::Integer(3)));
    assert_eq!(of(0).next().unwrap().entry.group.as_deref(), Some("p1"));
    // The manifest says that a pixel of the second slide is 0.25 µm wide, so two of them are one of 0.499.
    let second = slide(&tcga).await;
    for patch in of(1).step_by(29) {
        let origin = (i64::from(patch.coordinate.x), i64::from(patch.coordinate.y));
        assert!(patch.pixels == region(&second, origin, 100, Scale::Downsample(0.499 / 0.25)).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_finds_out_what_a_head_cannot() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(file("slides.csv"), format!("url,grade\n{SLIDE},2\n")).unwrap();
    fs::write(file("places.csv"), "url,x,y\nCMU-1-Small-Region,500,700\nCMU-1-Small-Region,20,5\n").unwrap();
    let of = |slides: &str| {
        let slides = json!({"manifest": {"url": file(slides), "columns": {"labels": ["grade"]}}});
        let table = json!({"coordinates": {"url": file("places.csv")}});
        job(|dataset| {
            (dataset["slides"], dataset["sampling"], dataset["epochs"]) = (slides, table, json!(1));
        })
    };
    let stream = async |job: &microtome_feed::job::Job| {
        let orders = job.origins().map(|origin| Order { origin, mode: STREAM }).collect();
        let (head, mut feeds) = head::start(orders, BUDGET).unwrap();
        let _engine = engine::embed(&head, &Stores::from_env(), 1).unwrap();
        read(head, feeds.remove(0)).await
    };
    let outcome = stream(&of("slides.csv")).await.unwrap();
    assert_eq!(outcome.patches.len(), 2);
    assert_eq!(outcome.patches[0].entry.labels["grade"], Label::Integer(2));
    let error = stream(&of("nothing.csv")).await.map(|_| ()).unwrap_err();
    assert_eq!(error.category(), "NotFound");
    assert!(error.to_string().starts_with("slides.manifest: "), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_gives_all_that_is_named_like_a_slide() {
    let job = job(|dataset| {
        dataset["slides"] = json!({"prefix": format!("{SLIDES}/")});
        dataset["views"][0]["size"] = json!(64);
        dataset["epochs"] = json!(1);
    });
    let source = job.source(0, &Stores::from_env()).await.unwrap();
    let names: Vec<&str> = source.slides.iter().map(|slide| slide.url.rsplit('/').next().unwrap()).collect();
    assert!(names.is_sorted() && names.contains(&"CMU-1-Small-Region.svs") && !names.contains(&"LICENSES.md"));
    let empty = tempfile::tempdir().unwrap();
    let said = async |prefix: String| {
        let job = support::job(|dataset| dataset["slides"] = json!({"prefix": prefix}));
        job.source(0, &Stores::from_env()).await.unwrap_err().to_string()
    };
    let nothing = said(format!("{}/", empty.path().display())).await;
    assert!(nothing.contains("spec.datasets[0].slides.prefix: nothing lies below"), "{nothing}");
    fs::write(empty.path().join("notes.txt"), "").unwrap();
    let notes = said(format!("{}/", empty.path().display())).await;
    assert!(notes.contains("none of the 1 files below"), "{notes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_gives_coordinates_and_a_selection_is_such_a_table() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(file("places.csv"), "url,x,y\nCMU-1-Small-Region,500,700\nCMU-1-Small-Region.svs,-20,5\n").unwrap();
    let order = |name: &str, order: &str| {
        let (table, order) = (json!({"coordinates": {"url": file(name)}}), json!(order));
        job(|dataset| {
            dataset["sampling"] = table;
            dataset["order"] = order;
            dataset["epochs"] = json!(1);
        })
    };
    let outcome = stream(&order("places.csv", "Sequential"), 1).await.unwrap();
    let places: Vec<_> = outcome.patches.iter().map(|patch| (patch.coordinate.x, patch.coordinate.y)).collect();
    assert_eq!(places, [(500, 700), (-20, 5)], "the table's order");

    let (_head, mut feed) = open(&job(|_| ()), Mode::Select { selection: None }).await.unwrap();
    let _engine = engine::embed(&_head, &Stores::from_env(), 1).unwrap();
    let selection = feed.selection().await.unwrap();
    fs::write(file("selection.parquet"), selection_file::write(&selection).unwrap()).unwrap();
    let again = stream(&order("selection.parquet", "Shuffled"), 1).await.unwrap();
    let places = |patches: &[head::Patch]| patches.iter().map(|patch| patch.coordinate).collect::<BTreeSet<_>>();
    let chosen: BTreeSet<Coordinate> = selection.slides[0].coordinates.iter().copied().collect();
    assert_eq!(places(&again.patches), chosen);

    fs::write(file("bad.csv"), "url,x,y\nother.svs,1,2\n").unwrap();
    let error = order("bad.csv", "Shuffled").source(0, &Stores::from_env()).await.unwrap_err().to_string();
    assert!(
        error.contains("bad.csv: row 1: \"other.svs\" is none, or not one alone, of the dataset's slides"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_tissue_is_taken_and_the_picture_shows_it() {
    let of = |percent: u8| {
        job(|dataset| {
            dataset["sampling"] = json!({"grid": {"stride": 128}});
            dataset["views"][0]["size"] = json!(128);
            dataset["filter"] = json!({"tissue": {"minPercent": percent}});
        })
    };
    let select = async |percent| {
        let (head, mut feed) = open(&of(percent), Mode::Select { selection: None }).await.unwrap();
        let _engine = engine::embed(&head, &Stores::from_env(), 2).unwrap();
        feed.selection().await.unwrap()
    };
    let (most, least) = (select(90).await, select(10).await);
    let all = (2220 / 128) * (2967 / 128);
    assert!(0 < most.patches() && most.patches() < least.patches() && least.patches() < all, "{most:?}");
    // What is taken is less like glass, which is nearly white, than what is not.
    let slide = slide(SLIDE).await;
    let taken: BTreeSet<Coordinate> = least.slides[0].coordinates.iter().copied().collect();
    let mut brightness = [Vec::new(), Vec::new()];
    for (x, y) in (0..17).flat_map(|column| (0..23).map(move |row| (column * 128, row * 128))) {
        let pixels = region(&slide, (x.into(), y.into()), 128, Scale::Level(0)).await;
        let mean = pixels.iter().map(|value| u64::from(*value)).sum::<u64>() / pixels.len() as u64;
        brightness[usize::from(taken.contains(&Coordinate { x, y }))].push(mean);
    }
    let mean = |values: &[u64]| values.iter().sum::<u64>() / values.len() as u64;
    assert!(mean(&brightness[0]) > mean(&brightness[1]) + 20, "{brightness:?}");
    let directory = tempfile::tempdir().unwrap();
    let source = of(10).source(0, &Stores::from_env()).await.unwrap();
    let drawn = microtome_feed::overview::draw(&source.recipe, &least, &Stores::from_env(), directory.path()).await;
    assert_eq!(drawn.unwrap(), 1);
    assert!(directory.path().join("00000-CMU-1-Small-Region.svs.png").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slide_without_a_resolution_is_left_out_unless_the_manifest_gives_it() {
    let plain = format!("{SLIDES}/quad-tile.jpg.tiff");
    let of = |mpp: serde_json::Value| {
        let mut second = json!({"url": plain});
        if !mpp.is_null() {
            second["mpp"] = mpp;
        }
        job(|dataset| {
            dataset["slides"]["list"] = json!([{"url": SLIDE}, second]);
            dataset["views"] = json!([{"name": "image", "size": 16, "mpp": 0.5}]);
        })
    };
    let outcome = stream(&of(json!(null)), 1).await.unwrap();
    let quarantined = outcome.head.stats().quarantined;
    assert_eq!((quarantined[0].index, quarantined[0].category.as_str()), (1, "NoMpp"));
    assert!(quarantined[0].reason.contains("quad-tile.jpg.tiff"), "{quarantined:?}");
    assert!(stream(&of(json!(0.5)), 1).await.unwrap().head.stats().quarantined.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn by_slide_gives_one_slide_after_another() {
    let tcga = format!("{SLIDES}/tcga-cr-7395-01a-01-ts1.svs");
    let outcome = stream(
        &job(|dataset| {
            dataset["slides"]["list"] = json!([{"url": SLIDE}, {"url": tcga}]);
            dataset["order"] = json!("BySlide");
        }),
        3,
    )
    .await
    .unwrap();
    let mut slides: Vec<u32> = outcome.patches[..300].iter().map(|patch| patch.slide).collect();
    slides.dedup();
    assert_eq!(slides.len(), 2, "each slide once an epoch: {slides:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heads_datasets_share_the_workers_and_not_their_streams() {
    let mut val = dataset();
    (val["name"], val["sampling"], val["epochs"]) = (json!("val"), json!({"grid": {"stride": 224}}), json!(1));
    let job = job_of(&json!([dataset(), val])).unwrap();
    let orders = job.origins().map(|origin| Order { origin, mode: STREAM }).collect();
    let (head, mut feeds) = head::start(orders, BUDGET).unwrap();
    let _engine = engine::embed(&head, &Stores::from_env(), 2).unwrap();
    let (second, first) = (feeds.pop().unwrap(), feeds.pop().unwrap());
    let (train, val) = tokio::join!(read(head.clone(), first), read(head.clone(), second));
    let (train, val) = (train.unwrap(), val.unwrap());
    assert_eq!((train.patches.len(), val.patches.len()), (300, 9 * 13));
    assert_eq!(train.digest, stream(&support::job(|_| ()), 1).await.unwrap().digest, "as if it were alone");
    assert_eq!(head.stats().patches, 417);
    let same = job_of(&json!([dataset(), dataset()])).unwrap_err();
    assert_eq!(same, "spec.datasets[1].name: \"train\" is the name of another dataset");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_asks_for_comes_in_its_order() {
    let (head, mut feed) = open(&job(|_| ()), Mode::Ask).await.unwrap();
    let _engine = engine::embed(&head, &Stores::from_env(), 2).unwrap();
    let spec = |number: i32| PatchSpec {
        url: SLIDE.to_owned(),
        coordinate: Coordinate { x: (number * 7919) % 1900, y: (number * 104_729) % 2700 },
    };
    let rounds: Vec<Vec<PatchSpec>> = vec![(0..100).map(spec).collect(), vec![], (50..55).map(spec).collect()];
    for round in &rounds {
        feed.ask(round).await.unwrap();
    }
    let elsewhere = PatchSpec { url: "elsewhere.svs".to_owned(), ..spec(0) };
    assert_eq!(feed.ask(&[elsewhere]).await.unwrap_err().category(), "UnknownSlide");
    feed.close().await.unwrap();
    let outcome = read(head, feed).await.unwrap();
    assert_eq!(outcome.batches, [32, 32, 32, 4, 5], "a round ends with a smaller batch");
    let asked: Vec<Coordinate> = rounds.concat().iter().map(|spec| spec.coordinate).collect();
    assert_eq!(outcome.patches.iter().map(|patch| patch.coordinate).collect::<Vec<_>>(), asked);
    let slide = slide(SLIDE).await;
    for patch in outcome.patches.iter().step_by(13) {
        let origin = (i64::from(patch.coordinate.x), i64::from(patch.coordinate.y));
        assert!(patch.pixels == region(&slide, origin, 224, Scale::Level(0)).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_is_found_again_until_something_changes() {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("slide.svs");
    fs::copy(SLIDE, &copy).unwrap();
    let cache = SelectionCache::new(&directory.path().join("selections"));
    let stores = Stores::from_env();
    let of = |seed: u64| {
        job(|dataset| {
            dataset["slides"]["list"][0]["url"] = json!(copy);
            dataset["seed"] = json!(seed);
        })
    };
    let key = async |seed| SelectionCache::key(&of(seed).source(0, &stores).await.unwrap(), &stores).await.unwrap();
    let first = key(7).await;
    assert!(cache.find(&first).await.is_none());
    let (head, mut feed) = open(&of(7), Mode::Select { selection: None }).await.unwrap();
    let engine = engine::embed(&head, &stores, 1).unwrap();
    let selection = feed.selection().await.unwrap();
    drop(engine);
    cache.keep(&first, &selection);
    let found = cache.find(&key(7).await).await.unwrap();
    assert_eq!(found, selection);
    assert_ne!(key(8).await, first, "another seed");
    // A stream of a selection of before is the stream of one that was chosen anew.
    let (head, feed) = open(&of(7), Mode::Stream { selection: Some(found), resume: None }).await.unwrap();
    let _engine = engine::embed(&head, &stores, 2).unwrap();
    assert_eq!(read(head, feed).await.unwrap().digest, stream(&of(7), 2).await.unwrap().digest);
    fs::write(&copy, fs::read(Path::new(SLIDES).join("tiled-jpeg-ycbcr.tif")).unwrap()).unwrap();
    assert_ne!(key(7).await, first, "another version of the slide");
    for entry in fs::read_dir(directory.path().join("selections")).unwrap() {
        fs::write(entry.unwrap().path(), "damaged").unwrap();
    }
    assert!(cache.find(&first).await.is_none());
}
