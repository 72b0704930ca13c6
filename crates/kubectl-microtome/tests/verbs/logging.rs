//! logs, and what submit --wait does with them.

use serde_json::json;

use crate::objects::{JOBS, ended, job, pod, running};
use crate::stage::{Stage, finish, interrupt};

fn lines(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

async fn stage() -> Stage {
    let stage = Stage::researcher().await;
    let mut train = job("train", 1);
    train["status"] = running();
    stage.server.put(train);
    stage.server.put(pod("train-head-1", "train", "head"));
    stage.server.log("train-head-1", |log| log.lines = lines(&["a", "b"]));
    stage
}

#[tokio::test]
async fn a_log_is_printed_as_it_is_now() {
    let stage = stage().await;
    assert_eq!(stage.done(&["logs", "train"]).await.out, "a\nb\n");
    assert_eq!(
        stage.done(&["logs", "train", "--timestamps"]).await.out,
        "2026-03-02T12:06:00Z a\n2026-03-02T12:06:01Z b\n"
    );
    let other = stage.run(&["logs", "train", "--attempt", "2"]).await;
    assert_eq!((other.code, other.err.as_str()), (Some(1), "error: train has had 1 attempts, and no attempt 2\n"));
}

#[tokio::test]
async fn a_log_is_followed_through_attempts_until_the_job_ends() {
    let stage = stage().await;
    let child = stage.spawn(&["logs", "train", "-f"]);
    stage.server.until_asked("train-head-1/log").await;
    stage.server.put(pod("train-head-2", "train", "head"));
    stage.server.log("train-head-2", |log| (log.lines, log.has_ended) = (lines(&["again"]), true));
    stage
        .server
        .change("/api/v1/namespaces/pathology/pods/train-head-1", |pod| pod["status"]["phase"] = json!("Failed"));
    stage
        .server
        .change("/api/v1/namespaces/pathology/pods/train-head-2", |pod| pod["status"]["phase"] = json!("Succeeded"));
    stage.server.log("train-head-1", |log| log.lines.push("c".into()));
    stage.server.log("train-head-1", |log| log.has_ended = true);
    stage.server.change(&format!("{JOBS}/train"), |job| job["status"] = ended(0, 2));
    let run = finish(child).await;
    stage.nothing_was_refused();
    assert_eq!((run.code, run.out.as_str()), (Some(0), "a\nb\nc\nagain\n"), "{run:?}");
}

#[tokio::test]
async fn a_lost_connection_loses_and_repeats_no_line() {
    let stage = stage().await;
    stage.server.log("train-head-1", |log| {
        log.lines = lines(&["a", "b", "c"]);
        (log.breaks_after, log.has_ended) = (Some(2), true);
    });
    let child = stage.spawn(&["logs", "train", "-f"]);
    stage.server.until_asked("sinceTime=2026-03-02T12%3A06%3A01Z").await;
    stage
        .server
        .change("/api/v1/namespaces/pathology/pods/train-head-1", |pod| pod["status"]["phase"] = json!("Succeeded"));
    stage.server.change(&format!("{JOBS}/train"), |job| job["status"] = ended(0, 1));
    let run = finish(child).await;
    assert_eq!(run.out, "a\nb\nc\n", "{run:?}");
}

#[tokio::test]
async fn on_a_standing_cluster_the_log_ends_with_the_job() {
    let stage = Stage::researcher().await;
    let mut train = job("train", 1);
    train["spec"].as_object_mut().unwrap().remove("clusterSpec");
    train["spec"]["clusterName"] = json!("bench");
    train["status"] = running();
    train["status"]["clusterAttempt"] = json!(3);
    train["status"]["startTime"] = json!("2026-03-02T12:06:01Z");
    stage.server.put(train);
    stage.server.put(pod("bench-head-3", "bench", "head"));
    stage.server.log("bench-head-3", |log| log.lines = lines(&["another job's", "mine"]));
    let child = stage.spawn(&["logs", "train", "-f"]);
    stage.server.until_asked("bench-head-3/log").await;
    stage.server.change(&format!("{JOBS}/train"), |job| job["status"] = ended(0, 1));
    let run = finish(child).await;
    assert_eq!((run.code, run.out.as_str()), (Some(0), "mine\n"), "{run:?}");
}

#[tokio::test]
async fn workers_are_told_apart() {
    let stage = stage().await;
    for name in ["train-worker-a", "train-worker-b"] {
        stage.server.put(pod(name, "train", "worker"));
        stage.server.log(name, |log| log.lines = lines(&["cuts"]));
    }
    stage.server.put(pod("other-worker-c", "other", "worker"));
    let run = stage.done(&["logs", "train", "--worker"]).await;
    assert_eq!(run.out, "[train-worker-a] cuts\n[train-worker-b] cuts\n");
    assert_eq!(stage.done(&["logs", "train", "--worker=train-worker-b"]).await.out, "cuts\n");
}

#[tokio::test]
async fn of_a_pod_that_is_gone_the_last_words_are_left() {
    let stage = Stage::researcher().await;
    let mut train = job("train", 1);
    train["status"] = ended(3, 1);
    stage.server.put(train);
    let run = stage.done(&["logs", "train"]).await;
    assert_eq!(run.out, "exit code 3: boom\n");
    assert!(run.err.contains("the pod train-head-1 is gone"), "{run:?}");
}

#[tokio::test]
async fn ctrl_c_leaves_a_followed_job_running() {
    let stage = stage().await;
    let child = stage.spawn(&["logs", "train", "-f"]);
    stage.server.until_asked("train-head-1/log").await;
    interrupt(&child);
    let run = finish(child).await;
    assert_eq!(run.code, Some(130));
    assert!(run.err.contains("patchjob/train goes on; kubectl microtome logs train -f"), "{run:?}");
}

#[tokio::test]
async fn a_job_that_has_not_begun_says_what_to_do() {
    let stage = Stage::researcher().await;
    stage.server.put(job("train", 1));
    let run = stage.run(&["logs", "train"]).await;
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("has not been started yet: `kubectl microtome explain train` says why"), "{run:?}");
}
