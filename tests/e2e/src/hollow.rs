//! Nodes that kwok plays: the scheduler, the operator and pods take them for real ones; nothing runs there.

use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

/// What keeps all other pods away from them.
pub const TAINT: &str = "kwok.x-k8s.io/node";

/// Makes a node with these labels that offers `allocatable`.
pub async fn make(nodes: &Api<Node>, name: &str, labels: &Value, allocatable: &Value) {
    let mut allocatable = allocatable.clone();
    allocatable["pods"] = json!("110");
    let object = json!({
        "metadata": {"name": name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "spec": {"taints": [{"key": TAINT, "value": "fake", "effect": "NoSchedule"}]},
        "status": {"allocatable": allocatable, "capacity": allocatable},
    });
    nodes.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
}

/// Takes a node away, as a cloud does with a spot machine.
pub async fn take(nodes: &Api<Node>, name: &str) {
    nodes.delete(name, &DeleteParams::default()).await.unwrap();
}
