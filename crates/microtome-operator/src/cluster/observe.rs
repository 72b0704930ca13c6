//! Reads everything that a pass over a cluster decides by.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, ResourceExt};
use microtome_api::condition::Reason;
use microtome_api::{PatchCluster, PatchJob, names};

use super::head::{self, HeadPod};
use super::resolve::{Refusal, Resolved, Surroundings, resolve};
use crate::context::Context;
use crate::job::standing;
use crate::{tenancy, write};

/// What a pass decides by.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) cluster: PatchCluster,
    /// The job that owns it; none of a standing cluster.
    pub(crate) job: Option<PatchJob>,
    /// The team that holds the namespace.
    pub(crate) team: Option<String>,
    /// What it refers to, or why it may not.
    pub(crate) resolved: Result<Resolved, Refusal>,
    /// The pod of [`Self::attempt`], if there is one.
    pub(crate) head: Option<HeadPod>,
    /// Since when the head's node has been unreachable.
    pub(crate) unreachable_since: Option<Timestamp>,
    /// For how long it may be.
    pub(crate) head_loss_seconds: u32,
    /// The worker Deployment, if there is one.
    pub(crate) workers: Option<Workers>,
    /// What keeps a worker from running.
    pub(crate) worker_trouble: Option<String>,
    /// Of a standing cluster: its jobs.
    pub(crate) line: Line,
    /// Pods that are not gone and have not ended: of this attempt and of all before.
    pub(crate) pods: usize,
    pub(crate) now: Timestamp,
}

/// The jobs of a standing cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Line {
    /// The one that its head is to run.
    pub(crate) running: Option<PatchJob>,
    /// Whether any job still wants it.
    pub(crate) is_wanted: bool,
}

/// The worker Deployment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Workers {
    /// Replicas that are asked for.
    pub(crate) replicas: i32,
    /// Replicas that are ready.
    pub(crate) ready: i32,
    /// The attempt whose head they dial.
    pub(crate) attempt: i32,
}

impl Observed {
    /// The attempt under way, or the next one where the newest has ended.
    pub(crate) fn attempt(&self) -> i32 {
        attempt(&self.cluster)
    }
}

fn attempt(cluster: &PatchCluster) -> i32 {
    let head = cluster.status.as_ref().and_then(|status| status.head.as_ref());
    head.map_or(1, |head| head.attempt + i32::from(head.ended.is_some()))
}

/// Reads what the watches have seen, and asks the apiserver where being late would be wrong.
pub(crate) async fn observe(cluster: &PatchCluster, context: &Context) -> Result<Observed, write::Error> {
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let (world, config) = (&context.world, &context.settings.config);
    let owner = owner(cluster);
    let job = job_of(cluster, owner.as_deref(), context).await?;
    let teams = world.teams.filter(|_| true);
    let profile = world.profiles.get_global(&cluster.spec.profile_name);
    let resolved = if owner.is_some() && job.is_none() {
        let message = "the PatchJob that owns it is gone; it is about to go, too".to_owned();
        Err(Refusal { reason: Reason::NoJob, message })
    } else {
        resolve(cluster, Surroundings { teams: &teams, profile, job: job.clone(), pools: &config.pools })
    };
    let uid = cluster.uid();
    let pods = world.pods.filter(|pod| {
        pod.labels().get(names::LABEL_UID) == uid.as_ref() && pod.metadata.namespace == cluster.metadata.namespace
    });
    let head = head_of(cluster, &pods, context).await?;
    let node = head.as_ref().and_then(|head| world.nodes.get_global(head.node.as_deref()?));
    let deployment = world.deployments.get(&namespace, &names::worker_deployment(&name));
    let deployment = deployment.filter(|deployment| write::owner_uid(deployment) == uid);
    Ok(Observed {
        team: tenancy::team_of(&teams, &namespace).map(ResourceExt::name_any),
        resolved,
        job,
        unreachable_since: node.as_ref().and_then(unreachable_since),
        head_loss_seconds: config.head_loss_seconds,
        head,
        workers: deployment.map(|deployment| workers(&deployment)),
        worker_trouble: pods
            .iter()
            .filter(|pod| pod.labels().get(names::LABEL_ROLE).is_some_and(|role| role == names::ROLE_WORKER))
            .find_map(|pod| head::trouble(pod.status.as_ref()?)),
        line: if owner.is_none() { line(cluster, context) } else { Line::default() },
        pods: pods.iter().filter(|pod| !head::has_ended(pod)).count(),
        now: context.clock.now(),
        cluster: cluster.clone(),
    })
}

fn line(cluster: &PatchCluster, context: &Context) -> Line {
    let name = cluster.name_any();
    let jobs = context
        .world
        .jobs
        .filter(|job| job.spec.cluster_name.as_ref() == Some(&name) && job.namespace() == cluster.namespace());
    Line {
        running: standing::running(&name, attempt(cluster), &jobs).cloned(),
        is_wanted: standing::is_wanted(&name, &jobs),
    }
}

fn workers(deployment: &k8s_openapi::api::apps::v1::Deployment) -> Workers {
    let attempt = deployment.labels().get(names::LABEL_ATTEMPT).and_then(|text| text.parse().ok());
    Workers {
        replicas: deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
        ready: deployment.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0),
        attempt: attempt.unwrap_or(0),
    }
}

/// Since when nothing was heard of a node.
fn unreachable_since(node: &Node) -> Option<Timestamp> {
    let ready = node.status.as_ref()?.conditions.iter().flatten().find(|condition| condition.type_ == "Ready")?;
    (ready.status == "Unknown")
        .then(|| ready.last_transition_time.as_ref().map_or(Timestamp::UNIX_EPOCH, |time| time.0))
}

/// The uid of the PatchJob that owns the cluster.
fn owner(cluster: &PatchCluster) -> Option<String> {
    let mut owners = cluster.owner_references().iter();
    let job = owners.find(|owner| owner.controller == Some(true) && owner.kind == "PatchJob");
    job.map(|job| job.uid.clone())
}

/// The job that owns the cluster. The watch may not have it yet; that must not look like a cluster without a job.
async fn job_of(
    cluster: &PatchCluster,
    owner: Option<&str>,
    context: &Context,
) -> Result<Option<PatchJob>, write::Error> {
    let Some(uid) = owner else { return Ok(None) };
    let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
    let seen = context.world.jobs.get(&namespace, &name);
    let job = match seen.filter(|job| job.uid().as_deref() == Some(uid)) {
        Some(job) => Some(job),
        None => Api::<PatchJob>::namespaced(context.client.clone(), &namespace)
            .get_opt(&name)
            .await
            .map_err(write::Error::api::<PatchJob>("get", &name))?,
    };
    Ok(job.filter(|job| job.uid().as_deref() == Some(uid)))
}

/// The head's pod. One that was made but is not seen is asked for, so that a late watch is no lost head.
async fn head_of(cluster: &PatchCluster, pods: &[Pod], context: &Context) -> Result<Option<HeadPod>, write::Error> {
    let name = names::head_pod(&cluster.name_any(), attempt(cluster));
    if let Some(pod) = pods.iter().find(|pod| pod.name_any() == name) {
        return Ok(Some(HeadPod::read(pod)));
    }
    let newest = cluster.status.as_ref().and_then(|status| status.head.as_ref());
    if newest.is_none_or(|head| head.ended.is_some()) {
        return Ok(None);
    }
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &cluster.namespace().unwrap_or_default());
    let pod = api.get_opt(&name).await.map_err(write::Error::api::<Pod>("get", &name))?;
    Ok(pod.filter(|pod| write::owner_uid(pod) == cluster.uid()).map(|pod| HeadPod::read(&pod)))
}

#[cfg(test)]
pub(crate) mod fixtures {
    //! A cluster that may be built, and what it refers to.

    use jiff::Timestamp;
    use microtome_api::{PatchCluster, PatchJob, PatchProfile, Team};
    use serde_json::{Value, json};

    use super::{Observed, Resolved};
    use crate::cluster::head::{Head, HeadPod};
    use crate::config::Pool;

    fn cluster_spec() -> Value {
        json!({
            "profileName": "default",
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
            "spec": with_deadline(),
        }))
        .unwrap()
    }

    fn with_deadline() -> Value {
        let mut spec = cluster_spec();
        spec["activeDeadlineSeconds"] = json!(3600);
        spec
    }

    pub(crate) fn pools() -> Vec<Pool> {
        let spot = json!({"name": "spot", "nodeSelector": {"agentpool": "spot"}, "node": {"cpu": 15}, "maxNodes": 4,
            "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}]});
        let gpu =
            json!({"name": "gpu", "nodeSelector": {"agentpool": "gpu"}, "node": {"nvidia.com/gpu": 8}, "maxNodes": 1});
        serde_json::from_value(json!([spot, gpu])).unwrap()
    }

    /// A head's pod that is so far.
    pub(crate) fn head_pod(head: Head) -> HeadPod {
        HeadPod { head, taken: None, started: None, deadline_seconds: Some(5400), is_going: false, node: None }
    }

    pub(crate) fn profile() -> PatchProfile {
        serde_json::from_value(json!({
            "apiVersion": "microtome.dev/v1alpha1", "kind": "PatchProfile", "metadata": {"name": "default"},
            "spec": {
                "locations": [{"url": "az://slides/", "access": "ReadOnly"}, {"url": "az://results/", "access": "ReadWrite"}],
                "serviceAccountName": "patches",
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
        Resolved { job: Some(job()), profile: profile(), head_pools: Vec::new(), worker_pools: Vec::new() }
    }

    /// A job whose cluster was not yet made.
    pub(crate) fn observed_job() -> crate::job::Observed {
        let report = crate::control::hub::Report::default();
        let now = Timestamp::from_second(1000).unwrap();
        crate::job::Observed {
            job: job(),
            team: Some("t".to_owned()),
            cluster: None,
            report,
            bound: None,
            said: None,
            line: Default::default(),
            now,
        }
    }

    pub(crate) fn observed() -> Observed {
        Observed {
            cluster: cluster(),
            job: Some(job()),
            team: Some("t".to_owned()),
            resolved: Ok(resolved()),
            head: None,
            unreachable_since: None,
            head_loss_seconds: 60,
            workers: None,
            worker_trouble: None,
            line: Default::default(),
            pods: 0,
            now: Timestamp::from_second(1000).unwrap(),
        }
    }
}
