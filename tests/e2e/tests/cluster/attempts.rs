//! Attempts: how a job goes on after its program failed, its head was lost, or it was suspended, and when it ends.

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, Patch, PatchParams};
use microtome_api::{PatchCluster, PatchJob, condition, names};
use microtome_e2e::job::{Wish, is, job, state};
use microtome_e2e::stage::Stage;
use serde_json::{Value, json};

/// Long enough to be caught in the middle.
const SLOW: Wish = Wish { patches: 16_000, exit_code: 0, seconds_a_batch: 0.3, workers: 1 };

/// A job whose program fails in its first attempts, up to this one.
fn failing(stage: &Stage, name: &str, attempts: i32, backoff_limit: i32) -> Value {
    let mut object = job(stage, name, Wish { workers: 1, ..Wish::default() });
    let script = format!("echo attempt $MICROTOME_ATTEMPT; [ $MICROTOME_ATTEMPT -gt {attempts} ] || exit 3");
    object["spec"]["command"] = json!(["sh", "-c", script]);
    object["spec"]["backoffLimit"] = json!(backoff_limit);
    object
}

async fn patch(stage: &Stage, name: &str, spec: Value) {
    let patch = Patch::Merge(json!({"spec": spec}));
    stage.api::<PatchJob>().patch(name, &PatchParams::default(), &patch).await.unwrap();
}

fn attempt(job: &PatchJob) -> i32 {
    job.status.as_ref().map_or(0, |status| status.attempt)
}

#[tokio::test]
async fn a_program_that_fails_is_run_again_until_it_succeeds() {
    let stage = Stage::new("retried", json!({})).await;
    stage.create::<PatchJob>(failing(&stage, "train", 1, 3)).await;
    let waiting = stage.job("train", "between attempts", |job| state(job).0 == "Retrying").await;
    assert!(state(&waiting).1.starts_with("attempt 1 ended: exit code 3"), "{}", state(&waiting).1);
    let status = stage.job("train", "complete", |job| is(job, condition::COMPLETE)).await.status.unwrap();
    assert_eq!((status.attempt, status.failures, status.exit_code), (2, 1, Some(0)));
    // Each attempt's log stays, and the certificates of the first are gone.
    assert!(stage.log("train").await.contains("attempt 1"));
    let secrets = stage.api::<Secret>();
    assert!(secrets.get_opt(&names::certificates("train", 1)).await.unwrap().is_none());
    assert!(secrets.get_opt(&names::certificates("train", 2)).await.unwrap().is_some());
    stage.delete_to_nothing("train").await;
}

#[tokio::test]
async fn a_program_that_fails_too_often_ends_the_job() {
    let stage = Stage::new("exhausted", json!({})).await;
    stage.create::<PatchJob>(failing(&stage, "train", 9, 1)).await;
    let failed = stage.job("train", "failed", |job| is(job, condition::FAILED)).await;
    let status = failed.status.unwrap();
    let failure = status.conditions.iter().find(|condition| condition.type_ == condition::FAILED).unwrap();
    assert_eq!((failure.reason.as_str(), status.attempt, status.exit_code), ("BackoffLimitExceeded", 2, Some(3)));
}

#[tokio::test]
async fn a_lost_head_uses_up_no_retry() {
    let stage = Stage::new("lost-head", json!({})).await;
    stage.create::<PatchJob>(job(&stage, "train", SLOW)).await;
    stage.job("train", "running", |job| is(job, condition::READY)).await;
    let pods = stage.api::<Pod>();
    pods.delete(&names::head_pod("train", 1), &DeleteParams::default().grace_period(0)).await.unwrap();
    let again = stage.job("train", "running again", |job| attempt(job) == 2 && is(job, condition::READY)).await;
    assert_eq!(again.status.unwrap().failures, 0);
    stage.delete_to_nothing("train").await;
}

#[tokio::test]
async fn a_suspended_job_holds_nothing_and_goes_on_when_it_may() {
    let stage = Stage::new("suspended", json!({"cpu": "200m"})).await;
    let mut object = job(&stage, "train", SLOW);
    object["spec"]["suspend"] = json!(true);
    stage.create::<PatchJob>(object).await;
    stage.job("train", "suspended", |job| state(job).0 == "Suspended").await;
    patch(&stage, "train", json!({"suspend": false})).await;
    stage.job("train", "running", |job| is(job, condition::READY)).await;
    patch(&stage, "train", json!({"suspend": true})).await;
    stage.job("train", "suspended again", |job| state(job).0 == "Suspended" && !is(job, condition::ADMITTED)).await;
    let held = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
    assert!(!stage.api::<Pod>().list(&Default::default()).await.unwrap().items.iter().any(held));
    // Its quota is another's now.
    stage.create::<PatchJob>(job(&stage, "other", Wish { workers: 1, ..Wish::default() })).await;
    stage.job("other", "complete", |job| is(job, condition::COMPLETE)).await;
    patch(&stage, "train", json!({"suspend": false})).await;
    stage.job("train", "running again", |job| attempt(job) == 2 && is(job, condition::READY)).await;
    stage.delete_to_nothing("train").await;
}

#[tokio::test]
async fn a_deadline_counts_from_the_programs_start_and_keeps_the_log() {
    let stage = Stage::new("deadline", json!({})).await;
    let mut object = job(&stage, "train", Wish::default());
    object["spec"]["command"] = json!(["sh", "-c", "echo begun; exec sleep 600"]);
    object["spec"]["activeDeadlineSeconds"] = json!(8);
    stage.create::<PatchJob>(object).await;
    let failed = stage.job("train", "over", |job| is(job, condition::FAILED)).await;
    let status = failed.status.unwrap();
    let failure = status.conditions.iter().find(|condition| condition.type_ == condition::FAILED).unwrap();
    assert_eq!(failure.reason, "DeadlineExceeded");
    assert!(stage.log("train").await.lines().any(|line| line == "begun"));
}

#[tokio::test]
async fn an_ended_job_goes_when_its_time_is_over() {
    let stage = Stage::new("ttl", json!({})).await;
    let mut object = job(&stage, "train", Wish::default());
    object["spec"]["ttlSecondsAfterFinished"] = json!(3);
    stage.create::<PatchJob>(object).await;
    stage.job("train", "complete", |job| is(job, condition::COMPLETE)).await;
    stage.until::<PatchJob>("train", "gone", |job: Option<&PatchJob>| job.is_none()).await;
    stage.until::<PatchCluster>("train", "gone", |cluster: Option<&PatchCluster>| cluster.is_none()).await;
}

#[tokio::test]
async fn who_manages_a_job_admits_it_by_suspend_alone() {
    // The team's queue would never let it start.
    let stage = Stage::new("managed", json!({"cpu": "1m"})).await;
    let mut object = job(&stage, "train", Wish::default());
    (object["spec"]["managedBy"], object["spec"]["suspend"]) = (json!("kueue.x-k8s.io/kueue"), json!(true));
    stage.create::<PatchJob>(object).await;
    stage.job("train", "suspended", |job| state(job).0 == "Suspended").await;
    patch(&stage, "train", json!({"suspend": false})).await;
    stage.job("train", "complete", |job| is(job, condition::COMPLETE)).await;
}
