//! What users do wrong, and what kubectl tells them.

use std::io::Write;
use std::process::{Command, Stdio};

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams};
use microtome_api::{PatchJob, condition};
use microtome_e2e::job::{Wish, is, job, state};
use microtome_e2e::stage::{Stage, variable};
use serde_json::{Value, json};

const SLIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../slides/CMU-1-Small-Region.svs");

/// What kubectl says to a file, and whether it took it.
fn apply(object: &Value) -> (bool, String) {
    let mut kubectl = Command::new(variable("KUBECTL"));
    let mut kubectl = kubectl.args(["apply", "-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    kubectl.stdin.take().unwrap().write_all(object.to_string().as_bytes()).unwrap();
    let output = kubectl.wait_with_output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

fn upload(name: &str, bytes: &[u8]) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let put = Command::new("../cluster/blob").args(["put", "slides", name]).arg(file.path()).output().unwrap();
    assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));
}

/// What became of a job in the end, and what is said of it.
async fn end(stage: &Stage, name: &str) -> (PatchJob, String) {
    let over =
        |job: &PatchJob| is(job, condition::COMPLETE) || is(job, condition::FAILED) || is(job, condition::STALLED);
    let job = stage.job(name, "over", over).await;
    let said = format!("{} {}", state(&job).0, state(&job).1);
    (job, said)
}

#[tokio::test]
async fn kubectl_names_the_field() {
    let stage = Stage::without_team("field").await;
    let mut object = job(&stage, "train", Wish::default());
    object["spec"]["datasets"][0]["views"][0]["mpp"] = json!(0.5);
    let (taken, said) = apply(&object);
    assert!(
        !taken && said.contains("spec.datasets[0].views[0]") && said.contains("give level or mpp, not both"),
        "{said}"
    );
    let mut object = job(&stage, "train", Wish::default());
    object["spec"]["datasets"][0]["batchsize"] = json!(16);
    let (taken, said) = apply(&object);
    let mut negative = job(&stage, "train", Wish::default());
    negative["spec"]["clusterSpec"]["head"]["resources"]["limits"]["cpu"] = json!(-1);
    let refused = apply(&negative).1;
    assert!(refused.contains("spec.clusterSpec.head.resources.limits.cpu"), "{refused}");
    assert!(!taken && said.contains("unknown field \"spec.datasets[0].batchsize\""), "{said}");
}

#[tokio::test]
async fn a_slide_that_is_none_is_left_out_and_named_with_its_reason() {
    let stage = Stage::new("quarantine", json!({})).await;
    let whole = std::fs::read(SLIDE).unwrap();
    upload("truncated.svs", &whole[..whole.len() / 2]);
    upload("text.svs", b"this is no slide");
    let mut object = job(&stage, "train", Wish::default());
    object["spec"]["datasets"][0]["slides"]["list"] = json!([
        {"url": "az://slides/truncated.svs"}, {"url": "az://slides/CMU-1-Small-Region.svs"}, {"url": "az://slides/text.svs"},
        {"url": "az://slides/missing.svs"},
    ]);
    object["spec"]["datasets"][0]["onError"] = json!("Quarantine");
    stage.create::<PatchJob>(object.clone()).await;
    let (job, said) = end(&stage, "train").await;
    assert!(is(&job, condition::COMPLETE), "{said}");
    let progress = job.status.unwrap().progress.unwrap();
    assert_eq!((progress.slides, progress.slides_quarantined), (1, 3), "{:#?}", progress.quarantined);
    for (file, reason) in [("truncated.svs", "byte"), ("text.svs", "no TIFF header"), ("missing.svs", "NotFound")] {
        let line = progress.quarantined.iter().find(|line| line.contains(file));
        assert!(line.is_some_and(|line| line.contains(reason)), "{file}: {:#?}", progress.quarantined);
    }
    // Or the job stops, and says the same.
    (object["metadata"]["name"], object["spec"]["datasets"][0]["onError"]) = (json!("strict"), json!("Fail"));
    stage.create::<PatchJob>(object).await;
    let (job, said) = end(&stage, "strict").await;
    assert!(is(&job, condition::FAILED) && said.contains("az://slides/"), "{said}");
}

#[tokio::test]
async fn storage_that_refuses_is_said_at_once() {
    let stage = Stage::new("denied", json!({})).await;
    let wrong = json!({"stringData": {"AZURE_STORAGE_ACCOUNT_KEY": "bm90IHRoZSBrZXk="}});
    stage.api::<Secret>().patch("storage", &PatchParams::default(), &Patch::Merge(wrong)).await.unwrap();
    stage.create::<PatchJob>(job(&stage, "train", Wish::default())).await;
    let (_, said) = end(&stage, "train").await;
    assert!(said.starts_with("StorageDenied") && said.contains("403") && said.contains("az://slides/"), "{said}");
    assert!(!said.contains("bm90"), "{said}");
}

#[tokio::test]
async fn a_budget_that_cannot_hold_the_shuffle_is_refused_with_what_it_needs() {
    let stage = Stage::new("budget", json!({})).await;
    let mut object = job(&stage, "train", Wish::default());
    object["spec"]["datasets"][0]["views"][0]["size"] = json!(2048);
    object["spec"]["datasets"][0]["batchSize"] = json!(512);
    stage.create::<PatchJob>(object).await;
    let (job, said) = end(&stage, "train").await;
    assert!(
        is(&job, condition::FAILED)
            && said.contains("need 7680 MiB, the budget is 128 MiB")
            && said.contains("batchSize"),
        "{said}"
    );
}

#[tokio::test]
async fn the_last_words_of_a_program_that_fails_are_in_the_message() {
    let stage = Stage::new("words", json!({})).await;
    let mut object = job(&stage, "train", Wish::default());
    object["spec"]["command"] = json!(["sh", "-c", "echo ValueError: no such optimizer >&2; exit 3"]);
    stage.create::<PatchJob>(object).await;
    let (job, said) = end(&stage, "train").await;
    assert_eq!(job.status.unwrap().exit_code, Some(3));
    assert!(said.contains("exit code 3") && said.contains("ValueError: no such optimizer"), "{said}");
}
