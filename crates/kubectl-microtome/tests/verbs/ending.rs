//! stop, suspend, resume, delete.

use serde_json::json;

use crate::objects::{JOBS, cluster, condition, ended, job, pod, running};
use crate::stage::{Stage, finish};

async fn stage() -> Stage {
    let stage = Stage::researcher().await;
    for name in ["a", "b"] {
        let mut job = job(name, 1);
        job["status"] = running();
        job["metadata"]["labels"] = json!({"run": "7"});
        stage.server.put(job);
    }
    stage
}

fn is_suspended(stage: &Stage, path: &str) -> bool {
    stage.server.lock().objects[path]["spec"]["suspend"] == json!(true)
}

#[tokio::test]
async fn jobs_are_suspended_and_resumed() {
    let stage = stage().await;
    assert_eq!(stage.done(&["suspend", "a", "patchjob/b"]).await.out, "patchjob/a suspended\npatchjob/b suspended\n");
    assert!(is_suspended(&stage, &format!("{JOBS}/b")));
    assert_eq!(stage.done(&["resume", "b"]).await.out, "patchjob/b resumed\n");
    assert!(is_suspended(&stage, &format!("{JOBS}/a")) && !is_suspended(&stage, &format!("{JOBS}/b")));
    stage.server.put(cluster("bench"));
    assert_eq!(stage.done(&["suspend", "patchcluster/bench"]).await.out, "patchcluster/bench suspended\n");
    assert!(is_suspended(&stage, "/apis/microtome.dev/v1alpha1/namespaces/pathology/patchclusters/bench"));
}

#[tokio::test]
async fn who_else_suspends_a_job_is_told() {
    let stage = stage().await;
    stage.server.change(&format!("{JOBS}/a"), |job| job["spec"]["managedBy"] = json!("kueue.x-k8s.io/kueue"));
    let run = stage.done(&["suspend", "a"]).await;
    assert!(run.err.contains("managed by kueue.x-k8s.io/kueue"), "{run:?}");
}

#[tokio::test]
async fn a_stopped_job_holds_nothing_when_stop_returns() {
    let stage = stage().await;
    let path = format!("{JOBS}/a");
    let child = stage.spawn(&["stop", "a"]);
    stage.server.until(|state| state.objects[&path]["spec"]["suspend"] == json!(true)).await;
    stage.server.until_asked("watch=true").await;
    for reason in ["Suspending", "Suspended"] {
        let conditions = json!([condition("Ready", reason, "False", "")]);
        stage.server.change(&path, |job| job["status"]["conditions"] = conditions);
    }
    let run = finish(child).await;
    stage.nothing_was_refused();
    assert_eq!((run.code, run.out.as_str()), (Some(0), "patchjob/a stopped\n"), "{run:?}");
    let run = stage.done(&["stop", "b", "--no-wait"]).await;
    assert_eq!(run.out, "patchjob/b is stopping\n");
    stage.server.change(&path, |job| job["status"] = ended(0, 1));
    let over = stage.done(&["stop", "a"]).await;
    assert_eq!(over.err, "patchjob/a has ended already: Complete\n");
}

#[tokio::test]
async fn jobs_are_deleted_by_name_or_label() {
    let stage = stage().await;
    assert_eq!(stage.done(&["delete", "a"]).await.out, "patchjob/a deleted\n");
    let missing = stage.run(&["delete", "a"]).await;
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("patchjob \"a\" not found"), "{missing:?}");
    assert_eq!(stage.done(&["delete", "a", "--ignore-not-found"]).await.out, "");
    stage.server.put(pod("b-head-1", "b", "head"));
    let child = stage.spawn(&["delete", "-l", "run=7", "--wait"]);
    // The pod is waited for, too.
    let is_watch = |request: &String| request.contains("/pods?") && request.contains("watch=true");
    stage.server.until(|state| state.requests.iter().any(is_watch)).await;
    stage.server.lock().remove("/api/v1/namespaces/pathology/pods/b-head-1");
    stage.server.changed();
    let run = finish(child).await;
    stage.nothing_was_refused();
    assert_eq!((run.code, run.out.as_str()), (Some(0), "patchjob/b deleted\n"), "{run:?}");
    assert!(stage.server.lock().objects.is_empty());
    let none = stage.run(&["delete", "-l", "run=7"]).await;
    assert_eq!(none.code, Some(1));
}
