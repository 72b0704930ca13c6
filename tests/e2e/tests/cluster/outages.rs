//! What runs below a job dies and comes back: its workers, the operator, the apiserver, the nodes' containerd. Nothing is lost and
//! nothing comes twice, and the job is not begun again.

use std::time::Instant;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::ListParams;
use microtome_api::{PatchCluster, PatchJob, condition, names};
use microtome_e2e::job::{Wish, embedded, is, job, last_json, state};
use microtome_e2e::machine::{self, running, signal};
use microtome_e2e::operator::Operator;
use microtome_e2e::stage::Stage;
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// One outage at a time: each is everybody's.
static TURN: Mutex<()> = Mutex::const_new(());

/// A job that is in the middle of its stream for `seconds`.
async fn in_the_middle(stage: &Stage, seconds: u32) -> Value {
    let object = job(stage, "train", Wish { patches: 16 * 5 * seconds, seconds_a_batch: 0.2, ..Wish::default() });
    stage.create::<PatchJob>(object.clone()).await;
    let reads = |job: &PatchJob| {
        is(job, condition::READY)
            && job
                .status
                .as_ref()
                .and_then(|status| status.progress.as_ref())
                .is_some_and(|progress| progress.patches > 0)
    };
    stage.job("train", "reading", reads).await;
    object
}

/// The job ends in its first attempt, with the stream that it would have had in peace.
async fn ends_as_in_peace(stage: &Stage, object: &Value) {
    let done = stage.job("train", "over", |job| is(job, condition::COMPLETE) || is(job, condition::FAILED)).await;
    assert!(is(&done, condition::COMPLETE), "{:?}", state(&done));
    let status = done.status.unwrap();
    let quiet = embedded(object);
    let account = last_json(&stage.log("train").await);
    assert_eq!((&account["stream_digest"], &account["patches"]), (&quiet["stream_digest"], &quiet["patches"]));
    assert_eq!(status.stream_digest.as_deref(), quiet["stream_digest"].as_str());
    assert_eq!((status.attempt, status.failures, status.exit_code), (1, 0, Some(0)));
    // One head was made, and nothing twice.
    let pods = stage.api::<Pod>().list(&ListParams::default().labels(&role(names::ROLE_HEAD))).await.unwrap();
    assert_eq!(pods.items.len(), 1);
    assert_eq!(stage.api::<PatchCluster>().list(&ListParams::default()).await.unwrap().items.len(), 1);
    stage.delete_to_nothing("train").await;
}

fn role(role: &str) -> String {
    format!("{}={role}", names::LABEL_ROLE)
}

#[tokio::test]
async fn all_workers_die_at_once() {
    let _turn = TURN.lock().await;
    let stage = Stage::new("no-workers", json!({})).await;
    let object = in_the_middle(&stage, 20).await;
    for _ in 0..3 {
        let workers = stage.api::<Pod>().list(&ListParams::default().labels(&role(names::ROLE_WORKER))).await.unwrap();
        let victims: Vec<u32> = workers.iter().flat_map(|pod| running(pod, "microtome")).collect();
        if victims.is_empty() {
            // They are not back yet from the last time.
            break;
        }
        signal("KILL", &victims);
    }
    ends_as_in_peace(&stage, &object).await;
}

#[tokio::test]
async fn the_operator_is_killed_and_another_leads() {
    let _turn = TURN.lock().await;
    let operator = Operator::new().await;
    let stage = Stage::new("killed-operator", json!({})).await;
    let object = in_the_middle(&stage, 40).await;

    // Alone: the kubelet starts it again. In a pod of its own, because one that was started again before waits for longer each time.
    operator.scale(0).await;
    operator.scale(1).await;
    let leader = operator.leader(Timestamp::now()).await;
    let killed = (Timestamp::now(), Instant::now());
    signal("KILL", &running(&leader, "microtome-operator"));
    operator.leader(killed.0).await;
    println!("killed operator, started again by the kubelet, leads after {:.1} s", killed.1.elapsed().as_secs_f64());

    // Frozen, with another beside it: two think that they lead once the frozen one wakes.
    operator.scale(2).await;
    let leader = operator.leader(Timestamp::now()).await;
    let frozen = running(&leader, "microtome-operator");
    signal("STOP", &frozen);
    let (successor, after) = operator.successor(&leader).await;
    println!("frozen operator, another leads after {:.1} s", after.as_secs_f64());
    let second = job(&stage, "second", Wish { workers: 1, ..Wish::default() });
    stage.create::<PatchJob>(second).await;
    signal("CONT", &frozen);
    stage.job("second", "complete", |job| is(job, condition::COMPLETE)).await;
    let leads = operator.leader(Timestamp::now()).await;
    assert_eq!(leads.name_any(), successor.name_any(), "the one that woke takes nothing back");
    assert!(
        running(&leader, "microtome-operator").iter().all(|id| !frozen.contains(id)),
        "the one that woke has ended"
    );
    stage.delete_to_nothing("second").await;
    ends_as_in_peace(&stage, &object).await;
    operator.scale(1).await;
}

#[tokio::test]
async fn a_job_that_ended_while_the_operator_was_away_is_not_run_again() {
    let _turn = TURN.lock().await;
    let operator = Operator::new().await;
    let stage = Stage::new("away", json!({})).await;
    let object = in_the_middle(&stage, 5).await;
    operator.scale(0).await;
    let ended = |pod: Option<&Pod>| {
        let phase = pod.and_then(|pod| pod.status.as_ref()?.phase.clone());
        phase.as_deref() == Some("Succeeded")
    };
    stage.until::<Pod>(&names::head_pod("train", 1), "over", ended).await;
    operator.scale(1).await;
    ends_as_in_peace(&stage, &object).await;
}

#[tokio::test]
async fn the_apiserver_is_away_for_half_a_minute() {
    let _turn = TURN.lock().await;
    let stage = Stage::new("no-apiserver", json!({})).await;
    let object = in_the_middle(&stage, 50).await;
    machine::restart("apiserver", 30).await;
    let back = (Timestamp::now(), Instant::now());
    Operator::new().await.leader(back.0).await;
    println!("apiserver back, the operator leads after {:.1} s", back.1.elapsed().as_secs_f64());
    ends_as_in_peace(&stage, &object).await;
}

#[tokio::test]
async fn containerd_is_restarted_under_all_pods() {
    let _turn = TURN.lock().await;
    let stage = Stage::new("no-containerd", json!({})).await;
    let object = in_the_middle(&stage, 20).await;
    for node in ["node-1", "node-2"] {
        machine::restart(&format!("{node}-containerd"), 2).await;
    }
    ends_as_in_peace(&stage, &object).await;
}
