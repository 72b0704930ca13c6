//! Who may talk to whom: everything is denied but DNS, head and workers to each other, the head to the operator, and what the
//! profile lists, storage among it. The address where clouds hand out a node's identity is never reached.
//!
//! Policies bind only where the cluster's network enforces them.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use microtome_api::{PatchCluster, names};

use super::{Input, metadata};

/// Where clouds tell a pod who its node is.
const INSTANCE_METADATA: &str = "169.254.169.254/32";
const DNS: i32 = 53;
const CLUSTER_DNS: [(&str, &str); 1] = [("kubernetes.io/metadata.name", "kube-system")];

/// One policy for the head, one for the workers.
pub(crate) fn build(input: &Input<'_>) -> Vec<NetworkPolicy> {
    let cluster = input.cluster;
    let feed = || Some(vec![port("TCP", names::FEED_PORT.into())]);
    let (head, workers) = (pods(cluster, names::ROLE_HEAD), pods(cluster, names::ROLE_WORKER));
    let operator = NetworkPolicyPeer {
        namespace_selector: Some(labels([("kubernetes.io/metadata.name", input.settings.namespace.as_str())])),
        ..NetworkPolicyPeer::default()
    };
    let control = egress(vec![operator], Some(vec![port("TCP", names::CONTROL_PORT.into())]));
    let ingress = NetworkPolicyIngressRule { from: Some(vec![peer(workers.clone())]), ports: feed() };
    let to_head = egress(vec![peer(head.clone())], feed());
    let outside = || input.resolved.profile.spec.egress.iter().filter_map(|entry| outside(entry));
    let head_rules = [dns(), control].into_iter().chain(outside()).collect();
    let worker_rules = [dns(), to_head].into_iter().chain(outside()).collect();
    vec![
        policy(input, names::ROLE_HEAD, head, vec![ingress], head_rules),
        policy(input, names::ROLE_WORKER, workers, Vec::new(), worker_rules),
    ]
}

fn policy(
    input: &Input<'_>,
    role: &str,
    pods: LabelSelector,
    ingress: Vec<NetworkPolicyIngressRule>,
    egress: Vec<NetworkPolicyEgressRule>,
) -> NetworkPolicy {
    let name = names::network_policy(&input.cluster.name_any(), role);
    NetworkPolicy {
        metadata: metadata(input.cluster, name, Some(role)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(pods),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(ingress).filter(|rules| !rules.is_empty()),
            egress: Some(egress),
        }),
    }
}

/// The pods of a cluster, of all its attempts: an old head that comes back must not be free of it.
fn pods(cluster: &PatchCluster, role: &str) -> LabelSelector {
    let uid = cluster.uid().unwrap_or_default();
    labels([(names::LABEL_UID, uid.as_str()), (names::LABEL_ROLE, role)])
}

fn labels<const N: usize>(pairs: [(&str, &str); N]) -> LabelSelector {
    let labels = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
    LabelSelector { match_labels: Some(BTreeMap::from(labels)), match_expressions: None }
}

fn peer(pods: LabelSelector) -> NetworkPolicyPeer {
    NetworkPolicyPeer { pod_selector: Some(pods), ..NetworkPolicyPeer::default() }
}

fn port(protocol: &str, port: i32) -> NetworkPolicyPort {
    NetworkPolicyPort { protocol: Some(protocol.to_owned()), port: Some(IntOrString::Int(port)), end_port: None }
}

fn egress(to: Vec<NetworkPolicyPeer>, ports: Option<Vec<NetworkPolicyPort>>) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { to: Some(to).filter(|to| !to.is_empty()), ports }
}

/// The cluster's DNS. A node-local cache has a link-local address, which no selector finds.
fn dns() -> NetworkPolicyEgressRule {
    let pods = NetworkPolicyPeer { namespace_selector: Some(labels(CLUSTER_DNS)), ..NetworkPolicyPeer::default() };
    let local = NetworkPolicyPeer {
        ip_block: Some(IPBlock { cidr: "169.254.20.10/32".to_owned(), except: None }),
        ..NetworkPolicyPeer::default()
    };
    egress(vec![pods, local], Some(vec![port("UDP", DNS), port("TCP", DNS)]))
}

/// `CIDR:PORT` or `CIDR` of a profile; its schema lets nothing else through.
fn outside(entry: &str) -> Option<NetworkPolicyEgressRule> {
    let (cidr, number) = match entry.split_once(':') {
        Some((cidr, number)) => (cidr, Some(number.parse::<i32>().ok()?)),
        None => (entry, None),
    };
    let ports = number.map(|number| vec![port("TCP", number)]);
    let holds_metadata = contains(cidr, [169, 254, 169, 254]);
    let except = holds_metadata.then(|| vec![INSTANCE_METADATA.to_owned()]);
    let block = IPBlock { cidr: cidr.to_owned(), except };
    Some(egress(vec![NetworkPolicyPeer { ip_block: Some(block), ..NetworkPolicyPeer::default() }], ports))
}

fn contains(cidr: &str, address: [u8; 4]) -> bool {
    let Some((network, bits)) = cidr.split_once('/') else { return false };
    let (Ok(network), Ok(bits)) = (network.parse::<std::net::Ipv4Addr>(), bits.parse::<u32>()) else { return false };
    let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or_default();
    u32::from(network) & mask == u32::from_be_bytes(address) & mask
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cluster::build::fixtures::settings;
    use crate::cluster::observe::fixtures;

    fn built(egress: &[&str]) -> Vec<Value> {
        let (cluster, mut resolved, settings) = (fixtures::cluster(), fixtures::resolved(), settings());
        resolved.profile.spec.egress = egress.iter().map(|&entry| entry.to_owned()).collect();
        let input = Input { cluster: &cluster, resolved: &resolved, attempt: 1, workers: None, settings: &settings };
        build(&input).into_iter().map(|policy| serde_json::to_value(policy).unwrap()).collect()
    }

    #[test]
    fn workers_reach_head_dns_and_storage_and_are_reached_by_nobody() {
        let policies = built(&["10.0.0.0/8:443"]);
        let [head, workers] = policies.as_slice() else { panic!("two policies") };
        let names = (head["metadata"]["name"].as_str(), workers["metadata"]["name"].as_str());
        assert_eq!(names, (Some("a-head"), Some("a-worker")));
        let selector =
            json!({"matchLabels": {"microtome.dev/cluster-uid": "cluster-uid", "microtome.dev/role": "worker"}});
        assert_eq!(workers["spec"]["podSelector"], selector);
        assert_eq!(workers["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
        assert_eq!(workers["spec"]["ingress"], Value::Null);
        let rules = workers["spec"]["egress"].as_array().unwrap();
        assert_eq!(rules.len(), 3);
        assert_eq!(rules[1]["ports"], json!([{"protocol": "TCP", "port": 7300}]));
        assert_eq!(
            rules[2],
            json!({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"protocol": "TCP", "port": 443}]})
        );
        assert_eq!(head["spec"]["ingress"][0]["from"], json!([{"podSelector": selector}]));
        assert_eq!(head["spec"]["egress"][1]["ports"][0]["port"], 7400);
    }

    #[test]
    fn a_nodes_identity_is_never_reached() {
        let except = |entry: &str| built(&[entry])[1]["spec"]["egress"][2]["to"][0]["ipBlock"]["except"].clone();
        for entry in ["0.0.0.0/0:443", "169.254.0.0/16", "128.0.0.0/1"] {
            assert_eq!(except(entry), json!(["169.254.169.254/32"]), "{entry}");
        }
        assert_eq!(except("10.0.0.0/8"), Value::Null);
    }
}
