//! A job on the cluster reads what `microtome run` reads of the same file, through the death of a worker.

use std::time::{SystemTime, UNIX_EPOCH};

use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, LogParams};
use microtome_api::{condition, names};
use microtome_e2e::job::{Wish, embedded, is, job, last_json};
use microtome_e2e::stage::{Stage, variable};
use serde_json::json;

#[tokio::test]
async fn a_job_streams_what_the_embedded_run_streams() {
    let stage = Stage::new("stream", json!({})).await;
    let object = job(&stage, "train", Wish::default());
    let applied = SystemTime::now();
    stage.create::<microtome_api::PatchJob>(object.clone()).await;
    let done = stage.job("train", "complete", |job| is(job, condition::COMPLETE)).await;
    let status = done.status.unwrap();
    let log = stage.log("train").await;
    let (wanted, account) = (embedded(&object), last_json(&log));
    assert_eq!(account["patches"], 64);
    assert_eq!(account["stream_digest"], wanted["stream_digest"], "what the program hashed itself");
    assert_eq!(status.stream_digest.as_deref(), wanted["stream_digest"].as_str(), "what the status says");
    assert_eq!((status.exit_code, status.attempt), (Some(0), 1));
    assert_eq!(status.progress.unwrap().patches, 64);

    let served = std::fs::read_to_string(variable("AZURITE_LOG")).unwrap();
    let reads: Vec<&str> =
        served.lines().filter(|line| line.contains("\"GET ") && line.contains("CMU-1-Small")).collect();
    // A worker that is killed leaves requests without a status; 200 would be the whole slide.
    let with = |status: &str| reads.iter().filter(|line| line.contains(status)).count();
    assert!(with("\" 206 ") > 0 && with("\" 200 ") == 0, "{reads:#?}");

    let first = log.lines().find_map(|line| line.strip_prefix("first batch at ")).unwrap();
    let first: f64 = first.parse().unwrap();
    let applied = applied.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    // A figure for the note, not a bar: time belongs in benchmarks.
    println!("apply → first batch in the program: {:.1} s", first - applied);
    stage.delete_to_nothing("train").await;
}

#[tokio::test]
async fn a_killed_worker_pod_changes_nothing_in_the_stream() {
    let stage = Stage::new("killed-worker", json!({})).await;
    let wish = Wish { patches: 1200, seconds_a_batch: 0.1, ..Wish::default() };
    let object = job(&stage, "train", wish);
    stage.create::<microtome_api::PatchJob>(object.clone()).await;
    stage.job("train", "running", |job| is(job, condition::READY)).await;
    let pods = stage.api::<Pod>();
    let follow = LogParams { follow: true, ..LogParams::default() };
    let mut lines = pods.log_stream(&names::head_pod("train", 1), &follow).await.unwrap().lines();
    while let Some(line) = lines.try_next().await.unwrap() {
        if line.starts_with("first batch") {
            break;
        }
    }
    let workers = ListParams::default().labels(&format!("{}={}", names::LABEL_ROLE, names::ROLE_WORKER));
    let victim = pods.list(&workers).await.unwrap().items.remove(0).metadata.name.unwrap();
    pods.delete(&victim, &DeleteParams::default().grace_period(0)).await.unwrap();
    let done = stage.job("train", "complete", |job| is(job, condition::COMPLETE)).await;
    assert_eq!(done.status.unwrap().stream_digest.as_deref(), embedded(&object)["stream_digest"].as_str());
    assert_eq!(last_json(&stage.log("train").await)["patches"], 1200);
}
