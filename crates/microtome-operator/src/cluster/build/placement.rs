//! On which nodes a pod may run: those of its pools, the first named preferred.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm, PodSpec, PreferredSchedulingTerm,
};

use crate::config::Pool;

/// Kubernetes' largest weight of a preference; the first pool has it, each next one half of the one before.
const MOST_PREFERRED: i32 = 100;

/// Binds a pod to its pools. Without pools it may run anywhere.
pub(crate) fn place(pod: PodSpec, pools: &[Pool]) -> PodSpec {
    if pools.is_empty() {
        return pod;
    }
    let mut tolerations = Vec::new();
    for toleration in pools.iter().flat_map(|pool| &pool.tolerations) {
        if !tolerations.contains(toleration) {
            tolerations.push(toleration.clone());
        }
    }
    let terms: Vec<_> = pools.iter().filter_map(|pool| term(&pool.node_selector)).collect();
    // A pool without a selector is every node there is.
    let required = (terms.len() == pools.len()).then(|| NodeSelector { node_selector_terms: terms.clone() });
    let preferred = terms.into_iter().enumerate().map(|(place, preference)| {
        let weight = (MOST_PREFERRED >> place.min(6)).max(1);
        PreferredSchedulingTerm { weight, preference }
    });
    let preferred: Vec<_> = preferred.collect();
    let node = NodeAffinity {
        required_during_scheduling_ignored_during_execution: required,
        // One pool needs no preference.
        preferred_during_scheduling_ignored_during_execution: (pools.len() > 1).then_some(preferred),
    };
    PodSpec {
        tolerations: Some(tolerations).filter(|tolerations| !tolerations.is_empty()),
        affinity: Some(Affinity { node_affinity: Some(node), ..Affinity::default() }),
        ..pod
    }
}

fn term(selector: &BTreeMap<String, String>) -> Option<NodeSelectorTerm> {
    let requirement = |(key, value): (&String, &String)| NodeSelectorRequirement {
        key: key.clone(),
        operator: "In".to_owned(),
        values: Some(vec![value.clone()]),
    };
    let expressions: Vec<_> = selector.iter().map(requirement).collect();
    (!expressions.is_empty()).then_some(NodeSelectorTerm { match_expressions: Some(expressions), match_fields: None })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cluster::observe::fixtures;

    #[test]
    fn a_pod_runs_in_its_pools_and_rather_in_the_first() {
        let placed = serde_json::to_value(place(PodSpec::default(), &fixtures::pools())).unwrap();
        let on = |pool: &str| json!({"matchExpressions": [{"key": "agentpool", "operator": "In", "values": [pool]}]});
        let affinity = &placed["affinity"]["nodeAffinity"];
        assert_eq!(
            affinity["requiredDuringSchedulingIgnoredDuringExecution"],
            json!({"nodeSelectorTerms": [on("spot"), on("gpu")]})
        );
        assert_eq!(
            affinity["preferredDuringSchedulingIgnoredDuringExecution"],
            json!([{"weight": 100, "preference": on("spot")}, {"weight": 50, "preference": on("gpu")}])
        );
        assert_eq!(placed["tolerations"], json!([{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}]));
    }

    #[test]
    fn without_pools_or_with_one_that_is_every_node_it_may_run_anywhere() {
        assert_eq!(place(PodSpec::default(), &[]), PodSpec::default());
        let mut pools = fixtures::pools();
        pools[1].node_selector.clear();
        let placed = place(PodSpec::default(), &pools).affinity.unwrap().node_affinity.unwrap();
        assert_eq!(placed.required_during_scheduling_ignored_during_execution, None);
    }
}
