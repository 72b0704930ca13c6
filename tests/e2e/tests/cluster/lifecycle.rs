//! How jobs end, are refused, wait and go.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::rbac::v1::RoleBinding;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, PostParams};
use microtome_api::{PatchCluster, PatchJob, Team, condition, names};
use microtome_e2e::job::{Wish, is, job, state};
use microtome_e2e::stage::Stage;
use serde_json::{Value, json};

/// Whether a job has come so far.
type Moment = fn(&PatchJob) -> bool;

#[tokio::test]
async fn the_programs_exit_code_is_the_jobs() {
    let stage = Stage::new("exit-code", json!({})).await;
    stage.create::<PatchJob>(job(&stage, "train", Wish { exit_code: 3, ..Wish::default() })).await;
    let failed = stage.job("train", "failed", |job| is(job, condition::FAILED)).await;
    assert!(is(&failed, condition::STALLED));
    let status = failed.status.unwrap();
    assert_eq!(status.exit_code, Some(3));
    let failure = status.conditions.iter().find(|condition| condition.type_ == condition::FAILED).unwrap();
    assert!(failure.message.contains("exit code 3"), "{}", failure.message);
}

#[tokio::test]
async fn a_job_that_is_deleted_at_any_moment_leaves_nothing() {
    let stage = Stage::new("deleted", json!({})).await;
    let slow = Wish { patches: 1200, seconds_a_batch: 0.5, ..Wish::default() };
    let moments: [(&str, Moment); 3] = [
        ("seen", |job| job.status.is_some()),
        ("admitted", |job| is(job, condition::ADMITTED)),
        ("running", |job| is(job, condition::READY)),
    ];
    stage.create::<PatchJob>(job(&stage, "at-once", slow)).await;
    stage.delete_to_nothing("at-once").await;
    for (moment, reached) in moments {
        stage.create::<PatchJob>(job(&stage, moment, slow)).await;
        stage.job(moment, moment, reached).await;
        stage.delete_to_nothing(moment).await;
    }
    stage.create::<PatchJob>(job(&stage, "done", Wish::default())).await;
    stage.job("done", "complete", |job| is(job, condition::COMPLETE)).await;
    stage.delete_to_nothing("done").await;
}

#[tokio::test]
async fn a_job_that_is_deleted_while_it_waits_or_has_failed_leaves_nothing() {
    let stage = Stage::new("deleted-waiting", json!({"cpu": "200m"})).await;
    let one = Wish { patches: 1200, seconds_a_batch: 0.5, workers: 1, ..Wish::default() };
    let changed = |name: &str, change: fn(&mut Value)| {
        let mut object = job(&stage, name, one);
        change(&mut object["spec"]);
        object
    };
    let cases: [(Value, &str); 6] = [
        (changed("suspended", |spec| spec["suspend"] = json!(true)), "Suspended"),
        (job(&stage, "exceeds", Wish { workers: 9, ..Wish::default() }), "ExceedsTeamMax"),
        (changed("refused", |spec| spec["clusterSpec"]["head"]["image"] = json!("docker.io/x:1")), "ImageNotAllowed"),
        (changed("no-image", |spec| spec["clusterSpec"]["head"]["image"] = json!("localhost/none:1")), "Starting"),
        (changed("between", |spec| (spec["command"], spec["backoffLimit"]) = (json!(["false"]), json!(9))), "Retrying"),
        (changed("failed", |spec| spec["command"] = json!(["false"])), "Failed"),
    ];
    for (object, reached) in cases {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        stage.create::<PatchJob>(object).await;
        let condition = move |job: Option<&PatchJob>| {
            job.is_some_and(|job| state(job).0 == reached || (reached == "Failed" && is(job, condition::FAILED)))
        };
        stage.until(&name, reached, condition).await;
        stage.delete_to_nothing(&name).await;
    }
    // One that waits for another, and that other.
    stage.create::<PatchJob>(job(&stage, "first", one)).await;
    stage.job("first", "admitted", |job| is(job, condition::ADMITTED)).await;
    stage.create::<PatchJob>(job(&stage, "queued", one)).await;
    stage.job("queued", "queued", |job| state(job).0 == "Queued").await;
    stage.delete_to_nothing("queued").await;
    stage.delete_to_nothing("first").await;
}

#[tokio::test]
async fn a_namespace_that_is_deleted_goes_with_all_in_it_and_may_come_back() {
    let stage = Stage::new("whole", json!({})).await;
    let slow = Wish { patches: 1200, seconds_a_batch: 0.5, workers: 1, ..Wish::default() };
    let mut cluster = job(&stage, "bench", slow)["spec"]["clusterSpec"].clone();
    cluster["activeDeadlineSeconds"] = json!(600);
    stage.create::<PatchCluster>(json!({"metadata": {"name": "bench"}, "spec": cluster})).await;
    let mut on = job(&stage, "on-bench", slow);
    on["spec"].as_object_mut().unwrap().remove("clusterSpec");
    on["spec"]["clusterName"] = json!("bench");
    stage.create::<PatchJob>(on).await;
    let mut suspended = job(&stage, "suspended", slow);
    suspended["spec"]["suspend"] = json!(true);
    stage.create::<PatchJob>(suspended).await;
    stage.create::<PatchJob>(job(&stage, "running", slow)).await;
    stage.job("running", "running", |job| is(job, condition::READY)).await;
    stage.job("on-bench", "running", |job| state(job).0 == "Running").await;
    stage.delete_namespace().await;
    stage.make_namespace().await;
    stage.create::<PatchJob>(job(&stage, "running", Wish::default())).await;
    let status = stage.job("running", "complete", |job| is(job, condition::COMPLETE)).await.status.unwrap();
    assert_eq!((status.attempt, status.exit_code), (1, Some(0)), "nothing of the one before is known any more");
}

#[tokio::test]
async fn definitions_are_upgraded_under_running_jobs() {
    let stage = Stage::new("upgraded", json!({})).await;
    stage.create::<PatchJob>(job(&stage, "old", Wish { patches: 480, seconds_a_batch: 0.3, ..Wish::default() })).await;
    stage.job("old", "running", |job| is(job, condition::READY)).await;
    let definitions = Api::<CustomResourceDefinition>::all(stage.client.clone());
    for plural in ["patchjobs", "patchclusters", "patchprofiles", "teams"] {
        // As the next release may: a field more.
        let name = format!("{plural}.microtome.dev");
        let mut definition = definitions.get(&name).await.unwrap();
        let schema = definition.spec.versions[0].schema.as_mut().unwrap().open_api_v3_schema.as_mut().unwrap();
        let spec = schema.properties.as_mut().unwrap().get_mut("spec").unwrap();
        let field = json!({"type": "string", "description": "Of a later release."});
        spec.properties.as_mut().unwrap().insert("later".to_owned(), serde_json::from_value(field).unwrap());
        definitions.replace(&name, &PostParams::default(), &definition).await.unwrap();
    }
    stage.create::<PatchJob>(job(&stage, "new", Wish { workers: 1, ..Wish::default() })).await;
    stage.job("new", "complete", |job| is(job, condition::COMPLETE)).await;
    let status = stage.job("old", "complete", |job| is(job, condition::COMPLETE)).await.status.unwrap();
    assert_eq!((status.attempt, status.progress.unwrap().patches), (1, 480));
}

#[tokio::test]
async fn a_namespace_of_no_team_gets_no_pods_and_is_told_why() {
    let stage = Stage::without_team("nobody").await;
    stage.create::<PatchJob>(job(&stage, "train", Wish::default())).await;
    let refused = stage.job("train", "refused", |job| is(job, condition::STALLED)).await;
    let (reason, message) = state(&refused);
    assert_eq!(reason, "NoTeam");
    assert!(message.contains("\"e2e-nobody\" belongs to no Team"), "{message}");
    assert_eq!(stage.api::<Pod>().list(&Default::default()).await.unwrap().items.len(), 0);
    // The remedy that the message names works.
    let team =
        json!({"metadata": {"name": stage.name}, "spec": {"namespaces": [stage.name], "profiles": [stage.name]}});
    let teams = Api::<Team>::all(stage.client.clone());
    teams.create(&PostParams::default(), &serde_json::from_value(team).unwrap()).await.unwrap();
    stage.job("train", "complete", |job| is(job, condition::COMPLETE)).await;
    // Without a team the operator has nothing to write there any more, and gives its right back.
    stage.delete_to_nothing("train").await;
    teams.delete(&stage.name, &DeleteParams::default()).await.unwrap();
    stage.until::<RoleBinding>(names::MANAGER, "gone", |binding: Option<&RoleBinding>| binding.is_none()).await;
}

#[tokio::test]
async fn what_the_profile_does_not_allow_is_refused_by_its_field() {
    let stage = Stage::new("profile", json!({})).await;
    let cases: [(&str, &str, Value, &str); 3] = [
        ("location", "/spec/datasets/0/slides/list/0/url", json!("az://secret/a.svs"), "LocationNotAllowed"),
        ("image", "/spec/clusterSpec/head/image", json!("docker.io/evil:1"), "ImageNotAllowed"),
        ("profile", "/spec/clusterSpec/profileName", json!("other"), "ProfileNotAllowed"),
    ];
    for (name, field, value, reason) in cases {
        let mut object = job(&stage, name, Wish::default());
        *object.pointer_mut(field).unwrap() = value;
        stage.create::<PatchJob>(object).await;
        let refused = stage.job(name, "refused", |job| is(job, condition::STALLED)).await;
        assert_eq!(state(&refused).0, reason, "{}", state(&refused).1);
    }
    assert_eq!(stage.api::<Pod>().list(&Default::default()).await.unwrap().items.len(), 0);
}

#[tokio::test]
async fn the_apiserver_refuses_what_the_schema_forbids() {
    let stage = Stage::without_team("schema").await;
    let cases: [(&str, Value, &str); 5] = [
        ("/spec/datasets/0/sampling", json!({}), "give exactly one of grid, random and coordinates"),
        ("/spec/datasets/0/slides/list/0/url", json!("az://slides/a.svs?sig=abc"), "must not hold a query or a key"),
        ("/spec/datasets/0/views/0/size", json!(0), "spec.datasets[0].views[0].size"),
        ("/spec/clusterSpec/workers/minReplicas", json!(9), "minReplicas must not exceed maxReplicas"),
        ("/spec/command", json!([]), "spec.command"),
    ];
    for (field, value, message) in cases {
        let mut object = job(&stage, "train", Wish::default());
        *object.pointer_mut(field).unwrap() = value;
        let object: PatchJob = serde_json::from_value(object).unwrap();
        let error = stage.api::<PatchJob>().create(&PostParams::default(), &object).await.unwrap_err().to_string();
        assert!(error.contains(message), "{field}: {error}");
    }
}

#[tokio::test]
async fn a_job_beyond_its_teams_max_waits_and_starts_when_the_other_ends() {
    // Room for one head and its two workers.
    let stage = Stage::new("queue", json!({"cpu": "300m"})).await;
    stage
        .create::<PatchJob>(job(&stage, "first", Wish { patches: 320, seconds_a_batch: 0.3, ..Wish::default() }))
        .await;
    stage.job("first", "admitted", |job| is(job, condition::ADMITTED)).await;
    stage.create::<PatchJob>(job(&stage, "second", Wish::default())).await;
    stage.job("second", "told why it waits", |job| state(job).0 == "Queued" && state(job).1.contains("cpu")).await;
    assert!(stage.api::<Pod>().get_opt(&names::head_pod("second", 1)).await.unwrap().is_none());
    stage.job("first", "complete", |job| is(job, condition::COMPLETE)).await;
    stage.job("second", "complete", |job| is(job, condition::COMPLETE)).await;

    stage.create::<PatchJob>(job(&stage, "huge", Wish { workers: 9, ..Wish::default() })).await;
    let refused = stage.job("huge", "refused", |job| state(job).0 == "ExceedsTeamMax").await;
    assert!(is(&refused, condition::STALLED));
}
