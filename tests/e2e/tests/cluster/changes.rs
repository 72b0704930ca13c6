//! Generated changes of live objects: each is refused with a reason and changes nothing, or leads to what a fresh object leads to.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, watcher};
use kube::{Api, Resource, ResourceExt};
use microtome_api::{PatchCluster, PatchJob, PatchProfile, Team};
use microtome_e2e::job::{Wish, job, state};
use microtome_e2e::stage::{Kind, PATIENCE, Stage};
use serde_json::{Value, json};

const SEED: u64 = 7;
/// Together 240.
const OF_JOBS: usize = 100;
const OF_CLUSTERS: usize = 40;
const OF_TEAMS: usize = 50;
const OF_PROFILES: usize = 50;

/// Numbers that only look random (SplitMix64), so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(end).unwrap()).unwrap()
    }

    fn of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}

/// The JSON pointers of all values in `value`, but the root's.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(name, field)| (name.replace('~', "~0").replace('/', "~1"), field)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(number, item)| (number.to_string(), item)).collect(),
        _ => Vec::new(),
    };
    for (name, child) in children {
        let pointer = format!("{at}/{name}");
        pointers(child, &pointer, all);
        all.push(pointer);
    }
}

/// Changes one value somewhere below `spec`, as a hand at an editor might, and says which.
fn change(spec: &mut Value, dice: &mut Dice) -> String {
    let mut all = Vec::new();
    pointers(spec, "", &mut all);
    let pointer = dice.of(&all).clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let kind = dice.below(4);
    if kind == 0 {
        match spec.pointer_mut(parent).unwrap() {
            Value::Object(fields) => drop(fields.remove(&name.replace("~1", "/").replace("~0", "~"))),
            Value::Array(items) => drop(items.remove(name.parse().unwrap())),
            _ => unreachable!("it has children"),
        }
        return format!("{pointer} taken away");
    }
    let value = spec.pointer_mut(&pointer).unwrap();
    match (kind, &mut *value) {
        (1, _) => {
            *value =
                dice.of(&[json!(null), json!(true), json!(0), json!(-1), json!("x"), json!({}), json!([])]).clone();
        }
        (_, Value::Bool(is)) => *is = !*is,
        (_, Value::Number(number)) => {
            *value = json!(number.as_i64().unwrap_or(1) + i64::try_from(dice.below(9)).unwrap() - 4);
        }
        (_, Value::String(text)) => text.push(*dice.of(&['x', '1', '/', ' ', 'm'])),
        (_, Value::Array(items)) => items.extend(items.first().cloned()),
        (_, Value::Object(fields)) => drop(fields.insert("another".to_owned(), json!("x"))),
        (_, Value::Null) => *value = json!(1),
    }
    format!("{pointer} = {value}")
}

/// Replaces the spec whole, as an editor does; `None` where it was taken, or why not.
async fn apply<K: Kind + Resource<DynamicType = ()>>(api: &Api<K>, name: &str, spec: &Value) -> Option<String> {
    loop {
        let mut object = serde_json::to_value(api.get(name).await.unwrap()).unwrap();
        object["spec"] = spec.clone();
        // Untyped: what the types could not hold is the apiserver's to refuse.
        let url = format!("{}/{name}?fieldValidation=Strict", K::url_path(&(), api.namespace()));
        let request = http::Request::put(url).body(serde_json::to_vec(&object).unwrap()).unwrap();
        match api.clone().into_client().request::<Value>(request).await {
            Ok(_) => return None,
            // Its status was written meanwhile.
            Err(kube::Error::Api(status)) if status.is_conflict() => {}
            Err(kube::Error::Api(status)) => return Some(status.message),
            Err(error) => panic!("{error}"),
        }
    }
}

async fn spec_of<K: Kind + Resource<DynamicType = ()>>(api: &Api<K>, name: &str) -> Value {
    serde_json::to_value(api.get(name).await.unwrap()).unwrap()["spec"].take()
}

/// Changes a namespaced object again and again. What is taken must be what a fresh object of that spec becomes.
async fn changed_as_fresh<K>(
    stage: &Stage,
    fresh: fn(&Stage, &str, &Value) -> Value,
    times: usize,
    seed: u64,
) -> (usize, usize)
where
    K: Kind + Send + Resource<Scope = NamespaceResourceScope, DynamicType = ()> + 'static,
{
    let (api, mut dice, mut taken, mut refused) = (stage.api::<K>(), Dice(seed), 0, 0);
    for number in 0..times {
        let before = spec_of(&api, "live").await;
        let mut spec = before.clone();
        let what = change(&mut spec, &mut dice);
        if let Some(why) = apply(&api, "live", &spec).await {
            assert!(why.contains("spec"), "change {number}, {what}: {why}");
            assert_eq!(spec_of(&api, "live").await, before, "change {number}, {what}, was refused, and done");
            refused += 1;
            continue;
        }
        let live = spec_of(&api, "live").await;
        let object: K = serde_json::from_value(fresh(stage, "fresh", &spec)).unwrap();
        api.create(&PostParams::default(), &object).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(live, spec_of(&api, "fresh").await, "change {number}, {what}, is not what a fresh object has");
        api.delete("fresh", &DeleteParams::background()).await.unwrap();
        stage.until::<K>("fresh", "gone", |object: Option<&K>| object.is_none()).await;
        taken += 1;
    }
    (taken, refused)
}

fn fresh_job(stage: &Stage, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob", "metadata": {"name": name, "namespace": stage.name}, "spec": spec})
}

fn fresh_cluster(stage: &Stage, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "microtome.dev/v1alpha1", "kind": "PatchCluster", "metadata": {"name": name, "namespace": stage.name}, "spec": spec})
}

/// A job with all that a job can have.
fn rich(stage: &Stage) -> Value {
    let mut object = job(stage, "live", Wish::default());
    let spec = &mut object["spec"];
    spec["suspend"] = json!(true);
    spec["ttlSecondsAfterFinished"] = json!(600);
    spec["env"] = json!([{"name": "A", "value": "b"}]);
    spec["secretNames"] = json!(["tokens"]);
    spec["checkpoints"] = json!({"url": "az://results/changes/"});
    spec["output"] = json!({"url": "az://results/changes-out/", "format": "WebDataset"});
    spec["package"] = json!({"sha256": "a".repeat(64), "configMapName": "code"});
    spec["clusterSpec"]["priority"] = json!(3);
    object
}

#[tokio::test]
async fn a_change_of_a_job_or_cluster_is_refused_or_as_a_fresh_one() {
    // Nothing starts: the team may use next to nothing.
    let stage = Stage::new("changes", json!({"cpu": "1m"})).await;
    let object = rich(&stage);
    stage.create::<PatchJob>(object.clone()).await;
    stage.job("live", "seen", |job| job.status.is_some()).await;
    let (taken, refused) = changed_as_fresh::<PatchJob>(&stage, fresh_job, OF_JOBS, SEED).await;
    assert!(taken > 0 && refused > OF_JOBS / 2, "{taken} taken, {refused} refused");
    // What its own cluster became follows it, too.
    let live = spec_of(&stage.api::<PatchJob>(), "live").await;
    let is_suspended = live["suspend"].as_bool().unwrap_or(false);
    let follows =
        move |cluster: Option<&PatchCluster>| cluster.is_some_and(|cluster| cluster.spec.suspend == is_suspended);
    stage.until::<PatchCluster>("live", "as its job wants it", follows).await;
    stage.delete_to_nothing("live").await;

    let mut spec = object["spec"]["clusterSpec"].clone();
    (spec["suspend"], spec["idleTimeoutSeconds"], spec["activeDeadlineSeconds"]) = (json!(true), json!(60), json!(600));
    stage.create::<PatchCluster>(fresh_cluster(&stage, "live", &spec)).await;
    let (taken, refused) = changed_as_fresh::<PatchCluster>(&stage, fresh_cluster, OF_CLUSTERS, SEED + 1).await;
    assert!(taken > 0 && refused > 0, "{taken} taken, {refused} refused");
}

/// What is said of a job, but its place in the queue: that of the second of two is another.
fn said(job: &PatchJob) -> (String, String) {
    let (reason, message) = state(job);
    let message = message.split("; ").filter(|part| !part.contains("position")).collect::<Vec<_>>().join("; ");
    (reason.to_owned(), message)
}

/// Waits until the job `live` is told what `fresh` is told: either may be told something else for a moment.
async fn told_the_same(stage: &Stage, fresh: &str, after: &str) {
    let events = watcher(stage.api::<PatchJob>(), Config::default()).applied_objects();
    let (mut events, mut told) = (std::pin::pin!(events), BTreeMap::new());
    let equal = async {
        while let Some(job) = events.try_next().await.unwrap() {
            told.insert(job.name_any(), said(&job));
            let decided =
                |said: &&(String, String)| !said.0.is_empty() && said.0 != "Pending" && said.1 != "waits for admission";
            let [live, fresh] = ["live", fresh].map(|name| told.get(name).filter(decided));
            if live.is_some() && live == fresh {
                return;
            }
        }
    };
    if tokio::time::timeout(PATIENCE, equal).await.is_err() {
        panic!("after {after}: {told:#?}");
    }
}

/// Changes a cluster-wide object again and again: a job that waits is told what a fresh one is told.
async fn told_as_fresh<K>(stage: &Stage, times: usize, seed: u64) -> usize
where
    K: Kind + Resource<Scope = ClusterResourceScope, DynamicType = ()>,
{
    let (api, mut dice, mut taken) = (Api::<K>::all(stage.client.clone()), Dice(seed), 0);
    // Whatever a team may use: no node has this.
    let impossible = |name: &str| {
        let mut object = job(stage, name, Wish { workers: 1, ..Wish::default() });
        object["spec"]["clusterSpec"]["head"]["resources"]["limits"]["example.com/none"] = json!("1");
        object
    };
    stage.create::<PatchJob>(impossible("live")).await;
    let original = spec_of(&api, &stage.name).await;
    for number in 0..times {
        let before = spec_of(&api, &stage.name).await;
        // Now and then from the beginning, or all would end in ruins.
        let mut spec = if number % 4 == 0 { original.clone() } else { before.clone() };
        let what = change(&mut spec, &mut dice);
        if let Some(why) = apply(&api, &stage.name, &spec).await {
            assert!(why.contains("spec"), "change {number}, {what}: {why}");
            assert_eq!(spec_of(&api, &stage.name).await, before, "change {number}, {what}, was refused, and done");
            continue;
        }
        let name = format!("fresh-{number}");
        stage.create::<PatchJob>(impossible(&name)).await;
        told_the_same(stage, &name, &what).await;
        stage.delete_to_nothing(&name).await;
        taken += 1;
    }
    apply(&api, &stage.name, &original).await;
    stage.delete_to_nothing("live").await;
    taken
}

#[tokio::test]
async fn a_change_of_a_team_tells_waiting_jobs_what_it_tells_fresh_ones() {
    let stage = Stage::new("changes-team", json!({"cpu": "1m", "memory": "1Mi"})).await;
    let teams = Api::<Team>::all(stage.client.clone());
    let more = json!({"spec": {"weight": 2, "jobLimits": {"maxRunning": 3, "maxQueued": 100, "maxActiveDeadlineSeconds": 9000},
        "guarantee": {"memory": "1Mi"}}});
    teams.patch(&stage.name, &PatchParams::default(), &Patch::Merge(more)).await.unwrap();
    assert!(told_as_fresh::<Team>(&stage, OF_TEAMS, SEED + 2).await > OF_TEAMS / 4);
}

#[tokio::test]
async fn a_change_of_a_profile_tells_waiting_jobs_what_it_tells_fresh_ones() {
    let stage = Stage::new("changes-profile", json!({"cpu": "1m"})).await;
    assert!(told_as_fresh::<PatchProfile>(&stage, OF_PROFILES, SEED + 3).await > OF_PROFILES / 4);
}
