//! attach.

use serde_json::json;

use crate::exec::Command;
use crate::objects::{cluster, job, running};
use crate::stage::Stage;

async fn stage() -> Stage {
    let stage = Stage::researcher().await;
    let mut train = job("train", 1);
    train["status"] = running();
    stage.server.put(train);
    stage.server.put(cluster("train"));
    stage
}

#[tokio::test]
async fn a_command_runs_in_the_head_and_its_code_is_ours() {
    let stage = stage().await;
    let command = Command { stdout: "out\n".into(), stderr: "err\n".into(), exit_code: 7, ..Command::default() };
    let started = command.started.clone();
    stage.server.lock().command = command;
    let run = stage.run(&["attach", "train", "--", "nvidia-smi", "-L"]).await;
    stage.nothing_was_refused();
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (Some(7), "out\n", "err\n"));
    let query = started.lock().unwrap().clone().unwrap();
    let words: Vec<_> = query.split('&').filter_map(|pair| pair.strip_prefix("command=")).collect();
    assert_eq!(words, ["%2Fopt%2Fmicrotome%2Fmicrotome", "shell", "--", "nvidia-smi", "-L"]);
    let asked = stage.server.lock().requests.clone();
    assert!(asked.iter().any(|request| request.contains("/pods/train-head-1/exec?")), "{asked:?}");
}

#[tokio::test]
async fn a_job_on_a_standing_cluster_has_that_ones_head() {
    let stage = Stage::researcher().await;
    let mut train = job("train", 1);
    train["spec"].as_object_mut().unwrap().remove("clusterSpec");
    train["spec"]["clusterName"] = json!("bench");
    stage.server.put(train);
    stage.server.put(cluster("bench"));
    stage.done(&["attach", "train", "--", "true"]).await;
    stage.server.change("/apis/microtome.dev/v1alpha1/namespaces/pathology/patchclusters/bench", |cluster| {
        cluster["status"]["head"]["ended"] = json!("Failed");
    });
    let run = stage.run(&["attach", "bench"]).await;
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("bench has no head that runs"), "{run:?}");
}
