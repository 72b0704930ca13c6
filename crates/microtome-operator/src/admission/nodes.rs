//! What nodes there are, and what pools may add: pure.

use k8s_openapi::api::core::v1::Node as Object;
use kube::ResourceExt;
use microtome_api::quantity::Quantity;
use microtome_queue::{Amounts, Node, Pool};

use super::snapshot::amounts;
use crate::config;

/// The nodes on which pods may be placed: those that are ready and take pods, each in its pool. With pools, nodes of none are
/// nobody's.
pub(crate) fn nodes(objects: &[Object], pools: &[config::Pool]) -> Vec<Node> {
    let usable = objects.iter().filter(|object| takes_pods(object));
    let node = |object: &Object| {
        let pool = pools.iter().find(|pool| is_in(object, pool)).map(|pool| pool.name.clone());
        let node = Node { name: object.name_any(), pool, allocatable: allocatable(object), taken: Amounts::new() };
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

fn allocatable(node: &Object) -> Amounts {
    let written = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    // A kubelet writes quantities.
    let exact = |amount: &str| Quantity(amount.to_owned()).milli().unwrap_or_default();
    written.into_iter().flatten().map(|(resource, amount)| (resource.clone(), exact(&amount.0))).collect()
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
    fn pods_go_where_nodes_are_ready_and_in_a_pool() {
        let objects = [
            node("a", "gpu", "True", false),
            node("b", "spot", "Unknown", false),
            node("c", "spot", "True", true),
            node("d", "system", "True", false),
        ];
        let names = |pools: &[config::Pool]| {
            nodes(&objects, pools).into_iter().map(|node| (node.name, node.pool)).collect::<Vec<_>>()
        };
        assert_eq!(names(&fixtures::pools()), [("a".to_owned(), Some("gpu".to_owned()))]);
        assert_eq!(names(&[]), [("a".to_owned(), None), ("d".to_owned(), None)]);
        assert_eq!(nodes(&objects, &[])[0].allocatable["cpu"], 2000);
        assert_eq!(pools(&fixtures::pools())[0].max_nodes, 4);
    }
}
