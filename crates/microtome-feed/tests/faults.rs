//! Storage that misbehaves, and jobs that are wrong, through the real program: what is survived is survived unchanged, what
//! is not is said in a line that tells what to do, and leaves nothing half-written.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

#[allow(dead_code, unreachable_pub, reason = "shared with the reader's tests, which use all of it")]
#[path = "../../microtome-slide/tests/support/server.rs"]
mod server;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use server::{Fault, Server};
use tempfile::TempDir;

const MICROTOME: &str = env!("CARGO_BIN_EXE_microtome");
const SLIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/slides/CMU-1-Small-Region.svs");

/// A job of 200 patches of one slide, and a place for what comes of it.
struct Stage {
    directory: TempDir,
    job: Value,
}

impl Stage {
    fn new(url: &str) -> Self {
        let job = json!({
            "apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob", "metadata": {"name": "test"},
            "spec": {
                "activeDeadlineSeconds": 60,
                "datasets": [{
                    "name": "train", "slides": {"list": [{"url": url}]},
                    "views": [{"name": "image", "size": 256, "level": 0}],
                    "sampling": {"random": {"perSlide": 200}}, "batchSize": 16,
                }],
                "output": {"url": "shards", "format": "WebDataset"},
                "clusterSpec": {
                    "profileName": "default", "head": {"image": "i", "resources": {"limits": {}}},
                    "workers": {"minReplicas": 1, "maxReplicas": 1, "resources": {"limits": {}}},
                },
            },
        });
        Self { directory: tempfile::tempdir().unwrap(), job }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs it beside the runtime, on which a server may be.
    async fn run(&self) -> Output {
        fs::write(self.path("job.json"), self.job.to_string()).unwrap();
        let mut run = Command::new(MICROTOME);
        run.args(["run", "-o", "json", "--workers", "2", "--out"]).arg(self.path("out")).arg(self.path("job.json"));
        // No key of the machine's own, and nobody who is asked for one.
        run.env_clear();
        tokio::task::spawn_blocking(move || run.output().unwrap()).await.unwrap()
    }

    /// The summary of a run that ends well.
    async fn summary(&self) -> Value {
        let output = self.run().await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What a run says that ends badly; nothing of it is left.
    async fn refusal(&self) -> String {
        let output = self.run().await;
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(!self.path("out").exists() && !self.path("shards").exists(), "something is left: {told}");
        told
    }
}

async fn served() -> (Server, Stage) {
    let server = Server::start().await;
    server.put("a.svs", fs::read(SLIDE).unwrap());
    let stage = Stage::new(&format!("{}/data/a.svs", server.url));
    (server, stage)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_refusals_and_a_stalled_connection_change_nothing() {
    let (server, stage) = served().await;
    let calm = stage.summary().await["stream_digest"].clone();
    let (server_in_a_storm, stage) = served().await;
    let busy = |status| Fault::Status(status, None);
    let storm = [busy(503), Fault::Status(429, Some(1)), Fault::Pass, Fault::Stall, busy(500), Fault::Pass, Fault::Cut];
    server_in_a_storm.script(storm.into_iter().cycle().take(21));
    let quiet = server.requests();
    assert_eq!(stage.summary().await["stream_digest"], calm);
    assert!(server_in_a_storm.requests() > quiet, "the storm was not met");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slide_that_is_replaced_meanwhile_ends_the_job_with_both_versions() {
    let (server, stage) = served().await;
    // Selecting takes the first requests; from the sixth on patches are read.
    let mut script = vec![Fault::Pass; 5];
    script.push(Fault::Replace);
    server.script(script);
    let output = stage.run().await;
    let told = String::from_utf8(output.stderr).unwrap();
    let wanted = r#"a.svs has changed since it was pinned: ETag "version-1" became "version-2""#;
    assert!(output.status.code() == Some(1) && told.contains(wanted), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_job_is_said_in_a_line_that_helps() {
    let (server, _) = served().await;
    let denied = format!("{}/data/a.svs", server.url);
    let rows: [(&str, &str, Value, &str); 7] = [
        ("/sampling", SLIDE, json!({"grid": {"strid": 256}}), "spec.datasets[0].sampling.grid: unknown field `strid`"),
        ("/views/0/size", SLIDE, json!(0), "spec.datasets[0].views[0].size: must be at least 1"),
        ("/views/0/size", SLIDE, json!(8192), "raise --memory"),
        (
            "/batchSize",
            "az://slides/a.svs",
            json!(1),
            "account, endpoint and keys are taken from the variables AZURE_*",
        ),
        ("/batchSize", &denied, json!(1), "not allowed to read http://127.0.0.1"),
        (
            "/batchSize",
            "ftp://host/a.svs",
            json!(1),
            "no store for scheme \"ftp\"; known are local paths, file, az, s3, gs",
        ),
        ("/batchSize", "/nowhere/a.svs", json!(1), "/nowhere/a.svs does not exist"),
    ];
    for (field, url, value, wanted) in rows {
        server.script([Fault::Status(403, None); 4]);
        let mut stage = Stage::new(url);
        let dataset = &mut stage.job["spec"]["datasets"][0];
        match dataset.pointer_mut(field) {
            Some(old) => *old = value,
            None => panic!("no field {field}"),
        }
        let told = stage.refusal().await;
        assert!(told.starts_with("microtome: ") && told.contains(wanted), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_that_no_slide_holds_is_refused() {
    let mut stage = Stage::new(SLIDE);
    stage.job["spec"]["datasets"][0]["views"][0]["size"] = json!(2500);
    stage.job["spec"]["datasets"][0]["batchSize"] = json!(1);
    stage.job["spec"]["datasets"][0]["order"] = json!("Sequential");
    let told = stage.refusal().await;
    assert!(told.contains("gives no patch on any of 1 slides"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slide_that_is_none_is_left_out_or_ends_the_job() {
    let broken = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let mut stage = Stage::new(SLIDE);
    stage.job["spec"]["datasets"][0]["slides"]["list"] = json!([{"url": broken}, {"url": SLIDE}]);
    stage.job["spec"]["datasets"][0]["onError"] = json!("Fail");
    let told = stage.refusal().await;
    assert!(told.contains("Cargo.toml: no TIFF header"), "{told}");
    stage.job["spec"]["datasets"][0]["onError"] = json!("Quarantine");
    let summary = stage.summary().await;
    assert_eq!((summary["slides_ok"].as_u64(), summary["slides_quarantined"].as_u64()), (Some(1), Some(1)));
    assert!(summary["quarantined"][0]["reason"].as_str().unwrap().contains("Cargo.toml: no TIFF header"), "{summary}");
}
