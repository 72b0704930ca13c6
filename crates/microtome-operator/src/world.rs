//! All that is watched, and who is woken by what.

mod trim;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::runtime::watcher::Config;
use kube::{Api, Client, ResourceExt};
use microtome_api::{PatchCluster, PatchJob, PatchProfile, Team, names};
use tokio_util::sync::CancellationToken;

use crate::bell::Bell;
use crate::controller::{Waker, Wakes};
use crate::watch::{Reader, Watch, Watchable};

/// What the watches have seen.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) teams: Reader<Team>,
    pub(crate) profiles: Reader<PatchProfile>,
    pub(crate) clusters: Reader<PatchCluster>,
    pub(crate) jobs: Reader<PatchJob>,
    /// Pods of clusters only; of their containers no more than what they hold.
    pub(crate) pods: Reader<Pod>,
    /// Pods of others, on nodes; nothing of them but what they hold there.
    pub(crate) others: Reader<Pod>,
    /// Deployments of clusters only, without what they are made of.
    pub(crate) deployments: Reader<Deployment>,
    pub(crate) namespaces: Reader<Namespace>,
    /// Without what tells of the machine more than what it offers.
    pub(crate) nodes: Reader<Node>,
}

/// The queues of the controllers, as the watches fill them.
pub(crate) struct Queues {
    pub(crate) clusters: Wakes<PatchCluster>,
    pub(crate) jobs: Wakes<PatchJob>,
    /// Wakes jobs from outside the watches.
    pub(crate) job_waker: Waker<PatchJob>,
    /// Rung by everything that admission depends on.
    pub(crate) admission: Bell,
    /// Rung by teams and namespaces.
    pub(crate) teams: Bell,
}

/// Watches that were not yet started.
pub(crate) struct Watches {
    teams: Watch<Team>,
    profiles: Watch<PatchProfile>,
    clusters: Watch<PatchCluster>,
    jobs: Watch<PatchJob>,
    pods: Watch<Pod>,
    others: Watch<Pod>,
    deployments: Watch<Deployment>,
    namespaces: Watch<Namespace>,
    nodes: Watch<Node>,
}

impl World {
    /// Waits until everything was listed once.
    pub(crate) async fn ready(&self) {
        self.teams.ready().await;
        self.profiles.ready().await;
        self.clusters.ready().await;
        self.jobs.ready().await;
        self.pods.ready().await;
        self.others.ready().await;
        self.deployments.ready().await;
        self.namespaces.ready().await;
        self.nodes.ready().await;
    }
}

impl Watches {
    pub(crate) fn new(client: &Client) -> Self {
        let all = Config::default;
        let ours = || Config::default().labels(names::LABEL_CLUSTER);
        let others = Config::default()
            .labels(&format!("!{}", names::LABEL_CLUSTER))
            .fields("spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed");
        Self {
            teams: watch(client, all()),
            profiles: watch(client, all()),
            clusters: watch(client, all()),
            jobs: watch(client, all()),
            pods: watch(client, ours()).trimmed(trim::pod),
            others: watch(client, others).trimmed(trim::other),
            deployments: watch(client, ours()).trimmed(trim::deployment),
            namespaces: watch(client, all()),
            nodes: watch(client, all()).trimmed(trim::node),
        }
    }

    pub(crate) fn world(&self) -> World {
        World {
            teams: self.teams.reader(),
            profiles: self.profiles.reader(),
            clusters: self.clusters.reader(),
            jobs: self.jobs.reader(),
            pods: self.pods.reader(),
            others: self.others.reader(),
            deployments: self.deployments.reader(),
            namespaces: self.namespaces.reader(),
            nodes: self.nodes.reader(),
        }
    }

    /// Says who is woken by what. A job and its cluster bear the same name.
    pub(crate) fn wire(&mut self) -> Queues {
        let world = self.world();
        let (cluster_waker, clusters) = Waker::new();
        let (job_waker, jobs) = Waker::new();
        let (admission, teams) = (Bell::default(), Bell::default());

        let (waker, job, bell) = (cluster_waker.clone(), job_waker.clone(), admission.clone());
        let jobs_seen = world.jobs.clone();
        self.clusters.listen(move |cluster| {
            let (namespace, name) = (cluster.namespace().unwrap_or_default(), cluster.name_any());
            waker.wake_object(cluster);
            if cluster.owner_references().is_empty() {
                wake_line(&jobs_seen, &namespace, &name, &job);
            } else {
                job.wake(&namespace, &name);
            }
            bell.ring();
        });
        let (waker, cluster, jobs_seen) = (job_waker.clone(), cluster_waker.clone(), world.jobs.clone());
        self.jobs.listen(move |job| {
            let namespace = job.namespace().unwrap_or_default();
            waker.wake_object(job);
            match job.0.as_ref().ok().and_then(|job| job.spec.cluster_name.as_deref()) {
                Some(name) => {
                    cluster.wake(&namespace, name);
                    // Who waits behind it may come first now.
                    wake_line(&jobs_seen, &namespace, name, &waker);
                }
                None => cluster.wake(&namespace, &job.name_any()),
            }
        });
        let (waker, bell, pods) = (cluster_waker.clone(), admission.clone(), world.pods.clone());
        let held = Seen::default();
        self.pods.listen(move |pod| {
            wake_owner(pod, &waker);
            let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
            if held.has_changed(&format!("{namespace}/{name}"), pods.get(&namespace, &name).as_ref().map(trim::held)) {
                bell.ring();
            }
        });
        let bell = admission.clone();
        self.others.listen(move |_| bell.ring());
        let waker = cluster_waker.clone();
        self.deployments.listen(move |deployment| wake_owner(deployment, &waker));

        let (bells, bell) = (teams.clone(), admission.clone());
        let (all, cluster, job) = (world.clone(), cluster_waker.clone(), job_waker.clone());
        let specs = Seen::default();
        self.teams.listen(move |team| {
            let name = team.name_any();
            // Admission writes teams' statuses all the time; that is nobody's business here.
            if !specs.has_changed(&name, all.teams.get_global(&name).map(|team| team.metadata.generation)) {
                return;
            }
            // What one team loses another may gain.
            bells.ring();
            cluster.wake_all(&all.clusters);
            job.wake_all(&all.jobs);
            bell.ring();
        });
        let (waker, all, bell) = (cluster_waker.clone(), world.clone(), admission.clone());
        let offers = Seen::default();
        self.nodes.listen(move |node| {
            // Whose head is on it: it may have to go.
            let name = node.name_any();
            let here = |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(name.as_str());
            let now = all.nodes.get_global(&name);
            // Kubelets report every few minutes, and mostly that nothing is new.
            if offers.has_changed(&name, now.as_ref().map(trim::offered)) {
                all.pods.filter(here).iter().for_each(|pod| wake_owner(pod, &waker));
                bell.ring();
            }
        });
        let clusters_seen = world.clusters.clone();
        self.profiles.listen(move |_| cluster_waker.wake_all(&clusters_seen));
        let bell = teams.clone();
        self.namespaces.listen(move |_| bell.ring());
        Queues { clusters, jobs, job_waker, admission, teams }
    }

    /// Watches until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let until = || stop.clone().cancelled_owned();
        let watches: [BoxFuture<'static, ()>; 9] = [
            self.teams.run(until()).boxed(),
            self.profiles.run(until()).boxed(),
            self.clusters.run(until()).boxed(),
            self.jobs.run(until()).boxed(),
            self.pods.run(until()).boxed(),
            self.others.run(until()).boxed(),
            self.deployments.run(until()).boxed(),
            self.namespaces.run(until()).boxed(),
            self.nodes.run(until()).boxed(),
        ];
        join_all(watches).await;
    }
}

fn watch<K: Watchable>(client: &Client, config: Config) -> Watch<K> {
    Watch::new(Api::all(client.clone()), config)
}

/// What mattered of objects when they were last seen: the rest may change as it likes.
struct Seen<T>(Mutex<HashMap<String, T>>);

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: PartialEq> Seen<T> {
    /// Whether an object is another than when it was last seen; `now` is nothing where it is gone.
    fn has_changed(&self, name: &str, now: Option<T>) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match now {
            Some(now) if seen.get(name) == Some(&now) => false,
            Some(now) => {
                seen.insert(name.to_owned(), now);
                true
            }
            None => {
                seen.remove(name);
                true
            }
        }
    }
}

/// Wakes the jobs that wait for a standing cluster or run on it.
fn wake_line(jobs: &Reader<PatchJob>, namespace: &str, cluster: &str, waker: &Waker<PatchJob>) {
    let in_line = |job: &PatchJob| {
        job.spec.cluster_name.as_deref() == Some(cluster) && job.namespace().as_deref() == Some(namespace)
    };
    for job in jobs.filter(in_line) {
        waker.wake(namespace, &job.name_any());
    }
}

fn wake_owner<K: kube::Resource>(object: &K, waker: &Waker<PatchCluster>) {
    if let (Some(namespace), Some(cluster)) =
        (object.meta().namespace.as_ref(), object.labels().get(names::LABEL_CLUSTER))
    {
        waker.wake(namespace, cluster);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_new_generation_is_a_change_and_so_are_coming_and_going() {
        let specs = Seen::default();
        assert!(specs.has_changed("t", Some(Some(1))), "new");
        assert!(!specs.has_changed("t", Some(Some(1))), "its status");
        assert!(specs.has_changed("t", Some(Some(2))) && specs.has_changed("t", None), "its spec, and its end");
        assert!(specs.has_changed("t", Some(Some(1))), "another of that name");
    }
}
