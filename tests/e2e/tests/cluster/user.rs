//! What a user meets: the samples, the plugin.

use std::process::Command;

use microtome_api::{PatchJob, condition};
use microtome_e2e::job::{Wish, is, job};
use microtome_e2e::stage::{Stage, variable};
use serde_json::json;

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn the_samples_are_taken_as_they_are() {
    let samples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/samples");
    let kubectl = variable("KUBECTL");
    run(&kubectl, &["create", "namespace", "pathology"]);
    let dry = ["apply", "--dry-run=server", "--validate=strict", "-f"];
    for sample in ["platform.yaml", "patchjob.yaml", "extract.yaml", "patchcluster.yaml"] {
        run(&kubectl, &[&dry[..], &[&format!("{samples}/{sample}")]].concat());
    }
}

#[tokio::test]
async fn the_plugin_says_how_a_job_ended() {
    let stage = Stage::new("plugin", json!({})).await;
    stage.create::<PatchJob>(job(&stage, "train", Wish::default())).await;
    stage.job("train", "complete", |job| is(job, condition::COMPLETE)).await;
    let plugin = variable("KUBECTL_MICROTOME");
    let screen = run(&plugin, &["status", "train", "-n", &stage.name]);
    println!("{screen}");
    assert!(screen.starts_with("train") && screen.contains("Complete"), "{screen}");
    let table = run(&plugin, &["status", "-n", &stage.name]);
    assert!(table.contains("train") && table.contains("100%"), "{table}");
    let missing = Command::new(&plugin).args(["status", "nothing", "-n", &stage.name]).output().unwrap();
    let said = String::from_utf8(missing.stderr).unwrap();
    assert!(missing.status.code() == Some(1) && said.contains("nothing"), "{said}");
}
