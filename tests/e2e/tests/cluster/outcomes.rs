//! What jobs are for: a program that imports `microtome` from an image that has nothing of ours, goes on from its checkpoint, brings
//! its own module; and patches stored without any program.

use std::process::Command;

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::LogParams;
use microtome_api::{PatchJob, condition, names};
use microtome_e2e::job::{Wish, embedded, is, job, last_json, state};
use microtome_e2e::stage::Stage;
use serde_json::json;

const TRAIN: &str = include_str!("../../../programs/train_numpy.py");
const EMBED: &str = include_str!("../../../programs/embed_numpy.py");

async fn log(stage: &Stage, attempt: i32) -> String {
    stage.api::<Pod>().logs(&names::head_pod("train", attempt), &LogParams::default()).await.unwrap()
}

#[tokio::test]
async fn a_program_goes_on_from_its_checkpoint_in_the_next_attempt() {
    let stage = Stage::new("resumed", json!({})).await;
    let mut object = job(&stage, "train", Wish { patches: 320, ..Wish::default() });
    object["spec"]["command"] = json!(["python3", "-c", TRAIN, "7"]);
    object["spec"]["backoffLimit"] = json!(1);
    object["spec"]["checkpoints"] = json!({"url": "az://results/e2e-resumed/"});
    stage.create::<PatchJob>(object).await;
    let done = stage.job("train", "over", |job| is(job, condition::COMPLETE) || is(job, condition::FAILED)).await;
    assert!(is(&done, condition::COMPLETE), "{:?}\n{}", state(&done), log(&stage, 1).await);
    assert_eq!(done.status.unwrap().failures, 1);
    let said = last_json(&log(&stage, 2).await);
    assert_eq!(said, json!({"patches": 320, "most": 1, "attempts": 2}), "every patch once, over both attempts");
}

#[tokio::test]
async fn a_module_that_is_in_no_image_is_brought_along() {
    let stage = Stage::new("module", json!({})).await;
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("mymodule")).unwrap();
    std::fs::write(directory.path().join("mymodule/__main__.py"), TRAIN).unwrap();
    let tar =
        Command::new("tar").arg("-C").arg(directory.path()).args(["-cf", "-", "mymodule"]).output().unwrap().stdout;
    let code = json!({"metadata": {"name": "code"}, "binaryData": {"package.tar": microtome_e2e::base64(&tar)}});
    stage.create::<ConfigMap>(code).await;
    let mut object = job(&stage, "train", Wish::default());
    object["spec"]["command"] = json!(["python3", "-m", "mymodule", "0"]);
    object["spec"]["package"] = json!({"sha256": microtome_e2e::sha256(&tar), "configMapName": "code"});
    object["spec"]["env"] = json!([{"name": "AS_WRITTEN", "value": "$(HOME)"}]);
    stage.create::<PatchJob>(object).await;
    let done = stage.job("train", "over", |job| is(job, condition::COMPLETE) || is(job, condition::FAILED)).await;
    assert!(is(&done, condition::COMPLETE), "{:?}\n{}", state(&done), log(&stage, 1).await);
    assert_eq!(last_json(&log(&stage, 1).await), json!({"patches": 64, "most": 1, "attempts": 1}));
}

#[tokio::test]
async fn without_a_program_patches_are_stored_and_the_stream_is_the_embedded_runs() {
    let stage = Stage::new("stored", json!({})).await;
    let mut object = job(&stage, "tiles", Wish::default());
    object["spec"].as_object_mut().unwrap().remove("command");
    object["spec"]["clusterSpec"]["head"].as_object_mut().unwrap().remove("image");
    object["spec"]["output"] = json!({"url": "az://results/e2e-stored/", "format": "WebDataset"});
    stage.create::<PatchJob>(object.clone()).await;
    let done = stage.job("tiles", "over", |job| is(job, condition::COMPLETE) || is(job, condition::FAILED)).await;
    assert!(is(&done, condition::COMPLETE), "{:?}", state(&done));
    let listed = Command::new("../cluster/blob").args(["ls", "results"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("e2e-stored/train-000000.tar"), "{listed}");
    let directory = tempfile::tempdir().unwrap();
    object["spec"]["output"]["url"] = json!(directory.path());
    let run = embedded(&object);
    assert_eq!(done.status.unwrap().stream_digest.as_deref(), run["stream_digest"].as_str());
}

#[tokio::test]
async fn features_of_a_slide_are_written_once_and_a_second_run_reads_nothing() {
    let stage = Stage::new("embedded", json!({})).await;
    let mut object = job(&stage, "train", Wish::default());
    object["spec"]["command"] = json!(["python3", "-c", EMBED]);
    object["spec"]["output"] = json!({"url": "az://results/e2e-embedded/", "format": "WebDataset"});
    let dataset = &mut object["spec"]["datasets"][0];
    (dataset["order"], dataset["sampling"]) = (json!("BySlide"), json!({"grid": {"stride": 256, "edge": "Drop"}}));
    for (name, slides) in [("train", 1), ("again", 0)] {
        object["metadata"]["name"] = json!(name);
        stage.create::<PatchJob>(object.clone()).await;
        let done = stage.job(name, "over", |job| is(job, condition::COMPLETE) || is(job, condition::FAILED)).await;
        assert!(is(&done, condition::COMPLETE), "{:?}", state(&done));
        let said = last_json(&stage.log(name).await);
        assert_eq!(said, json!({"patches": slides * 88, "slides": slides}), "{name}");
    }
}
