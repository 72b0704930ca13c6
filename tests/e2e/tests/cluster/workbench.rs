//! A cluster that stays up, and jobs that run on it one after another.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams};
use microtome_api::{PatchCluster, PatchJob, condition, names};
use microtome_e2e::job::{Wish, is, job, state};
use microtome_e2e::stage::Stage;
use serde_json::{Value, json};

/// A job of the fixture's, on the standing cluster.
fn on(stage: &Stage, cluster: &str, name: &str, wish: Wish) -> Value {
    let mut object = job(stage, name, wish);
    object["spec"].as_object_mut().unwrap().remove("clusterSpec");
    object["spec"]["clusterName"] = json!(cluster);
    object
}

async fn stand(stage: &Stage, name: &str) {
    let mut spec = job(stage, name, Wish { workers: 1, ..Wish::default() })["spec"]["clusterSpec"].clone();
    spec["activeDeadlineSeconds"] = json!(600);
    let object = json!({"metadata": {"name": name}, "spec": spec});
    stage.create::<PatchCluster>(object).await;
}

#[tokio::test]
async fn jobs_run_one_after_another_on_one_head() {
    let stage = Stage::new("standing", json!({})).await;
    stand(&stage, "bench").await;
    stage
        .create::<PatchJob>(on(
            &stage,
            "bench",
            "first",
            Wish { patches: 320, seconds_a_batch: 0.2, ..Wish::default() },
        ))
        .await;
    stage.job("first", "running", |job| state(job).0 == "Running").await;
    stage.create::<PatchJob>(on(&stage, "bench", "second", Wish::default())).await;
    stage.create::<PatchJob>(on(&stage, "bench", "third", Wish { exit_code: 3, ..Wish::default() })).await;
    let waits = stage.job("second", "in line", |job| state(job).0 == "Queued").await;
    assert_eq!(state(&waits).1, "first came first on PatchCluster bench");
    let first = stage.job("first", "complete", |job| is(job, condition::COMPLETE)).await.status.unwrap();
    let second = stage.job("second", "complete", |job| is(job, condition::COMPLETE)).await.status.unwrap();
    assert_eq!((first.exit_code, second.exit_code), (Some(0), Some(0)));
    assert!(
        first.stream_digest.is_some() && second.stream_digest.is_some() && first.stream_digest != second.stream_digest
    );
    let third = stage.job("third", "failed", |job| is(job, condition::FAILED)).await;
    assert_eq!(third.status.as_ref().unwrap().exit_code, Some(3), "{:?}", state(&third));
    // All of them in one pod.
    let heads = ListParams::default().labels(&format!("{}={}", names::LABEL_ROLE, names::ROLE_HEAD));
    assert_eq!(stage.api::<Pod>().list(&heads).await.unwrap().items.len(), 1);
    // A job that is deleted while it runs frees the cluster for the next.
    stage
        .create::<PatchJob>(on(
            &stage,
            "bench",
            "endless",
            Wish { patches: 1200, seconds_a_batch: 1.0, ..Wish::default() },
        ))
        .await;
    stage.job("endless", "running", |job| state(job).0 == "Running").await;
    stage.api::<PatchJob>().delete("endless", &DeleteParams::default()).await.unwrap();
    stage.create::<PatchJob>(on(&stage, "bench", "last", Wish::default())).await;
    stage.job("last", "complete", |job| is(job, condition::COMPLETE)).await;
    stage.api::<PatchCluster>().delete("bench", &DeleteParams::default()).await.unwrap();
    stage.until::<Pod>("bench-head-1", "gone", |pod: Option<&Pod>| pod.is_none()).await;
}

#[tokio::test]
async fn a_profile_binds_on_a_standing_cluster_too() {
    let stage = Stage::new("bypass", json!({})).await;
    stand(&stage, "bench").await;
    let mut object = on(&stage, "bench", "train", Wish::default());
    object["spec"]["datasets"][0]["slides"]["list"][0]["url"] = json!("az://secret/a.svs");
    stage.create::<PatchJob>(object).await;
    let refused = stage.job("train", "refused", |job| is(job, condition::STALLED)).await;
    assert_eq!(state(&refused).0, "LocationNotAllowed", "{}", state(&refused).1);
    stage.create::<PatchJob>(on(&stage, "nothing", "lost", Wish::default())).await;
    let refused = stage.job("lost", "refused", |job| is(job, condition::STALLED)).await;
    assert_eq!(state(&refused).0, "NoCluster");
}
