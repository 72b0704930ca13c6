//! Pools of nodes that come when they are asked for and go without notice. kwok plays the nodes, this test their autoscaler;
//! scheduler, operator and queue are the real ones. What a pod would run, nobody runs.

use std::process::Command;

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Api;
use kube::api::{DeleteParams, EvictParams};
use microtome_api::{PatchCluster, PatchJob, condition, names};
use microtome_e2e::hollow;
use microtome_e2e::job::{Wish, is, job, state};
use microtome_e2e::stage::{Stage, variable};
use serde_json::{Value, json};
use tokio::sync::Mutex;

/// The release's values are everybody's.
static TURN: Mutex<()> = Mutex::const_new(());
const TIMEOUT_SECONDS: u32 = 20;

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The operator with one pool of nodes, of which there are none yet.
fn configure() {
    run("../cluster/kwok-up", &[]);
    let pools = json!([{
        "name": "spot", "nodeSelector": {"pool": "spot"}, "tolerations": [{"key": hollow::TAINT, "operator": "Exists"}],
        "node": {"cpu": "1", "memory": "8Gi", "nvidia.com/gpu": "1"}, "maxNodes": 2,
    }]);
    upgrade(&[&format!("--set-json=pools={pools}"), &format!("--set=provisioningTimeoutSeconds={TIMEOUT_SECONDS}")]);
}

fn upgrade(values: &[&str]) {
    let base =
        ["upgrade", "microtome", "../../charts/microtome", "-n", "microtome-system", "--wait", "--timeout", "60s"];
    run(&variable("HELM"), &[&base[..], &["--reset-then-reuse-values"], values].concat());
}

fn restore() {
    upgrade(&["--set-json=pools=[]", "--set=provisioningTimeoutSeconds=1800"]);
}

/// A job whose head wants one of the pool's nodes.
fn on_spot(stage: &Stage, name: &str) -> Value {
    let mut object = job(stage, name, Wish { workers: 1, ..Wish::default() });
    object["spec"]["clusterSpec"]["head"]["resources"]["limits"]["nvidia.com/gpu"] = json!("1");
    object
}

async fn node(stage: &Stage, name: &str) {
    let nodes = Api::<Node>::all(stage.client.clone());
    let offers = json!({"cpu": "1", "memory": "8Gi", "nvidia.com/gpu": "1"});
    hollow::make(&nodes, name, &json!({"pool": "spot"}), &offers).await;
}

async fn runs(stage: &Stage, pod: &str) -> Pod {
    let runs = |pod: Option<&Pod>| {
        pod.and_then(|pod| pod.status.as_ref()?.phase.as_deref()).is_some_and(|phase| phase == "Running")
    };
    stage.until::<Pod>(pod, "running", runs).await.unwrap()
}

async fn attempt(stage: &Stage, name: &str, wanted: i32) {
    let condition = move |job: Option<&PatchJob>| {
        job.and_then(|job| job.status.as_ref()).is_some_and(|status| status.attempt == wanted)
    };
    stage.until::<PatchJob>(name, "in its next attempt", condition).await;
}

fn failures(job: &PatchJob) -> i32 {
    job.status.as_ref().map_or(0, |status| status.failures)
}

#[tokio::test]
async fn a_pool_at_zero_grows_and_spot_nodes_may_go() {
    let _turn = TURN.lock().await;
    configure();
    let stage = Stage::new("spot", json!({})).await;
    let nodes = Api::<Node>::all(stage.client.clone());
    stage.create::<PatchJob>(on_spot(&stage, "train")).await;
    stage.job("train", "admitted", |job| is(job, condition::ADMITTED)).await;
    let unplaced = |pod: Option<&Pod>| {
        let conditions = pod.and_then(|pod| pod.status.as_ref()?.conditions.as_ref());
        conditions.is_some_and(|all| all.iter().any(|one| one.reason.as_deref() == Some("Unschedulable")))
    };
    stage.until::<Pod>(&names::head_pod("train", 1), "looking for a node", unplaced).await;
    node(&stage, "spot-1").await;
    runs(&stage, &names::head_pod("train", 1)).await;

    // The machine is taken away; then its next pod is evicted, as a drain does it. Neither is the program's failure.
    hollow::take(&nodes, "spot-1").await;
    attempt(&stage, "train", 2).await;
    node(&stage, "spot-2").await;
    runs(&stage, &names::head_pod("train", 2)).await;
    stage.api::<Pod>().evict(&names::head_pod("train", 2), &EvictParams::default()).await.unwrap();
    attempt(&stage, "train", 3).await;
    runs(&stage, &names::head_pod("train", 3)).await;
    let job = stage.api::<PatchJob>().get("train").await.unwrap();
    assert_eq!(failures(&job), 0);
    stage.delete_to_nothing("train").await;
    hollow::take(&nodes, "spot-2").await;
    restore();
}

#[tokio::test]
async fn pods_that_never_find_a_node_give_their_quota_back() {
    let _turn = TURN.lock().await;
    configure();
    // Of two, one may run.
    let stage = Stage::new("unplaced", json!({"nvidia.com/gpu": "1"})).await;
    let nodes = Api::<Node>::all(stage.client.clone());
    stage.create::<PatchJob>(on_spot(&stage, "first")).await;
    stage.job("first", "admitted", |job| is(job, condition::ADMITTED)).await;
    stage.create::<PatchJob>(on_spot(&stage, "second")).await;
    stage.job("second", "told why it waits", |job| state(job).0 == "Queued").await;
    let evicted = |cluster: Option<&PatchCluster>| {
        let conditions = cluster.and_then(|cluster| cluster.status.as_ref()).map(|status| &status.conditions);
        conditions.is_some_and(|conditions| condition::is_true(conditions, condition::EVICTED))
    };
    let evicted = stage.until::<PatchCluster>("first", "evicted", evicted).await.unwrap().status.unwrap().conditions;
    let why = evicted.iter().find(|one| one.type_ == condition::EVICTED).unwrap();
    assert_eq!(why.reason, "ProvisioningTimeout", "{}", why.message);
    stage.job("second", "admitted", |job| is(job, condition::ADMITTED)).await;
    node(&stage, "spot-3").await;
    runs(&stage, &names::head_pod("second", 1)).await;
    let first = stage.job("first", "in the queue", |job| state(job).0 == "Queued").await;
    assert_eq!(failures(&first), 0);
    for name in ["first", "second"] {
        stage.delete_to_nothing(name).await;
    }
    nodes.delete("spot-3", &DeleteParams::default()).await.unwrap();
    restore();
}
