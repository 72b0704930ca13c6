//! The controllers over an apiserver in memory, and a kubelet that plays by a script.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use microtome_api::{PatchCluster, PatchJob};
use serde_json::{Value, json};

use super::apiserver::ApiServer;
use crate::admission::record::Recorder;
use crate::behind::Behind;
use crate::cluster::{fixtures, settings_fixture};
use crate::context::{Clock, Context};
use crate::control::authority::Authority;
use crate::control::hub::Hub;
use crate::controller::Waker;
use crate::events::Events;
use crate::metrics::Metrics;
use crate::world::World;
use crate::{admission, cluster, job};

/// Rounds after which nothing changes any more, or something is wrong.
const MOST_ROUNDS: usize = 80;
pub(super) const JOB: &str = "/apis/microtome.dev/v1alpha1/namespaces/x/patchjobs/a";
pub(super) const CLUSTER: &str = "/apis/microtome.dev/v1alpha1/namespaces/x/patchclusters/a";

/// What a head's program does in an attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Act {
    /// Ends with this code.
    Exit(i32),
    /// Runs on.
    Run,
    /// Runs, and its pod vanishes.
    Vanish,
}

/// One run of a job from its beginning.
pub(super) struct Stage {
    pub(super) server: ApiServer,
    seconds: Arc<AtomicI64>,
    /// By attempt; the last one for all that follow.
    acts: Vec<Act>,
}

impl Stage {
    pub(super) fn new(acts: &[Act], change: impl FnOnce(&mut Value)) -> Self {
        let server = ApiServer::default();
        let mut job = serde_json::to_value(fixtures::job()).unwrap();
        // Rounds are minutes apart, and no flow is about this.
        job["spec"]["activeDeadlineSeconds"] = json!(1_000_000);
        change(&mut job["spec"]);
        {
            let mut state = server.lock();
            let global = |kind: &str, name: &str| format!("/apis/microtome.dev/v1alpha1/{kind}/{name}");
            state.put(&global("teams", "t"), serde_json::to_value(fixtures::team()).unwrap());
            state.put(&global("patchprofiles", "default"), serde_json::to_value(fixtures::profile()).unwrap());
            state.put(JOB, job);
        }
        Self { server, seconds: Arc::new(AtomicI64::new(1000)), acts: acts.to_vec() }
    }

    /// Runs until nothing changes any more; `server` may have the operator die once, after which another one goes on.
    pub(super) async fn settle(&self) {
        let mut hub = Hub::new(Waker::new().0);
        for _ in 0..MOST_ROUNDS {
            let before = self.server.lock().writes.len();
            let survived = self.pass(&hub).await;
            if !survived {
                self.server.lock().dies_with = None;
                hub = Hub::new(Waker::new().0);
            }
            let moved = self.kubelet();
            self.check();
            if survived && !moved && self.server.lock().writes.len() == before {
                return;
            }
            // Longer than any wait between attempts.
            self.seconds.fetch_add(400, Ordering::Relaxed);
        }
        panic!("it never settles: {:#?}", self.server.lock().writes);
    }

    /// One pass of each controller; false where the operator died in it.
    async fn pass(&self, hub: &Hub) -> bool {
        let context = Arc::new(self.context(hub));
        let jobs: Vec<PatchJob> = self.server.lock().list("/patchjobs/");
        let mut whole = true;
        for object in jobs {
            whole &= job::reconcile(Arc::new(object), context.clone()).await.is_ok();
        }
        let clusters: Vec<PatchCluster> = self.server.lock().list("/patchclusters/");
        for object in clusters {
            whole &= cluster::reconcile(Arc::new(object), context.clone()).await.is_ok();
        }
        // The watches have seen by then what the others wrote.
        whole &= admission::pass(Arc::new(self.context(hub))).await.is_ok();
        // Lost races are no death.
        let dies_with = self.server.lock().dies_with;
        whole || dies_with.is_none_or(|write| self.server.lock().writes.len() < write)
    }

    fn context(&self, hub: &Hub) -> Context {
        let (client, settings, seconds) = (self.server.client(), settings_fixture(), self.seconds.clone());
        Context {
            events: Events::new(client.clone(), "operator-1"),
            client,
            settings,
            world: self.world(),
            hub: hub.clone(),
            metrics: Metrics::default(),
            authority: Authority::make().unwrap(),
            clock: Clock::by(move || Timestamp::from_second(seconds.load(Ordering::Relaxed)).unwrap()),
            recorder: Recorder::default(),
            behind: Behind::default(),
        }
    }

    fn world(&self) -> World {
        let state = self.server.lock();
        World {
            teams: crate::watch::Reader::of(state.list("/teams/")),
            profiles: crate::watch::Reader::of(state.list("/patchprofiles/")),
            clusters: crate::watch::Reader::of(state.list("/patchclusters/")),
            jobs: crate::watch::Reader::of(state.list("/patchjobs/")),
            pods: crate::watch::Reader::of(state.list("/pods/")),
            deployments: crate::watch::Reader::of(state.list("/deployments/")),
            namespaces: crate::watch::Reader::of(Vec::new()),
            others: crate::watch::Reader::of(Vec::new()),
            nodes: crate::watch::Reader::of(vec![node()]),
        }
    }

    /// Lets every pod take one step. True where one did.
    fn kubelet(&self) -> bool {
        let mut state = self.server.lock();
        let mut moved = false;
        for path in state.paths("/pods/") {
            let mut pod = state.object(&path).cloned().unwrap();
            let attempt: usize = pod["metadata"]["labels"]["microtome.dev/attempt"].as_str().unwrap().parse().unwrap();
            let act = self.acts.get(attempt - 1).or(self.acts.last()).copied().unwrap_or(Act::Run);
            let at = Timestamp::from_second(self.seconds.load(Ordering::Relaxed)).unwrap().to_string();
            let container = |what: Value| json!([{"name": "head", "image": "i", "imageID": "", "ready": true, "restartCount": 0, "state": what}]);
            match (pod["status"]["phase"].as_str(), act) {
                (None, _) => {
                    let status = container(json!({"running": {"startedAt": at}}));
                    pod["status"] = json!({"phase": "Running", "startTime": at, "containerStatuses": status});
                }
                (Some("Running"), Act::Exit(code)) => {
                    let status = container(json!({"terminated": {"exitCode": code, "reason": "Error"}}));
                    let phase = if code == 0 { "Succeeded" } else { "Failed" };
                    pod["status"]["phase"] = json!(phase);
                    pod["status"]["containerStatuses"] = status;
                }
                (Some("Running"), Act::Vanish) => {
                    state.remove(&path);
                    moved = true;
                    continue;
                }
                _ => continue,
            }
            state.put(&path, pod);
            moved = true;
        }
        moved
    }

    /// What must hold at every moment: no two heads of a cluster that have not ended.
    fn check(&self) {
        let state = self.server.lock();
        let live = |path: &&String| {
            let phase = state.object(path).and_then(|pod| pod["status"]["phase"].as_str());
            !matches!(phase, Some("Succeeded" | "Failed"))
        };
        let live: Vec<String> = state.paths("/pods/").iter().filter(live).cloned().collect();
        assert!(live.len() <= 1, "two heads at once: {live:?} after {:#?}", state.writes);
    }

    /// Everything there is but what is different each time: uids, versions, times, certificates.
    pub(super) fn picture(&self) -> BTreeMap<String, Value> {
        let state = self.server.lock();
        // An event may be lost with the operator that would have told it.
        let paths = state.paths("/").into_iter().filter(|path| !path.contains("/events/"));
        let object = |path: String| {
            let mut object = state.object(&path).cloned().unwrap();
            still(&mut object);
            (path, object)
        };
        paths.map(object).collect()
    }
}

/// With room for one gang of the fixture's, and no more.
fn node() -> k8s_openapi::api::core::v1::Node {
    let allocatable = json!({"cpu": "12", "memory": "16Gi", "nvidia.com/gpu": "1"});
    let ready = json!([{"type": "Ready", "status": "True"}]);
    let status = json!({"allocatable": allocatable, "conditions": ready});
    serde_json::from_value(json!({"metadata": {"name": "node-1"}, "status": status})).unwrap()
}

fn still(value: &mut Value) {
    const MOVING: [&str; 11] = [
        "uid",
        "resourceVersion",
        "startTime",
        "startedAt",
        "lastTransitionTime",
        "completionTime",
        "endTime",
        "data",
        "microtome.dev/cluster-uid",
        "activeDeadlineSeconds",
        "share",
    ];
    match value {
        Value::Object(fields) => {
            for field in MOVING {
                fields.remove(field);
            }
            fields.values_mut().for_each(still);
        }
        Value::Array(items) => {
            items.iter_mut().for_each(still);
            items.sort_by_key(Value::to_string);
        }
        Value::String(text) if text.starts_with("uid-") => *text = "uid".to_owned(),
        _ => {}
    }
}
