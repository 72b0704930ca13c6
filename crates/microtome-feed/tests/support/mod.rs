//! A job in one process, on a real slide.

#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]

use std::fs;

use microtome_feed::digest::StreamDigest;
use microtome_feed::engine;
use microtome_feed::error::FeedError;
use microtome_feed::head::{self, Feed, Head, Mode, Order, Origin, Patch};
use microtome_feed::job::Job;
use microtome_slide::Stores;
use serde_json::{Value, json};

pub const SLIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/slides/CMU-1-Small-Region.svs");
pub const BUDGET: u64 = 256 << 20;
pub const STREAM: Mode = Mode::Stream { selection: None, resume: None };

/// 150 random patches of 224 px in batches of 32, twice.
pub fn dataset() -> Value {
    json!({
        "name": "train", "slides": {"list": [{"url": SLIDE}]},
        "views": [{"name": "image", "size": 224, "level": 0}],
        "sampling": {"random": {"perSlide": 150}}, "batchSize": 32, "seed": 7, "epochs": 2,
    })
}

pub fn job(change: impl FnOnce(&mut Value)) -> Job {
    let mut dataset = dataset();
    change(&mut dataset);
    job_of(&json!([dataset])).unwrap()
}

pub fn job_of(datasets: &Value) -> Result<Job, String> {
    let object = json!({
        "apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob", "metadata": {"name": "test"},
        "spec": {
            "command": ["true"], "activeDeadlineSeconds": 60, "datasets": datasets,
            "clusterSpec": {
                "profileName": "default", "head": {"image": "i", "resources": {"limits": {}}},
                "workers": {"minReplicas": 1, "maxReplicas": 1, "resources": {"limits": {}}},
            },
        },
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("job.json");
    fs::write(&path, object.to_string()).unwrap();
    Job::read(&path).map_err(|error| error.to_string().replace(&format!("{}: ", path.display()), ""))
}

/// Head and feed of a job's first dataset.
pub async fn open(job: &Job, mode: Mode) -> Result<(Head, Feed), FeedError> {
    let origin = Origin::Known(Box::new(job.source(0, &Stores::from_env()).await.unwrap()));
    let (head, mut feeds) = head::start(vec![Order { origin, mode }], BUDGET)?;
    Ok((head, feeds.remove(0)))
}

pub struct Outcome {
    pub patches: Vec<Patch>,
    pub batches: Vec<usize>,
    pub digest: String,
    pub head: Head,
}

/// All that a feed gives.
pub async fn read(head: Head, mut feed: Feed) -> Result<Outcome, FeedError> {
    let (mut digest, mut patches, mut batches) = (StreamDigest::default(), Vec::new(), Vec::new());
    while let Some(batch) = feed.next().await? {
        digest.update(&batch);
        batches.push(batch.patches().len());
        patches.extend(batch.patches().iter().cloned());
    }
    Ok(Outcome { patches, batches, digest: digest.hex(), head })
}

/// The whole stream of a job's first dataset.
pub async fn stream(job: &Job, workers: usize) -> Result<Outcome, FeedError> {
    let (head, feed) = open(job, STREAM).await?;
    let _engine = engine::embed(&head, &Stores::from_env(), workers).unwrap();
    read(head, feed).await
}
