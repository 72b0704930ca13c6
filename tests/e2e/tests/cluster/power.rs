//! A node is gone for good, with the leading operator and a job's head on it. The last test: the node does not come back.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DeleteParams, ListParams, LogParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use microtome_api::{PatchJob, condition, names};
use microtome_e2e::job::{Wish, is, job, last_json, state};
use microtome_e2e::machine;
use microtome_e2e::operator::Operator;
use microtome_e2e::stage::Stage;
use serde_json::json;

const TRAIN: &str = include_str!("../../../programs/train_numpy.py");

/// Where names are resolved: that node stays.
async fn node_of_dns(client: &Client) -> String {
    let pods: Api<Pod> = Api::namespaced(client.clone(), "kube-system");
    let pods = pods.list(&ListParams::default()).await.unwrap();
    node(pods.iter().find(|pod| pod.name_any().starts_with("dns")).unwrap())
}

fn node(pod: &Pod) -> String {
    pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap()
}

async fn cordon(client: &Client, name: &str, is_closed: bool) {
    let patch = Patch::Merge(json!({"spec": {"unschedulable": is_closed}}));
    Api::<Node>::all(client.clone()).patch(name, &PatchParams::default(), &patch).await.unwrap();
}

#[tokio::test]
async fn a_node_is_lost_with_the_leader_and_a_head() {
    let stage = Stage::new("power", json!({})).await;
    let (client, operator) = (stage.client.clone(), Operator::new().await);
    let stays = node_of_dns(&client).await;
    let goes = if stays == "node-1" { "node-2" } else { "node-1" };
    // One operator on each node; the one that goes leads.
    operator.scale(0).await;
    operator.scale(2).await;
    let mut leader = operator.leader(Timestamp::now()).await;
    while node(&leader) == stays {
        // The other one leads then, or the one that comes in its place.
        operator.pods().delete(&leader.name_any(), &DeleteParams::default()).await.unwrap();
        leader = operator.successor(&leader).await.0;
    }
    let operators = operator.pods().list(&ListParams::default()).await.unwrap();
    assert!(
        operators
            .iter()
            .any(|pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(stays.as_str())),
        "the chart spreads operators over nodes"
    );

    cordon(&client, &stays, true).await;
    let mut object = job(&stage, "train", Wish { patches: 640, workers: 1, ..Wish::default() });
    object["spec"]["command"] = json!(["python3", "-c", TRAIN, "0", "0.5"]);
    object["spec"]["checkpoints"] = json!({"url": "az://results/e2e-power/"});
    stage.create::<PatchJob>(object).await;
    let reads = |job: &PatchJob| {
        let progress = job.status.as_ref().and_then(|status| status.progress.as_ref());
        is(job, condition::READY) && progress.is_some_and(|progress| progress.patches >= 160)
    };
    stage.job("train", "reading", reads).await;
    cordon(&client, &stays, false).await;

    machine::cut_power(goes).await;
    let (_, after) = operator.successor(&leader).await;
    println!("the leader's node lost, another leads after {:.1} s", after.as_secs_f64());
    // As a cloud does when the machine is gone.
    Api::<Node>::all(client.clone()).delete(goes, &DeleteParams::default()).await.unwrap();

    let done = stage.job("train", "over", |job| is(job, condition::COMPLETE) || is(job, condition::FAILED)).await;
    assert!(is(&done, condition::COMPLETE), "{:?}", state(&done));
    let status = done.status.unwrap();
    assert_eq!((status.attempt, status.failures, status.exit_code), (2, 0, Some(0)));
    let log = stage.api::<Pod>().logs(&names::head_pod("train", 2), &LogParams::default()).await.unwrap();
    assert_eq!(
        last_json(&log),
        json!({"patches": 640, "most": 1, "attempts": 2}),
        "every patch once, over both attempts"
    );
    stage.delete_to_nothing("train").await;
}
