//! What is kept of objects that others wrote, and what of them matters: pure. A cluster has thousands of pods, and most of what
//! is written in one nobody reads here.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::api::core::v1::{Container, Node, NodeSpec, NodeStatus, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::api::ObjectMeta;

/// Of a pod of a cluster: whose it is, how far it is, what its containers hold.
pub(super) fn pod(pod: &mut Pod) {
    pod.metadata.annotations = None;
    let Some(spec) = pod.spec.take() else { return };
    pod.spec = Some(PodSpec {
        node_name: spec.node_name,
        active_deadline_seconds: spec.active_deadline_seconds,
        containers: spec.containers.into_iter().map(holds).collect(),
        ..PodSpec::default()
    });
}

/// Of a pod of others: what it holds on its node.
pub(super) fn other(pod: &mut Pod) {
    pod.metadata = ObjectMeta {
        name: pod.metadata.name.take(),
        namespace: pod.metadata.namespace.take(),
        ..ObjectMeta::default()
    };
    pod.status = None;
    let Some(spec) = pod.spec.take() else { return };
    pod.spec = Some(PodSpec {
        node_name: spec.node_name,
        overhead: spec.overhead,
        containers: spec.containers.into_iter().map(holds).collect(),
        init_containers: spec.init_containers.map(|containers| containers.into_iter().map(holds).collect()),
        ..PodSpec::default()
    });
}

fn holds(container: Container) -> Container {
    Container {
        name: container.name,
        resources: container.resources,
        restart_policy: container.restart_policy,
        ..Container::default()
    }
}

/// Of a worker Deployment: whose it is, and its numbers.
pub(super) fn deployment(deployment: &mut Deployment) {
    deployment.metadata.annotations = None;
    let replicas = deployment.spec.take().and_then(|spec| spec.replicas);
    deployment.spec = Some(DeploymentSpec { replicas, ..DeploymentSpec::default() });
}

/// Of a node: its labels, what it offers, and whether it takes pods.
pub(super) fn node(node: &mut Node) {
    node.metadata.annotations = None;
    let unschedulable = node.spec.take().and_then(|spec| spec.unschedulable);
    node.spec = Some(NodeSpec { unschedulable, ..NodeSpec::default() });
    let Some(status) = node.status.take() else { return };
    node.status =
        Some(NodeStatus { allocatable: status.allocatable, conditions: status.conditions, ..NodeStatus::default() });
}

/// What of a pod matters to who shares the nodes: where it is, and whether it still is.
pub(super) fn held(pod: &Pod) -> (Option<String>, Option<String>) {
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
    (node, pod.status.as_ref().and_then(|status| status.phase.clone()))
}

/// What of a node matters: all but when it was last heard of.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Offered {
    labels: Option<BTreeMap<String, String>>,
    is_closed: Option<bool>,
    allocatable: Option<BTreeMap<String, Quantity>>,
    conditions: Vec<(String, String)>,
}

/// [`Offered`] of a node.
pub(super) fn offered(node: &Node) -> Offered {
    let status = node.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref()).into_iter().flatten();
    Offered {
        labels: node.metadata.labels.clone(),
        is_closed: node.spec.as_ref().and_then(|spec| spec.unschedulable),
        allocatable: status.and_then(|status| status.allocatable.clone()),
        conditions: conditions.map(|condition| (condition.type_.clone(), condition.status.clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_heartbeat_is_no_change_and_a_lost_node_is() {
        let heard = |ready: &str, at: &str| {
            let condition = json!({"type": "Ready", "status": ready, "lastHeartbeatTime": at});
            let status = json!({"allocatable": {"cpu": "2"}, "conditions": [condition], "images": [{"names": ["a"]}]});
            let mut object: Node =
                serde_json::from_value(json!({"metadata": {"name": "n", "annotations": {"a": "b"}}, "status": status}))
                    .unwrap();
            node(&mut object);
            assert!(object.status.as_ref().unwrap().images.is_none());
            offered(&object)
        };
        let first = heard("True", "2026-03-02T12:00:00Z");
        assert_eq!(first, heard("True", "2026-03-02T12:05:00Z"));
        assert_ne!(first, heard("Unknown", "2026-03-02T12:05:00Z"));
    }

    #[test]
    fn of_a_pod_stays_whose_it_is_and_what_it_holds() {
        let mut object: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "labels": {"a": "b"}, "annotations": {"c": "d"}},
            "spec": {"nodeName": "n", "activeDeadlineSeconds": 60, "volumes": [{"name": "v"}],
                "containers": [{"name": "c", "image": "i", "env": [{"name": "E"}], "resources": {"limits": {"cpu": "1"}}}]},
            "status": {"phase": "Running"},
        }))
        .unwrap();
        pod(&mut object);
        let wanted = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": "b"}},
            "spec": {"nodeName": "n", "activeDeadlineSeconds": 60, "containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}}]},
            "status": {"phase": "Running"},
        });
        assert_eq!(serde_json::to_value(&object).unwrap(), wanted);
        assert_eq!(held(&object), (Some("n".to_owned()), Some("Running".to_owned())));
    }
}
