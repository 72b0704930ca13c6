//! The objects of a cluster: pure, and the same for the same input. Names are in `microtome_api::names`, paths in
//! `microtome_api::mount`; pods hold to the restricted Pod Security standard.

pub(crate) mod head;
pub(crate) mod network;
pub(crate) mod placement;
pub(crate) mod pod;
pub(crate) mod secret;
pub(crate) mod service;
pub(crate) mod volumes;
pub(crate) mod work_order;
pub(crate) mod workers;

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};
use microtome_api::{PatchCluster, names};

use super::resolve::Resolved;
use crate::settings::Settings;
use crate::write;

pub(crate) use head::CONTAINER as HEAD_CONTAINER;

/// Everything of a cluster but its certificates, which are random and made once (see [`secret`]).
pub(crate) struct Objects {
    /// Made before the pods that they bind.
    pub(crate) policies: Vec<NetworkPolicy>,
    /// None of a standing cluster.
    pub(crate) work_order: Option<ConfigMap>,
    pub(crate) service: Service,
    pub(crate) head: Pod,
    pub(crate) workers: Deployment,
}

/// What objects are made from.
pub(crate) struct Input<'a> {
    pub(crate) cluster: &'a PatchCluster,
    pub(crate) resolved: &'a Resolved,
    /// The attempt that they are for.
    pub(crate) attempt: i32,
    /// How many workers there are already: a new attempt takes none away. `scale/` owns the number.
    pub(crate) workers: Option<i32>,
    pub(crate) settings: &'a Settings,
}

impl Objects {
    /// Makes all objects.
    pub(crate) fn build(input: &Input<'_>) -> Result<Self, write::Error> {
        Ok(Self {
            policies: network::build(input),
            work_order: work_order::build(input)?,
            service: service::build(input.cluster, input.attempt),
            head: head::build(input),
            workers: workers::build(input),
        })
    }

    /// How many workers there are at first.
    pub(crate) fn worker_replicas(input: &Input<'_>) -> i32 {
        input.workers.unwrap_or(input.cluster.spec.workers.min_replicas)
    }
}

/// Metadata of an object that goes with its cluster.
pub(crate) fn metadata(cluster: &PatchCluster, name: String, role: Option<&str>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: cluster.namespace(),
        labels: Some(labels(cluster, role)),
        owner_references: Some(cluster.controller_owner_ref(&()).into_iter().collect()),
        ..ObjectMeta::default()
    }
}

/// Labels of an object of the cluster.
pub(crate) fn labels(cluster: &PatchCluster, role: Option<&str>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        ("app.kubernetes.io/managed-by".to_owned(), names::MANAGER.to_owned()),
        (names::LABEL_CLUSTER.to_owned(), cluster.name_any()),
        (names::LABEL_UID.to_owned(), cluster.uid().unwrap_or_default()),
    ]);
    if let Some(role) = role {
        labels.insert(names::LABEL_ROLE.to_owned(), role.to_owned());
    }
    labels
}

/// The labels of this attempt's head, by which its Service finds it.
pub(crate) fn head_selector(cluster: &PatchCluster, attempt: i32) -> BTreeMap<String, String> {
    let mut labels = labels(cluster, Some(names::ROLE_HEAD));
    labels.remove("app.kubernetes.io/managed-by");
    labels.insert(names::LABEL_ATTEMPT.to_owned(), attempt.to_string());
    labels
}

#[cfg(test)]
pub(crate) mod fixtures {
    use crate::config::Config;
    use crate::settings::{LogFormat, PodName, PullPolicy, Settings};

    pub(crate) fn settings() -> Settings {
        Settings {
            data_plane_image: "microtome:1".into(),
            image_pull_policy: PullPolicy::IfNotPresent,
            namespace: "microtome-system".into(),
            service_account: "microtome-operator".into(),
            tenant_role: "microtome-tenant".into(),
            control_service: "microtome-operator".into(),
            control_address: ([127, 0, 0, 1], 0).into(),
            health_address: ([127, 0, 0, 1], 0).into(),
            log_format: LogFormat::Text,
            pod: PodName { name: "operator-1".into(), address: None },
            config: Config::default(),
        }
    }
}
