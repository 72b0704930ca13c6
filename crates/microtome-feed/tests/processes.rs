//! Head, workers and program as processes, as they are in pods: `microtome head -- COMMAND` and `microtome worker`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

mod process;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

use process::Process;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const MICROTOME: &str = env!("CARGO_BIN_EXE_microtome");
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests");

fn tell(process: &Process, signal: Signal) {
    kill_process(Pid::from_child(&process.0), signal).unwrap();
}

struct Stage {
    directory: TempDir,
    port: u16,
}

impl Stage {
    fn new(patches: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let job = format!(
            "
apiVersion: microtome.dev/v1alpha1
kind: PatchJob
metadata: {{name: test}}
spec:
  command: [unused]
  activeDeadlineSeconds: 60
  datasets:
  - name: train
    slides: {{list: [{{url: {TESTS}/slides/CMU-1-Small-Region.svs}}]}}
    views: [{{name: image, size: 256, level: 0}}]
    sampling: {{random: {{perSlide: {patches}}}}}
    batchSize: 16
  clusterSpec:
    profileName: default
    head: {{image: i, resources: {{limits: {{}}}}}}
    workers: {{minReplicas: 1, maxReplicas: 1, resources: {{limits: {{}}}}}}
"
        );
        fs::write(directory.path().join("job.yaml"), job).unwrap();
        // Free now, and nobody else binds to ports of this kind in between.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { directory, port }
    }

    fn job(&self) -> PathBuf {
        self.directory.path().join("job.yaml")
    }

    fn head(&self, program: &[&str]) -> (Process, BufReader<ChildStdout>) {
        let mut head = Command::new(MICROTOME)
            .args(["head", "--job"])
            .arg(self.job())
            // Little more than the least, so that leases are out until the end.
            .args(["--memory", "64Mi", "--listen", &format!("127.0.0.1:{}", self.port), "--"])
            .args(program)
            .env("MICROTOME_METRICS", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .stderr(File::create(self.directory.path().join("head.log")).unwrap())
            .spawn()
            .unwrap();
        let output = BufReader::new(head.stdout.take().unwrap());
        (Process(head), output)
    }

    /// The events of the head's log that have this message.
    fn logged(&self, message: &str) -> Vec<serde_json::Value> {
        let log = fs::read_to_string(self.directory.path().join("head.log")).unwrap();
        let events = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        events.filter(|event| event["message"] == message).collect()
    }

    fn worker(&self) -> Process {
        self.worker_with(&[])
    }

    fn worker_with(&self, arguments: &[&str]) -> Process {
        let head = format!("http://127.0.0.1:{}", self.port);
        Process(
            Command::new(MICROTOME)
                .args(["worker", "--threads", "1", "--head", &head])
                .args(arguments)
                .spawn()
                .unwrap(),
        )
    }

    /// What `microtome run` says of the same file.
    fn digest(&self) -> String {
        self.digest_of(&[])
    }

    fn digest_of(&self, arguments: &[&str]) -> String {
        let out = self.directory.path().join("out");
        let mut run = Command::new(MICROTOME);
        let output =
            run.args(["run", "-o", "json", "--out"]).arg(out).args(arguments).arg(self.job()).output().unwrap();
        assert!(output.status.success());
        field(&output.stdout, "stream_digest")
    }
}

/// The second of the day at which an event was logged.
fn second(event: &serde_json::Value) -> f64 {
    let clock = event["timestamp"].as_str().unwrap().split(['T', 'Z']).nth(1).unwrap();
    clock.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap())
}

fn field(json: &[u8], name: &str) -> String {
    let value: serde_json::Value = serde_json::from_slice(json).unwrap();
    value[name].as_str().unwrap().to_owned()
}

/// The program ends well and got the stream that a single process makes.
fn assert_whole(stage: &Stage, head: &mut Process, output: &mut BufReader<ChildStdout>) {
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(head.0.wait().unwrap().success());
    let account = rest.lines().last().unwrap();
    assert_eq!(field(account.as_bytes(), "stream_digest"), stage.digest());
}

fn program() -> String {
    Path::new(TESTS).join("programs/read_stream.py").to_str().unwrap().to_owned()
}

#[test]
fn a_killed_worker_changes_nothing_in_the_stream() {
    let stage = Stage::new(1500);
    let (mut head, mut output) = stage.head(&["python3", &program(), "0", "0.01"]);
    let (mut victim, _survivor) = (stage.worker(), stage.worker());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert!(line.starts_with("first batch at "), "{line}");
    victim.0.kill().unwrap();
    assert_whole(&stage, &mut head, &mut output);
}

#[test]
fn a_worker_that_is_told_to_end_loses_nothing_and_leaves_nothing_to_a_deadline() {
    // The second has no time to finish what it has: it returns it.
    for grace in ["20", "0"] {
        let stage = Stage::new(1500);
        let (mut head, mut output) = stage.head(&["python3", &program(), "0", "0.01"]);
        let mut told = stage.worker_with(&["--grace", grace]);
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        tell(&told, Signal::TERM);
        assert!(told.0.wait().unwrap().success(), "a worker that was told to end ends well");
        let _survivor = stage.worker();
        assert_whole(&stage, &mut head, &mut output);
        assert_eq!(stage.logged("worker ends soon").len(), 1);
        assert_eq!(stage.logged("worker left")[0]["requeued"], 0, "what it had was finished or returned");
        assert_eq!(stage.logged("leases hung and went out again").len(), 0);
    }
}

#[test]
fn a_head_tells_its_metrics_while_it_feeds() {
    let stage = Stage::new(200);
    let (mut head, mut output) = stage.head(&["python3", &program(), "0", "0.05"]);
    let _worker = stage.worker();
    output.read_line(&mut String::new()).unwrap();
    let address = stage.logged("metrics are served")[0]["address"].as_str().unwrap().to_owned();
    let ask = |path: &str| {
        let mut connection = TcpStream::connect(&address).unwrap();
        write!(connection, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("/healthz").starts_with("HTTP/1.1 200 "));
    let metrics = ask("/metrics");
    assert!(metrics.contains("\nmicrotome_head_workers 1.0\n"), "{metrics}");
    assert!(metrics.contains("\nmicrotome_head_slides{state=\"ok\"} 1.0\n"), "{metrics}");
    assert!(!metrics.contains("CMU"), "no slide is named");
    assert!(head.0.wait().unwrap().success());
}

#[test]
fn a_worker_that_hangs_is_given_up_before_its_leases_run_out() {
    let stage = Stage::new(1500);
    let (mut head, mut output) = stage.head(&["python3", &program(), "0", "0.01"]);
    let hangs = stage.worker();
    output.read_line(&mut String::new()).unwrap();
    // Its kernel goes on answering for it: the connection stays open.
    tell(&hangs, Signal::STOP);
    let _survivor = stage.worker();
    assert_whole(&stage, &mut head, &mut output);
    let left = &stage.logged("worker left")[0];
    assert!(left["requeued"].as_u64().unwrap() > 0, "{left}");
    assert_eq!(stage.logged("leases hung and went out again").len(), 0, "the connection was given up first");
    // A figure for the note: 10 s of silence and 5 s for an answer.
    let joined = second(&stage.logged("worker joined")[1]);
    println!("stop → leases elsewhere: {:.1} s", (second(left) - joined).rem_euclid(86_400.0));
}

#[test]
fn workers_may_come_before_the_head_and_end_after_it() {
    let stage = Stage::new(40);
    let mut worker = stage.worker();
    let (mut head, mut output) = stage.head(&["python3", &program()]);
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert!(text.contains("\"patches\": 40, \"batches\": 3"), "{text}");
    assert!(head.0.wait().unwrap().success());
    assert!(worker.0.wait().unwrap().success(), "a drained worker ends well");
}

#[test]
fn a_program_reads_each_dataset_on_its_own_connection() {
    let stage = Stage::new(40);
    let train = fs::read_to_string(stage.job()).unwrap();
    let (start, end) = (train.find("  - name: train").unwrap(), train.find("  clusterSpec").unwrap());
    // In order, so that both fit into the little memory that the head has here.
    let val = train[start..end].replace("name: train", "order: Sequential\n    name: val");
    fs::write(stage.job(), format!("{}{val}{}", &train[..end], &train[end..])).unwrap();
    let _worker = stage.worker();
    let both = format!("python3 {0} 0 0 val && python3 {0} 0 0 train", program());
    let (mut head, mut output) = stage.head(&["sh", "-c", &both]);
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert!(head.0.wait().unwrap().success(), "{text}");
    let said: Vec<String> =
        text.lines().filter(|line| line.starts_with('{')).map(|line| field(line.as_bytes(), "stream_digest")).collect();
    assert_eq!(said, [stage.digest_of(&["--dataset", "val"]), stage.digest_of(&["--dataset", "train"])]);
    let (mut head, _output) = stage.head(&["python3", &program(), "0", "0", "test"]);
    assert_eq!(head.0.wait().unwrap().code(), Some(1), "there is no such dataset");
}

#[test]
fn the_programs_exit_code_is_the_heads() {
    let stage = Stage::new(20);
    let _worker = stage.worker();
    let (mut head, _output) = stage.head(&["python3", &program(), "3"]);
    assert_eq!(head.0.wait().unwrap().code(), Some(3));
    let (mut head, _output) = stage.head(&["sh", "-c", "kill -9 $$"]);
    assert_eq!(head.0.wait().unwrap().code(), Some(137));
}

#[test]
fn a_program_goes_on_where_an_earlier_head_left_it() {
    let stage = Stage::new(100);
    let file = |name: &str| stage.directory.path().join(name).to_str().unwrap().to_owned();
    let program = Path::new(TESTS).join("programs/resume_stream.py").to_str().unwrap().to_owned();
    let mut said = String::new();
    for batches in ["1", "3", "99"] {
        let _worker = stage.worker();
        let (mut head, mut output) = stage.head(&["python3", &program, &file("checkpoint"), &file("records"), batches]);
        output.read_to_string(&mut said).unwrap();
        assert!(head.0.wait().unwrap().success());
    }
    assert_eq!(said.trim(), stage.digest());
    fs::write(
        file("checkpoint"),
        fs::read_to_string(file("checkpoint")).unwrap().replace("\"seed\": 0", "\"seed\": 9"),
    )
    .unwrap();
    let _worker = stage.worker();
    let (mut head, _output) = stage.head(&["python3", &program, &file("checkpoint"), &file("records"), "1"]);
    assert_eq!(head.0.wait().unwrap().code(), Some(1), "a checkpoint of another stream is refused");
}

#[test]
fn a_run_that_was_interrupted_goes_on_from_its_checkpoint() {
    let stage = Stage::new(3000);
    let whole = stage.digest();
    let checkpoint = stage.directory.path().join("run.checkpoint");
    let mut run = Command::new(MICROTOME);
    run.args(["run", "-o", "json", "--memory", "64Mi", "--checkpoint-every", "2", "--checkpoint"]).arg(&checkpoint);
    run.arg("--out").arg(stage.directory.path().join("out")).arg(stage.job());
    let child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut child = Process(child);
    while !checkpoint.exists() {
        assert!(child.0.try_wait().unwrap().is_none(), "it ended before its first checkpoint");
        std::thread::yield_now();
    }
    tell(&child, Signal::INT);
    let mut said = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(130), "{said}");
    assert!(said.contains(" of 3 000; the same command goes on from "), "{said}");
    let output = run.output().unwrap();
    assert_eq!(field(&output.stdout, "stream_digest"), whole);
    let again = run.output().unwrap();
    assert_eq!(field(&again.stdout, "stream_digest"), whole);
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("is at the stream's end, after 3 000 patches; remove it to begin anew"), "{said}");
    fs::write(&checkpoint, "{}").unwrap();
    let refused = run.output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(said.contains("run.checkpoint: is no checkpoint that this version wrote: missing field"), "{said}");
}

#[test]
fn the_summary_for_programs_holds_what_it_promises_and_nothing_else_is_on_stdout() {
    let stage = Stage::new(50);
    let out = stage.directory.path().join("out");
    let output =
        Command::new(MICROTOME).args(["run", "-o", "json", "--out"]).arg(out).arg(stage.job()).output().unwrap();
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let counts = ["patches", "batches", "slides_ok", "bytes_fetched", "requests", "tiles_decoded", "peak_rss_bytes"];
    assert!(counts.iter().all(|name| summary[name].as_u64().unwrap() > 0), "{summary}");
    assert_eq!((summary["patches"].as_u64(), summary["slides_quarantined"].as_u64()), (Some(50), Some(0)));
    let rates = ["seconds", "patches_per_second", "starvation"];
    assert!(rates.iter().all(|name| summary[name].as_f64().unwrap() > 0.0), "{summary}");
    let stall: Vec<&String> = summary["stall"].as_object().unwrap().keys().collect();
    assert_eq!(stall, ["copy", "decode", "network", "queue", "storage"]);
    assert_eq!(summary["stream_digest"].as_str().unwrap().len(), 64);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("[==============================>] 50/50  ") && told.lines().count() == 1, "{told}");
}

#[test]
fn wrong_use_and_wrong_files_are_said_in_one_line() {
    let run = |arguments: &[&str]| Command::new(MICROTOME).args(arguments).output().unwrap();
    assert_eq!(run(&["run"]).status.code(), Some(2));
    let output = run(&["run", "/nowhere.yaml"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(said, "microtome: /nowhere.yaml: cannot be read: No such file or directory (os error 2)\n");
    let output = run(&["slide", "info", "az://slides/a.svs?sig=secret"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && !said.contains("secret") && said.lines().count() == 1, "{said}");
}
