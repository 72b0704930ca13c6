//! Reads everything that a pass over a cluster decides by.

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use microtome_api::{PatchCluster, PatchJob, names};

use super::head::{self, Head};
use super::resolve::{Refusal, Resolved, Surroundings, resolve};
use crate::context::Context;
use crate::write;

/// What a pass decides by.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) cluster: PatchCluster,
    /// What it refers to, or why it may not.
    pub(crate) resolved: Result<Resolved, Refusal>,
    /// The head's pod, if there is one.
    pub(crate) head: Option<Head>,
    /// The worker Deployment, if there is one.
    pub(crate) workers: Option<Workers>,
    /// What keeps a worker from running.
    pub(crate) worker_trouble: Option<String>,
}

/// The worker Deployment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Workers {
    /// Replicas that are asked for.
    pub(crate) replicas: i32,
    /// Replicas that are ready.
    pub(crate) ready: i32,
}

/// The attempt of a cluster; there is one, for now.
pub(crate) const ATTEMPT: i32 = 1;

/// Reads what the watches have seen, and asks the apiserver where being late would be wrong.
pub(crate) async fn observe(cluster: &PatchCluster, context: &Context) -> Result<Observed, write::Error> {
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let world = &context.world;
    let surroundings = Surroundings {
        teams: &world.teams.filter(|_| true),
        profile: world.profiles.get_global(&cluster.spec.profile_name),
        job: job_of(cluster, context).await?,
    };
    let uid = cluster.uid();
    let pods = world
        .pods
        .filter(|pod| pod.namespace() == cluster.namespace() && pod.labels().get(names::LABEL_UID) == uid.as_ref());
    let deployment = world.deployments.get(&namespace, &names::worker_deployment(&name));
    let deployment = deployment.filter(|deployment| write::owner_uid(deployment) == uid);
    Ok(Observed {
        resolved: resolve(cluster, surroundings),
        head: head_of(cluster, &pods, context).await?,
        workers: deployment.map(|deployment| Workers {
            replicas: deployment.spec.and_then(|spec| spec.replicas).unwrap_or(1),
            ready: deployment.status.and_then(|status| status.ready_replicas).unwrap_or(0),
        }),
        worker_trouble: pods
            .iter()
            .filter(|pod| pod.labels().get(names::LABEL_ROLE).is_some_and(|role| role == names::ROLE_WORKER))
            .find_map(|pod| head::trouble(pod.status.as_ref()?)),
        cluster: cluster.clone(),
    })
}

/// The job that owns the cluster. The watch may not have it yet; that must not look like a cluster without a job.
async fn job_of(cluster: &PatchCluster, context: &Context) -> Result<Option<PatchJob>, write::Error> {
    let Some(uid) = write::owner_uid(cluster) else { return Ok(None) };
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let seen = context.world.jobs.get(&namespace, &name);
    let job = match seen.filter(|job| job.uid().as_ref() == Some(&uid)) {
        Some(job) => Some(job),
        None => Api::<PatchJob>::namespaced(context.client.clone(), &namespace)
            .get_opt(&name)
            .await
            .map_err(write::Error::api::<PatchJob>("get", &name))?,
    };
    Ok(job.filter(|job| job.uid().as_ref() == Some(&uid)))
}

/// The head's pod. One that was made but is not seen is asked for, so that a late watch is no lost head.
async fn head_of(cluster: &PatchCluster, pods: &[Pod], context: &Context) -> Result<Option<Head>, write::Error> {
    let name = names::head_pod(&cluster.name_any(), ATTEMPT);
    if let Some(pod) = pods.iter().find(|pod| pod.name_any() == name) {
        return Ok(Some(head::read(pod)));
    }
    if cluster.status.as_ref().is_none_or(|status| status.head.is_none()) {
        return Ok(None);
    }
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &cluster.namespace().unwrap_or_default());
    let pod = api.get_opt(&name).await.map_err(write::Error::api::<Pod>("get", &name))?;
    Ok(pod.filter(|pod| write::owner_uid(pod) == cluster.uid()).map(|pod| head::read(&pod)))
}

#[cfg(test)]
pub(crate) mod fixtures {
    //! A cluster that may be built, and what it refers to.

    use microtome_api::{PatchCluster, PatchJob, PatchProfile, Team};
    use serde_json::{Value, json};

    use super::{Observed, Resolved};

    fn cluster_spec() -> Value {
        json!({
            "profileName": "default", "activeDeadlineSeconds": 3600,
            "head": {"image": "registry.io/torch:2", "resources": {"limits": {"cpu": 2, "memory": "4Gi", "nvidia.com/gpu": 1}}},
            "workers": {"minReplicas": 2, "maxReplicas": 8, "resources": {"limits": {"cpu": 4, "memory": "4Gi"}}},
        })
    }

    pub(crate) fn job() -> PatchJob {
        serde_json::from_value(json!({
            "apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob",
            "metadata": {"name": "a", "namespace": "x", "uid": "job-uid", "resourceVersion": "7"},
            "spec": {
                "command": ["python", "-m", "train"], "activeDeadlineSeconds": 3600, "clusterSpec": cluster_spec(),
                "datasets": [{
                    "name": "train", "slides": {"list": [{"url": "az://slides/a.svs"}]},
                    "views": [{"name": "image", "size": 256, "level": 0}], "sampling": {"grid": {"stride": 256}},
                }],
            },
        }))
        .unwrap()
    }

    pub(crate) fn cluster() -> PatchCluster {
        serde_json::from_value(json!({
            "apiVersion": "microtome.dev/v1alpha1", "kind": "PatchCluster",
            "metadata": {"name": "a", "namespace": "x", "uid": "cluster-uid", "generation": 1, "ownerReferences": [
                {"apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob", "name": "a", "uid": "job-uid", "controller": true}]},
            "spec": cluster_spec(),
        }))
        .unwrap()
    }

    pub(crate) fn profile() -> PatchProfile {
        serde_json::from_value(json!({
            "apiVersion": "microtome.dev/v1alpha1", "kind": "PatchProfile", "metadata": {"name": "default"},
            "spec": {
                "locations": [{"url": "az://slides/", "access": "ReadOnly"}], "serviceAccountName": "patches",
                "storageSecret": {"name": "storage"}, "images": {"allowed": ["registry.io/"]},
                "securityContext": {"runAsUser": 1000, "fsGroup": 2000},
            },
        }))
        .unwrap()
    }

    pub(crate) fn team() -> Team {
        serde_json::from_value(json!({
            "apiVersion": "microtome.dev/v1alpha1", "kind": "Team", "metadata": {"name": "t"},
            "spec": {"namespaces": ["x"], "profiles": ["default"]},
        }))
        .unwrap()
    }

    pub(crate) fn resolved() -> Resolved {
        Resolved { job: job(), profile: profile() }
    }

    /// A job whose cluster was not yet made.
    pub(crate) fn observed_job() -> crate::job::Observed {
        let report = crate::control::hub::Report::default();
        crate::job::Observed { job: job(), team: Some("t".to_owned()), cluster: None, report }
    }

    pub(crate) fn observed() -> Observed {
        Observed { cluster: cluster(), resolved: Ok(resolved()), head: None, workers: None, worker_trouble: None }
    }
}
