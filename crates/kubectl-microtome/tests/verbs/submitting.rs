//! submit, render, init.

use serde_json::{Value, json};

use crate::objects::{JOBS, condition, ended, job, pod, running};
use crate::stage::{Stage, finish, interrupt};

const CONFIG_MAPS: &str = "/api/v1/namespaces/pathology/configmaps/";

fn sample(stage: &Stage) -> String {
    stage.file("patchjob.yaml", include_str!("../../../../config/samples/patchjob.yaml"))
}

/// Lets the operator answer a job that is made.
async fn answer(stage: &Stage, name: &str, status: Value) {
    let path = format!("{JOBS}/{name}");
    stage.server.until(|state| state.objects.contains_key(&path)).await;
    stage.server.change(&path, |job| job["status"] = status);
}

#[tokio::test]
async fn a_job_is_made_from_a_file_and_its_place_is_told() {
    let stage = Stage::researcher().await;
    let file = sample(&stage);
    let child = stage.spawn(&["submit", "-f", &file, "--name", "mine"]);
    answer(&stage, "mine", job("mine", 1)["status"].clone()).await;
    let run = finish(child).await;
    stage.nothing_was_refused();
    assert_eq!(run.out, "patchjob/mine created · team pathology · 1st in the queue (cpu: 8 short)\n", "{run:?}");
    let made = stage.server.lock().objects[&format!("{JOBS}/mine")].clone();
    assert_eq!(made["spec"]["datasets"][0]["slides"]["manifest"]["url"], "az://slides/train.csv");
}

#[tokio::test]
async fn code_is_brought_along_in_a_config_map_that_goes_with_the_job() {
    let stage = Stage::researcher().await;
    stage.file("mymodule/__init__.py", "");
    stage.file("mymodule/__main__.py", "print(1)");
    let module = stage.folder.path().join("mymodule");
    let line = [
        "submit",
        "--name",
        "a",
        "--image",
        "i",
        "--slides",
        "az://slides/x/",
        "--package",
        module.to_str().unwrap(),
        "-o",
        "name",
        "--",
        "python",
        "-m",
        "mymodule",
    ];
    assert_eq!(stage.done(&line).await.out, "patchjob.microtome.dev/a\n");
    let state = stage.server.lock();
    let job = &state.objects[&format!("{JOBS}/a")];
    let name = job["spec"]["package"]["configMapName"].as_str().unwrap();
    let map = &state.objects[&format!("{CONFIG_MAPS}{name}")];
    assert_eq!(map["metadata"]["ownerReferences"][0]["uid"], job["metadata"]["uid"]);
    assert_eq!(map["immutable"], true);
    assert_eq!(job["spec"]["command"], json!(["python", "-m", "mymodule"]));
}

#[tokio::test]
async fn a_job_whose_code_is_not_taken_is_taken_back() {
    // Somebody whose role is older than the plugin.
    let stage = Stage::researcher().await;
    for rule in stage.server.lock().roles.get_mut("microtome-researcher").unwrap() {
        rule.forget("configmaps");
    }
    stage.file("m.py", "");
    let module = stage.folder.path().join("m.py");
    let file = sample(&stage);
    let run = stage.run(&["submit", "-f", &file, "--package", module.to_str().unwrap()]).await;
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("patchjob/tumour-detector was taken back"), "{run:?}");
    assert!(run.err.contains("no right to create configmaps in namespace \"pathology\""), "{run:?}");
    assert!(stage.server.lock().objects.is_empty());
}

#[tokio::test]
async fn waiting_prints_the_log_and_ends_with_the_programs_code() {
    let stage = Stage::researcher().await;
    let child = stage.spawn(&["submit", "-f", &sample(&stage), "--name", "a", "--wait"]);
    answer(&stage, "a", job("a", 1)["status"].clone()).await;
    stage.server.put(pod("a-head-1", "a", "head"));
    stage.server.log("a-head-1", |log| log.lines = vec!["epoch 1".into()]);
    stage.server.change(&format!("{JOBS}/a"), |job| job["status"] = running());
    stage.server.until_asked("a-head-1/log").await;
    stage.server.change("/api/v1/namespaces/pathology/pods/a-head-1", |pod| pod["status"]["phase"] = json!("Failed"));
    stage.server.log("a-head-1", |log| {
        log.lines.push("boom".into());
        log.has_ended = true;
    });
    stage.server.change(&format!("{JOBS}/a"), |job| job["status"] = ended(3, 1));
    let run = finish(child).await;
    stage.nothing_was_refused();
    assert_eq!((run.code, run.out.as_str()), (Some(3), "epoch 1\nboom\n"), "{run:?}");
    assert!(run.err.contains("patchjob/a created") && run.err.contains("a: Failed"), "{run:?}");
}

#[tokio::test]
async fn a_job_that_fails_without_a_program_ends_with_1() {
    let stage = Stage::researcher().await;
    let child = stage.spawn(&["submit", "-f", &sample(&stage), "--name", "a", "--wait"]);
    let failed = json!({"conditions": [condition("Ready", "Failed", "False", "it ran long"), condition("Failed", "DeadlineExceeded", "True", "")]});
    answer(&stage, "a", failed).await;
    let run = finish(child).await;
    assert_eq!(run.code, Some(1), "{run:?}");
}

#[tokio::test]
async fn ctrl_c_leaves_a_submitted_job_running() {
    let stage = Stage::researcher().await;
    let child = stage.spawn(&["submit", "-f", &sample(&stage), "--name", "a", "--wait"]);
    answer(&stage, "a", running()).await;
    stage.server.put(pod("a-head-1", "a", "head"));
    stage.server.log("a-head-1", |log| log.lines = vec!["epoch 1".into()]);
    stage.server.until_asked("a-head-1/log").await;
    interrupt(&child);
    let run = finish(child).await;
    assert_eq!(run.code, Some(130));
    assert!(run.err.contains("patchjob/a goes on; kubectl microtome logs a -f"), "{run:?}");
    assert!(stage.server.lock().objects.contains_key(&format!("{JOBS}/a")));
}

#[tokio::test]
async fn ctrl_c_before_the_queue_has_answered_leaves_the_job_too() {
    let stage = Stage::researcher().await;
    let child = stage.spawn(&["submit", "-f", &sample(&stage), "--name", "a"]);
    stage.server.until_asked("watch=true").await;
    interrupt(&child);
    let run = finish(child).await;
    assert_eq!(run.code, Some(130));
    assert!(run.err.contains("patchjob/a goes on"), "{run:?}");
    assert!(stage.server.lock().objects.contains_key(&format!("{JOBS}/a")));
}

#[tokio::test]
async fn a_dry_run_makes_nothing() {
    let stage = Stage::researcher().await;
    stage.file("m.py", "");
    let module = stage.folder.path().join("m.py");
    let file = sample(&stage);
    let line = ["submit", "-f", &file, "--package", module.to_str().unwrap(), "--dry-run"];
    let server = stage.done(&[&line[..], &["server"]].concat()).await;
    assert_eq!(server.out, "patchjob/tumour-detector created (server dry run)\n");
    let asked = stage.server.lock().requests.clone();
    assert!(asked.len() == 2 && asked.iter().all(|request| request.contains("dryRun=All")), "{asked:?}");
    let client = stage.done(&[&line[..], &["client", "-o", "json"]].concat()).await;
    let made: Value = serde_json::from_str(&client.out).unwrap();
    assert!(made["spec"]["package"]["configMapName"].is_string());
    assert_eq!(stage.server.lock().requests.len(), 2, "nothing more was asked");
    assert!(stage.server.lock().objects.is_empty());
}

#[tokio::test]
async fn what_would_be_made_needs_no_cluster() {
    let stage = Stage::researcher().await;
    stage.file("m.py", "");
    let (module, tar) = (stage.folder.path().join("m.py"), stage.folder.path().join("m.tar"));
    let file = sample(&stage);
    let line = ["render", "-f", &file, "--package", module.to_str().unwrap(), "--package-file", tar.to_str().unwrap()];
    let rendered = stage.done(&line).await.out;
    let kinds: Vec<_> = rendered.lines().filter_map(|line| line.strip_prefix("kind: ")).collect();
    assert_eq!(kinds, ["ConfigMap", "PatchJob"]);
    assert!(rendered.contains("#   Pod tumour-detector-head-1: "), "{rendered}");
    assert!(std::fs::metadata(tar).unwrap().len() > 0);
    assert!(stage.server.lock().requests.is_empty());
}

#[tokio::test]
async fn a_first_file_is_written_and_can_be_submitted() {
    let stage = Stage::researcher().await;
    let path = stage.folder.path().join("patchjob.yaml");
    let path = path.to_str().unwrap();
    let run = stage.done(&["init", "az://slides/tcga/", "--file", path]).await;
    assert!(run.err.contains("next: kubectl microtome submit -f "), "{run:?}");
    assert_eq!(
        stage.done(&["submit", "-f", path, "--dry-run", "client", "-o", "name"]).await.out,
        "patchjob.microtome.dev/tcga\n"
    );
    let again = stage.run(&["init", "az://slides/tcga/", "--file", path]).await;
    assert_eq!(again.code, Some(1), "a file that is there stays");
}
