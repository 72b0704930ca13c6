//! Two teams of equal weight and two GPUs for both: real jobs on real pods start in turn, the next as one ends, and what those
//! that wait were told was true.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, watcher};
use kube::{Api, Client, ResourceExt};
use microtome_api::{PatchCluster, PatchJob, Team, condition};
use microtome_e2e::job::{Wish, is, job};
use microtome_e2e::stage::{PATIENCE, Stage};
use serde_json::{Value, json};

const ABOVE: &str = "e2e-fair";
const JOBS: usize = 3;
const GPUS: usize = 2;

/// All jobs together take some of these.
const WHOLE: std::time::Duration = std::time::Duration::from_secs(3 * PATIENCE.as_secs());

/// What became of a cluster, in the order in which the apiserver took it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Event {
    Started(String),
    Ended(String),
}

async fn team(client: &Client, name: &str, spec: Value) {
    let teams = Api::<Team>::all(client.clone());
    let object = serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap();
    teams.create(&PostParams::default(), &object).await.unwrap();
}

/// A team below [`ABOVE`], in a namespace of its own.
async fn stage(name: &str) -> Stage {
    let stage = Stage::without_team(name).await;
    let spec = json!({"parentName": ABOVE, "namespaces": [stage.name], "profiles": [stage.name]});
    team(&stage.client, &stage.name, spec).await;
    stage
}

/// Jobs of one second have no order of their own: `number` is their priority, the first before the others.
fn wants_gpu(stage: &Stage, name: &str, number: usize) -> Value {
    let mut object = job(stage, name, Wish { workers: 1, seconds_a_batch: 2.0, ..Wish::default() });
    object["spec"]["clusterSpec"]["head"]["resources"]["limits"]["nvidia.com/gpu"] = json!("1");
    object["spec"]["clusterSpec"]["priority"] = json!(JOBS - number);
    object
}

fn place(job: &PatchJob) -> Option<&microtome_api::QueueState> {
    job.status.as_ref()?.queue.as_ref()
}

fn admitted(job: &PatchJob) -> &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition {
    let conditions = &job.status.as_ref().unwrap().conditions;
    conditions.iter().find(|condition| condition.type_ == condition::ADMITTED).unwrap()
}

/// Follows all clusters of both teams until all have ended.
async fn follow(client: Client) -> Vec<Event> {
    let clusters = Api::<PatchCluster>::all(client);
    let mut stream = std::pin::pin!(watcher(clusters, Config::default()).default_backoff().applied_objects());
    let mut events: Vec<Event> = Vec::new();
    while let Some(cluster) = stream.try_next().await.unwrap() {
        let namespace = cluster.namespace().unwrap();
        if !namespace.starts_with("e2e-fair-") {
            continue;
        }
        let name = format!("{namespace}/{}", cluster.name_any());
        let conditions = cluster.status.map(|status| status.conditions).unwrap_or_default();
        let mut note = |happened: bool, event: Event| {
            if happened && !events.contains(&event) {
                events.push(event);
            }
        };
        note(condition::is_true(&conditions, condition::ADMITTED), Event::Started(name.clone()));
        note(condition::has_ended(&conditions), Event::Ended(name));
        if events.len() == 4 * JOBS {
            break;
        }
    }
    events
}

/// The next starts as one ends, never more than there are GPUs, and each team in its turn.
fn judge(events: &[Event]) {
    let mut running: Vec<&str> = Vec::new();
    let mut starts: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, event) in events.iter().enumerate() {
        match event {
            Event::Started(name) => {
                running.push(name);
                *starts.entry(name.split_once('/').unwrap().0).or_default() += 1;
            }
            Event::Ended(name) => running.retain(|one| one != name),
        }
        assert!(running.len() <= GPUS, "{running:?} run at once after event {i} of {events:#?}");
        let counts: Vec<usize> = ["e2e-fair-a", "e2e-fair-b"].map(|team| starts.get(team).copied().unwrap_or(0)).into();
        assert!(counts[0].abs_diff(counts[1]) <= 1, "{counts:?} starts after event {i} of {events:#?}");
    }
    assert_eq!(starts.values().sum::<usize>(), 2 * JOBS, "{events:#?}");
    assert!(running.is_empty(), "{running:?} never ended");
}

#[tokio::test]
async fn two_teams_take_turns_on_two_gpus_and_are_told_when() {
    // Nobody may start until everybody is in the queue.
    let client = Client::try_default().await.unwrap();
    let max = json!({"nvidia.com/gpu": GPUS.to_string()});
    team(&client, ABOVE, json!({"max": max, "jobLimits": {"maxRunning": 0}})).await;
    let stages = [stage("fair-a").await, stage("fair-b").await];
    let names: Vec<String> = (1..=JOBS).map(|number| format!("train-{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        for stage in &stages {
            stage.create::<PatchJob>(wants_gpu(stage, name, number)).await;
        }
    }
    for stage in &stages {
        for name in &names {
            let waits = |job: &PatchJob| place(job).is_some_and(|place| place.reason == "TeamRunning");
            let job = stage.job(name, "in the queue", waits).await;
            let message = &admitted(&job).message;
            assert!(message.starts_with("0 jobs of team e2e-fair run, and its jobLimits.maxRunning is 0"), "{message}");
        }
    }

    let followed = tokio::spawn(tokio::time::timeout(WHOLE, follow(client.clone())));
    let teams = Api::<Team>::all(client.clone());
    let open = Patch::Merge(json!({"spec": {"jobLimits": {"maxRunning": null}}}));
    teams.patch(ABOVE, &PatchParams::default(), &open).await.unwrap();

    // While the first of each run, the second is told what it waits for, where it stands, and when it starts at the latest.
    let mut told = Vec::new();
    for stage in &stages {
        let waits = |job: &PatchJob| {
            place(job).is_some_and(|place| place.reason == "TeamMax" && place.starts_at.is_some())
                || is(job, condition::ADMITTED)
        };
        let job = stage.job("train-2", "told when it starts", waits).await;
        if let Some(place) = place(&job) {
            let message = &admitted(&job).message;
            let why = "team e2e-fair uses 2 of its max 2 nvidia.com/gpu, and this wants 1";
            assert!(message.starts_with(why), "{message}");
            assert_eq!((place.summary.as_str(), place.position), ("1/2", Some(1)));
            told.push((stage, place.starts_at.clone().unwrap()));
        }
    }
    assert!(!told.is_empty(), "nobody waited long enough to be told");
    for (stage, latest) in told {
        let job = stage.job("train-2", "admitted", |job| is(job, condition::ADMITTED)).await;
        let started = admitted(&job).last_transition_time.0;
        assert!(started <= latest.0, "it was told {} and started at {started}", latest.0);
        assert_eq!(place(&job), None, "who runs has no place in the queue");
    }

    judge(&followed.await.unwrap().expect("the jobs do not end"));

    for stage in &stages {
        for name in &names {
            let job =
                stage.job(name, "over", |job| condition::has_ended(&job.status.as_ref().unwrap().conditions)).await;
            assert!(is(&job, condition::COMPLETE), "{:?}", job.status);
        }
    }
    let rests = |team: Option<&Team>| {
        let status = team.and_then(|team| team.status.as_ref());
        status.is_some_and(|status| (status.running, status.queued) == (0, 0) && status.used.is_empty())
    };
    let mut shares = Vec::new();
    for stage in &stages {
        let waiting = kube::runtime::wait::await_condition(teams.clone(), &stage.name, rests);
        let team = tokio::time::timeout(PATIENCE, waiting).await.expect("a team still holds something").unwrap();
        let share: f64 = team.unwrap().status.unwrap().share.unwrap().parse().unwrap();
        shares.push(share);
    }
    assert!((shares[0] - shares[1]).abs() < 0.02, "as much for one as for the other: {shares:?}");
}
