//! The operator's pods, and which of them leads.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Patch, PatchParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, ResourceExt};
use microtome_api::names;
use serde_json::json;

use crate::stage::PATIENCE;

const NAMESPACE: &str = "microtome-system";

/// The installed operator.
pub struct Operator {
    client: Client,
}

impl Operator {
    /// Of the cluster that the environment names.
    pub async fn new() -> Self {
        Self { client: Client::try_default().await.unwrap() }
    }

    /// Sets the number of its pods, and waits until all of them are ready.
    pub async fn scale(&self, replicas: i32) {
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), NAMESPACE);
        let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        deployments.patch(names::MANAGER, &PatchParams::default(), &patch).await.unwrap();
        let settled = move |deployment: Option<&Deployment>| {
            let status = deployment.and_then(|deployment| deployment.status.clone()).unwrap_or_default();
            (status.replicas.unwrap_or(0), status.available_replicas.unwrap_or(0)) == (replicas, replicas)
        };
        let waiting = await_condition(deployments, names::MANAGER, settled);
        tokio::time::timeout(PATIENCE, waiting).await.expect("the operator's pods are there").unwrap();
    }

    /// The pod that leads: it has renewed the lease since `since`, and heads are sent to it.
    pub async fn leader(&self, since: Timestamp) -> Pod {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), NAMESPACE);
        let renewed = move |lease: Option<&Lease>| {
            let renewed = lease.and_then(|lease| lease.spec.as_ref()?.renew_time.clone());
            renewed.is_some_and(|at| at.0 > since)
        };
        let waiting = await_condition(leases, names::MANAGER, renewed);
        let lease = tokio::time::timeout(PATIENCE, waiting).await.expect("somebody leads").unwrap().unwrap();
        let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap();
        let pod = self.pods().get_opt(&holder).await.unwrap();
        let address = |pod: &Pod| pod.status.as_ref().and_then(|status| status.pod_ip.clone());
        let Some((address, pod)) = pod.and_then(|pod| Some((address(&pod)?, pod))) else {
            // One that is going: another will renew.
            return Box::pin(self.leader(Timestamp::now())).await;
        };
        let slices: Api<EndpointSlice> = Api::namespaced(self.client.clone(), NAMESPACE);
        let leads_there = move |slice: Option<&EndpointSlice>| {
            slice.is_some_and(|slice| slice.endpoints.iter().flat_map(|endpoint| &endpoint.addresses).eq([&address]))
        };
        let waiting = await_condition(slices, "microtome-operator-leader", leads_there);
        tokio::time::timeout(PATIENCE, waiting).await.expect("heads are sent to the leader").unwrap();
        pod
    }

    /// Waits until another than `former` leads, and says how long that took.
    pub async fn successor(&self, former: &Pod) -> (Pod, Duration) {
        let began = std::time::Instant::now();
        loop {
            let leader = self.leader(Timestamp::now()).await;
            if leader.name_any() != former.name_any() {
                return (leader, began.elapsed());
            }
        }
    }

    /// Its pods.
    pub fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }
}
