//! The headless Service through which workers find the head.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use kube::ResourceExt;
use microtome_api::{PatchCluster, names};

use super::{head_selector, metadata};

/// Makes the Service. Workers may start before the head is ready and knock until it answers.
pub(crate) fn build(cluster: &PatchCluster, attempt: i32) -> Service {
    let port = ServicePort { name: Some("feed".to_owned()), port: names::FEED_PORT.into(), ..ServicePort::default() };
    Service {
        metadata: metadata(cluster, names::head_service(&cluster.name_any()), Some(names::ROLE_HEAD)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(head_selector(cluster, attempt)),
            ports: Some(vec![port]),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}
