//! The whole path in one process, on a real slide: the stream is the plan's, whoever cuts it, and holds the slide's pixels.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

mod support;

use std::path::Path;
use std::time::Duration;

use microtome_feed::digest::StreamDigest;
use microtome_feed::engine;
use microtome_feed::head::{Batch, Mode};
use microtome_feed::job::Job;
use microtome_plan::checkpoint::{Checkpoint, Start};
use microtome_slide::{GAP_RANDOM_BYTES, Limits, PatchRequest, Scale, Slide, SlideUrl, Stores};
use serde_json::json;

use support::{SLIDE, STREAM, job, open, stream};

/// Reads `batches` batches from a checkpoint on, and says where the stream goes on.
async fn part(job: &Job, resume: Option<Checkpoint>, batches: usize, digest: &mut StreamDigest) -> Option<Checkpoint> {
    let (head, mut feed) = open(job, Mode::Stream { selection: None, resume }).await.unwrap();
    let _engine = engine::embed(&head, &Stores::from_env(), 2).unwrap();
    for _ in 0..batches {
        let Some(batch) = feed.next().await.unwrap() else { break };
        digest.update(&batch);
        assert_eq!(feed.checkpoint(), batch.checkpoint.as_ref());
    }
    feed.checkpoint().cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_stopped_after_any_batch_goes_on_with_the_next() {
    let job = job(|_| ());
    let whole = stream(&job, 2).await.unwrap().digest;
    for batches in 1..=10 {
        let mut digest = StreamDigest::default();
        let checkpoint = part(&job, None, batches, &mut digest).await;
        // As a file would keep it.
        let state = serde_json::to_string(&digest).unwrap();
        let mut digest: StreamDigest = serde_json::from_str(&state).unwrap();
        part(&job, checkpoint, usize::MAX, &mut digest).await;
        assert_eq!(digest.hex(), whole, "stopped after {batches} batches");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_another_stream_is_refused_by_name() {
    let checkpoint = part(&job(|_| ()), None, 1, &mut StreamDigest::default()).await;
    let other = job(|dataset| dataset["batchSize"] = json!(16));
    let (head, mut feed) = open(&other, Mode::Stream { selection: None, resume: checkpoint }).await.unwrap();
    let _engine = engine::embed(&head, &Stores::from_env(), 1).unwrap();
    let error = feed.next().await.unwrap_err();
    assert_eq!(error.category(), "CheckpointMismatch");
    let text = "the checkpoint is of another stream: its batch size is 32, this stream's is 16";
    assert_eq!(error.to_string(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_is_the_same_for_any_number_of_workers() {
    let job = job(|_| ());
    let alone = stream(&job, 1).await.unwrap();
    assert_eq!(alone.patches.len(), 300);
    assert_eq!(alone.batches, [32, 32, 32, 32, 22, 32, 32, 32, 32, 22], "an epoch ends with a smaller batch");
    for workers in [2, 5] {
        assert_eq!(stream(&job, workers).await.unwrap().digest, alone.digest, "{workers} workers");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_seed_is_another_stream() {
    let digest =
        |seed: u64| async move { stream(&job(|dataset| dataset["seed"] = json!(seed)), 2).await.unwrap().digest };
    assert_ne!(digest(7).await, digest(8).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_patch_holds_the_slides_pixels() {
    let outcome = stream(&job(|_| ()), 2).await.unwrap();
    let slide = Slide::open(&Stores::from_env(), &SlideUrl::parse(SLIDE).unwrap(), &Limits::default()).await.unwrap();
    for patch in outcome.patches.iter().step_by(17) {
        let origin = (i64::from(patch.coordinate.x), i64::from(patch.coordinate.y));
        let request = PatchRequest {
            scale: Scale::Level(0),
            width: 224,
            height: 224,
            origins: vec![origin],
            gap_bytes: GAP_RANDOM_BYTES,
        };
        assert!(slide.read_patches(&request).await.unwrap().pixels == patch.pixels, "patch at {origin:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slide_that_is_none_is_left_out_with_its_reason() {
    let broken = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let both = json!([{"url": broken}, {"url": SLIDE}]);
    let outcome = stream(&job(|dataset| dataset["slides"]["list"] = both.clone()), 2).await.unwrap();
    assert!(outcome.patches.iter().all(|patch| patch.slide == 1));
    let quarantined = outcome.head.stats().quarantined;
    assert_eq!((quarantined[0].index, quarantined[0].category.as_str()), (0, "NotASlide"));

    let strict = job(|dataset| {
        dataset["slides"]["list"] = both;
        dataset["onError"] = json!("Fail");
    });
    let Err(error) = stream(&strict, 2).await else { panic!("a broken slide must fail the job") };
    assert_eq!(error.category(), "NotASlide");
    assert!(error.to_string().contains("Cargo.toml"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_streamed_is_said_before_anything_is_read() {
    let cases = [
        (json!({"slides": {"list": [{"url": "/nowhere.svs"}]}}), "NoSlides"),
        (json!({"views": [{"name": "image", "size": 224, "level": 9}]}), "NoSlides"),
        (json!({"views": [{"name": "image", "size": 4000, "level": 0}], "batchSize": 1}), "Budget"),
        (json!({"views": [{"name": "image", "size": 2500, "level": 0}], "batchSize": 1}), "NoPatches"),
    ];
    for (change, category) in cases {
        let job = job(|dataset| {
            for (field, value) in change.as_object().unwrap() {
                dataset[field] = value.clone();
            }
        });
        let Err(error) = stream(&job, 1).await else { panic!("{change} must fail") };
        assert_eq!(error.category(), category, "{error}");
    }
}

#[tokio::test]
async fn a_stream_is_read_again_from_any_epoch_or_checkpoint() {
    let job = job(|_| {});
    let whole = stream(&job, 1).await.unwrap();
    let (head, mut feed) = open(&job, STREAM).await.unwrap();
    let _engine = engine::embed(&head, &Stores::from_env(), 1).unwrap();
    let numbers = |batch: &Batch| batch.patches().iter().map(|patch| patch.number).collect::<Vec<_>>();
    let expected: Vec<Vec<u64>> = whole
        .patches
        .chunks(150)
        .flat_map(|epoch| epoch.chunks(32))
        .map(|step| step.iter().map(|patch| patch.number).collect())
        .collect();
    // Given up after three batches, with others on their way.
    let mut saved = None;
    for step in &expected[..3] {
        assert_eq!(numbers(&feed.next().await.unwrap().unwrap()), *step);
        saved = feed.checkpoint().cloned();
    }
    feed.start(Start::Epoch(1));
    for step in &expected[5..] {
        assert_eq!(numbers(&feed.next().await.unwrap().unwrap()), *step);
    }
    assert!(feed.next().await.unwrap().is_none() && feed.next().await.unwrap().is_none());
    feed.start(Start::Checkpoint(saved.unwrap()));
    for step in &expected[3..] {
        assert_eq!(numbers(&feed.next().await.unwrap().unwrap()), *step);
    }
    assert!(feed.next().await.unwrap().is_none());
    // An epoch that the dataset does not have is one more.
    feed.start(Start::Epoch(2));
    let mut third = Vec::new();
    while let Some(batch) = feed.next().await.unwrap() {
        assert_eq!(batch.epoch, 2);
        third.extend(numbers(&batch));
    }
    assert_ne!(third, expected[..5].concat());
    third.sort_unstable();
    assert_eq!(third, (0..150).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_knows_what_its_program_asks_for_and_what_its_workers_make() {
    let job = job(|_| ());
    let (head, mut feed) = open(&job, STREAM).await.unwrap();
    assert_eq!(head.supply().loaders[0].demand, None, "nobody has read yet");
    let _engine = engine::embed(&head, &Stores::from_env(), 2).unwrap();
    let step = Duration::from_millis(40);
    while let Some(batch) = feed.next().await.unwrap() {
        // The program's step: what is measured is how long it is, and it is at least this.
        std::thread::sleep(step);
        drop(batch);
    }
    let supply = head.supply();
    let loader = &supply.loaders[0];
    let (demand, rate) = (loader.demand.unwrap(), loader.rate.unwrap());
    let most = 32.0 / step.as_secs_f64();
    assert!(demand <= most && demand > most / 10.0, "{demand} patches a second are asked for, {most} at most");
    assert!(rate > 1.0, "{rate} patches a second of a worker");
    assert_eq!((loader.dataset.as_str(), loader.asked, supply.arrived, supply.workers), ("train", false, 300, 2));
    assert!(supply.waited > Duration::ZERO, "the first batch was waited for");
}
