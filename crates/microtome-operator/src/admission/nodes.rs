//! What nodes there are, and what pools may add: pure.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Container, Node as Object, PodSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as Written;
use kube::ResourceExt;
use microtome_api::quantity::Quantity;
use microtome_queue::{Amounts, Node, Pool};

use super::observe::Observed;
use super::snapshot::amounts;
use crate::config;

/// The nodes on which pods may be placed: those that are ready and take pods, each in its pool. With pools, nodes of none are
/// nobody's.
///
/// `taken` is what pods hold on each that are not in the queue: it cannot be given away.
pub(crate) fn nodes(objects: &[Object], mut taken: BTreeMap<String, Amounts>, pools: &[config::Pool]) -> Vec<Node> {
    let usable = objects.iter().filter(|object| takes_pods(object));
    let node = |object: &Object| {
        let pool = pools.iter().find(|pool| is_in(object, pool)).map(|pool| pool.name.clone());
        let (name, allocatable) =
            (object.name_any(), exact(object.status.as_ref().and_then(|s| s.allocatable.as_ref())));
        let node = Node { taken: taken.remove(&name).unwrap_or_default(), name, pool, allocatable };
        (pools.is_empty() || node.pool.is_some()).then_some(node)
    };
    usable.filter_map(node).collect()
}

/// The pools, as the queue knows them.
pub(crate) fn pools(pools: &[config::Pool]) -> Vec<Pool> {
    let pool = |pool: &config::Pool| Pool {
        name: pool.name.clone(),
        node: amounts(&pool.node),
        max_nodes: pool.max_nodes.into(),
    };
    pools.iter().map(pool).collect()
}

fn is_in(node: &Object, pool: &config::Pool) -> bool {
    pool.node_selector.iter().all(|(key, value)| node.labels().get(key) == Some(value))
}

fn takes_pods(node: &Object) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    let is_ready = conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Ready" && c.status == "True"));
    is_ready && node.spec.as_ref().is_none_or(|spec| spec.unschedulable != Some(true))
}

/// What pods hold on each node that are not in the queue: those of others, and those of clusters that somebody else manages.
pub(crate) fn taken(observed: &Observed) -> BTreeMap<String, Amounts> {
    let mut taken: BTreeMap<String, Amounts> = BTreeMap::new();
    let mut take = |node: &str, amounts: &Amounts| add(taken.entry(node.to_owned()).or_default(), amounts);
    for spec in observed.others.iter().filter_map(|pod| pod.spec.as_ref()) {
        if let Some(node) = &spec.node_name {
            take(node, &requests(spec));
        }
    }
    let managed = observed.clusters.iter().filter(|cluster| cluster.spec.managed_by.is_some());
    let managed: BTreeSet<String> = managed.filter_map(ResourceExt::uid).collect();
    for pod in observed.pods.iter().filter(|pod| managed.contains(&pod.cluster_uid)) {
        if let Some(node) = &pod.node {
            take(node, &pod.amounts);
        }
    }
    taken
}

/// What the scheduler reserves for a pod: the sum of its containers, sidecars among them, or more where an init container needs
/// more, and its overhead.
/// <https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers>
fn requests(pod: &PodSpec) -> Amounts {
    let of = |container: &Container| exact(container.resources.as_ref().and_then(|all| all.requests.as_ref()));
    let (mut sum, mut most) = (Amounts::new(), Amounts::new());
    for container in pod.init_containers.iter().flatten() {
        let mut needs = of(container);
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut sum, &needs);
        } else {
            add(&mut needs, &sum);
            raise(&mut most, needs);
        }
    }
    pod.containers.iter().for_each(|container| add(&mut sum, &of(container)));
    raise(&mut sum, most);
    add(&mut sum, &exact(pod.overhead.as_ref()));
    sum
}

pub(super) fn add(sum: &mut Amounts, more: &Amounts) {
    for (resource, amount) in more {
        *sum.entry(resource.clone()).or_default() += amount;
    }
}

fn raise(most: &mut Amounts, to: Amounts) {
    for (resource, amount) in to {
        let most = most.entry(resource).or_default();
        *most = amount.max(*most);
    }
}

/// What the apiserver took or a kubelet wrote is a quantity.
pub(super) fn exact(written: Option<&BTreeMap<String, Written>>) -> Amounts {
    let milli = |amount: &Written| Quantity(amount.0.clone()).milli().unwrap_or_default();
    written.into_iter().flatten().map(|(resource, amount)| (resource.clone(), milli(amount))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::fixtures;

    fn node(name: &str, pool: &str, ready: &str, unschedulable: bool) -> Object {
        serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {"agentpool": pool}}, "spec": {"unschedulable": unschedulable},
            "status": {"allocatable": {"cpu": "2", "nvidia.com/gpu": "8"}, "conditions": [{"type": "Ready", "status": ready}]},
        }))
        .unwrap()
    }

    #[test]
    fn what_others_hold_is_what_the_scheduler_reserves_for_them() {
        let needs = |cpu: &str| json!({"requests": {"cpu": cpu}});
        let pod = |node: Option<&str>| {
            serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": {
                "nodeName": node, "overhead": {"cpu": "10m"},
                "initContainers": [
                    {"name": "a", "resources": needs("900m")},
                    {"name": "sidecar", "restartPolicy": "Always", "resources": needs("100m")},
                    {"name": "b", "resources": needs("950m")},
                ],
                "containers": [{"name": "c", "resources": needs("300m")}, {"name": "d"}],
            }}))
            .unwrap()
        };
        let observed = Observed { others: vec![pod(Some("n")), pod(Some("n")), pod(None)], ..Observed::default() };
        // The last init container beside the sidecar, and the overhead, twice.
        assert_eq!(taken(&observed), BTreeMap::from([("n".to_owned(), Amounts::from([("cpu".to_owned(), 2120)]))]));
    }

    #[test]
    fn pods_go_where_nodes_are_ready_and_in_a_pool() {
        let objects = [
            node("a", "gpu", "True", false),
            node("b", "spot", "Unknown", false),
            node("c", "spot", "True", true),
            node("d", "system", "True", false),
        ];
        let names = |pools: &[config::Pool]| {
            nodes(&objects, BTreeMap::new(), pools).into_iter().map(|node| (node.name, node.pool)).collect::<Vec<_>>()
        };
        assert_eq!(names(&fixtures::pools()), [("a".to_owned(), Some("gpu".to_owned()))]);
        assert_eq!(names(&[]), [("a".to_owned(), None), ("d".to_owned(), None)]);
        assert_eq!(nodes(&objects, BTreeMap::new(), &[])[0].allocatable["cpu"], 2000);
        assert_eq!(pools(&fixtures::pools())[0].max_nodes, 4);
    }
}
