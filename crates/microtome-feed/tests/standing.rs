//! A standing head and its worker as processes, and an operator that gives them one job after another.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

mod operator;
mod process;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use microtome_feed::wire::control::Desired;
use operator::{Operator, write_certificates};
use process::Process;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

const MICROTOME: &str = env!("CARGO_BIN_EXE_microtome");
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests");

struct Stage {
    directory: TempDir,
    operator: Operator,
    head: Process,
    output: BufReader<ChildStdout>,
    worker: Process,
}

impl Stage {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        write_certificates(directory.path());
        let token = directory.path().join("token");
        fs::write(&token, "secret\n").unwrap();
        let operator = Operator::start(directory.path()).await;
        // Free now, and nobody else binds to ports of this kind in between.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut head = Command::new(MICROTOME)
            .args(["head", "--standing", "--memory", "64Mi", "--listen", &format!("127.0.0.1:{port}")])
            .args(["--control", &operator.address, "--control-token"])
            .arg(&token)
            .arg("--tls")
            .arg(directory.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(head.stdout.take().unwrap());
        let address = format!("https://localhost:{port}");
        let worker = Command::new(MICROTOME)
            .args(["worker", "--threads", "1", "--head", &address, "--tls"])
            .arg(directory.path())
            .spawn()
            .unwrap();
        Self { directory, operator, head: Process(head), output, worker: Process(worker) }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    /// The next line that a program wrote.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

fn job(command: &[&str], patches: u32) -> serde_json::Value {
    json!({
        "apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob", "metadata": {"name": "test"},
        "spec": {
            "command": command, "activeDeadlineSeconds": 60,
            "datasets": [{
                "name": "train", "slides": {"list": [{"url": format!("{TESTS}/slides/CMU-1-Small-Region.svs")}]},
                "views": [{"name": "image", "size": 256, "level": 0}],
                "sampling": {"random": {"perSlide": patches}}, "batchSize": 16,
            }],
            "clusterSpec": {
                "profileName": "default", "head": {"image": "i", "resources": {"limits": {}}},
                "workers": {"minReplicas": 1, "maxReplicas": 1, "resources": {"limits": {}}},
            },
        },
    })
}

fn desired(job_uid: &str, job: &serde_json::Value) -> Desired {
    let job = job.to_string().into_bytes().into();
    Desired { job_uid: job_uid.to_owned(), attempt: 1, job, ..Desired::default() }
}

fn program() -> String {
    Path::new(TESTS).join("programs/read_stream.py").to_str().unwrap().to_owned()
}

/// What `microtome run` says of the same job.
fn digest(directory: &Path, job: &serde_json::Value) -> String {
    let path: PathBuf = directory.join("job.json");
    fs::write(&path, job.to_string()).unwrap();
    let out = directory.join("out");
    let output =
        Command::new(MICROTOME).args(["run", "-o", "json", "--out"]).arg(out).arg(&path).output().unwrap().stdout;
    let account: serde_json::Value = serde_json::from_slice(&output).unwrap();
    account["stream_digest"].as_str().unwrap().to_owned()
}

fn is_there(process: &str) -> bool {
    Path::new("/proc").join(process).exists()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_job_after_another_runs_to_its_end_with_the_same_workers() {
    let mut stage = Stage::new().await;
    let first = job(&["python3", &program()], 300);
    stage.operator.desire(desired("a", &first));
    let result = stage.operator.result().await;
    let whole = digest(stage.directory.path(), &first);
    assert_eq!((result.job_uid.as_str(), result.attempt, result.exit_code), ("a", 1, 0));
    assert_eq!(result.stream_digest, whole);
    assert!(result.output.contains(&whole), "the last lines are the program's: {}", result.output);
    assert!(stage.line().starts_with("first batch at "), "and its log is the pod's");
    stage.operator.acknowledge("a");
    let words =
        "test \"$MICROTOME_JOB_UID $MICROTOME_ATTEMPT $WORD\" = 'b 1 hello' || exit 9; echo no luck >&2; exit 3";
    let environment = [("WORD".to_owned(), "hello".to_owned())].into();
    stage.operator.desire(Desired { environment, ..desired("b", &job(&["sh", "-c", words], 20)) });
    let result = loop {
        let result = stage.operator.result().await;
        if result.job_uid != "a" {
            break result;
        }
    };
    assert_eq!((result.job_uid.as_str(), result.exit_code, result.output.as_str()), ("b", 3, "no luck"));
    stage.operator.acknowledge("b");
    let mut again = first;
    again["spec"]["datasets"][0]["seed"] = json!(5);
    stage.operator.desire(desired("c", &again));
    let result = loop {
        let result = stage.operator.result().await;
        if result.job_uid == "c" {
            break result;
        }
    };
    assert_eq!(result.stream_digest, digest(stage.directory.path(), &again));
    assert!(stage.worker.0.try_wait().unwrap().is_none(), "the worker stays");
    kill_process(Pid::from_child(&stage.head.0), Signal::TERM).unwrap();
    assert!(stage.head.0.wait().unwrap().success(), "a head that is told to end ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_longer_desired_is_ended_and_leaves_no_process() {
    let mut stage = Stage::new().await;
    let sleeps = job(&["sh", "-c", "sleep 1000 & a=$!; setsid sleep 1000 & echo $$ $a $!; wait"], 20);
    stage.operator.desire(desired("a", &sleeps));
    let processes = stage.line();
    assert!(processes.split(' ').all(is_there), "{processes}");
    stage.operator.desire(Desired::default());
    // Its deadline is near: it is ended as well, and that is told.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(1);
    let deadline_unix_seconds = now.as_secs().try_into().unwrap();
    stage.operator.desire(Desired { deadline_unix_seconds, ..desired("b", &sleeps) });
    let others = stage.line();
    assert!(!processes.split(' ').any(is_there), "{processes} are still there");
    let result = stage.operator.result().await;
    assert_eq!((result.job_uid.as_str(), result.exit_code), ("b", 143), "nothing is told of what nobody desires");
    assert!(!others.split(' ').any(is_there), "{others} are still there");
    // A job that cannot be run says why.
    stage.operator.desire(desired("c", &json!({"kind": "Pod"})));
    let result = loop {
        let result = stage.operator.result().await;
        if result.job_uid == "c" {
            break result;
        }
    };
    assert_eq!(result.exit_code, 1);
    assert!(result.output.contains("job.json: "), "{}", result.output);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_neither_restarts_a_job_nor_loses_its_result() {
    let mut stage = Stage::new().await;
    let begun = stage.path("begun");
    let reads = format!("echo begun >> {begun}; python3 {} 0 0.1", program());
    let wanted = desired("a", &job(&["sh", "-c", &reads], 600));
    stage.operator.started().await;
    stage.operator.desire(wanted.clone());
    let progress = stage.operator.progress("a").await;
    assert!(progress.supply.is_some_and(|supply| supply.loaders[0].dataset == "train"));
    stage.operator.cut();
    stage.operator.started().await;
    stage.operator.progress("a").await;
    let result = stage.operator.result().await;
    assert_eq!((result.job_uid.as_str(), result.exit_code), ("a", 0));
    // It was heard, but the stream broke before that was said.
    stage.operator.cut();
    stage.operator.started().await;
    assert_eq!(stage.operator.result().await, result, "said again on the next stream");
    assert_eq!(stage.operator.result().await, result, "and again");
    stage.operator.acknowledge("a");
    // The same once more is no new work; another attempt is.
    stage.operator.desire(wanted.clone());
    stage.operator.desire(Desired { attempt: 2, ..wanted });
    let result = loop {
        let result = stage.operator.result().await;
        if result.attempt == 2 {
            break result;
        }
    };
    assert_eq!(result.exit_code, 0);
    assert_eq!(fs::read_to_string(begun).unwrap().lines().count(), 2);
}
