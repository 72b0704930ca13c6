//! A job's output, written by real processes that are killed, stopped and started again: every patch once, in whole shards.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use microtome_slide::{SlideUrl, Stores};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const MICROTOME: &str = env!("CARGO_BIN_EXE_microtome");
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests");

struct Stage(TempDir);

impl Stage {
    /// A job of 300 patches of one slide in shards of 1 MiB.
    fn new(change: impl FnOnce(&mut Value)) -> Self {
        let mut job = json!({
            "apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob", "metadata": {"name": "test"},
            "spec": {
                "activeDeadlineSeconds": 60,
                "datasets": [{
                    "name": "tiles", "slides": {"list": [{"url": format!("{TESTS}/slides/CMU-1-Small-Region.svs")}]},
                    "views": [{"name": "image", "size": 128, "level": 0}], "order": "Sequential",
                    "sampling": {"random": {"perSlide": 300}}, "batchSize": 16,
                }],
                "output": {"url": "shards", "format": "WebDataset", "shardSize": "1Mi", "encoding": "PNG"},
                "clusterSpec": {
                    "profileName": "default", "head": {"image": "i", "resources": {"limits": {}}},
                    "workers": {"minReplicas": 1, "maxReplicas": 1, "resources": {"limits": {}}},
                },
            },
        });
        change(&mut job["spec"]);
        let stage = Self(tempfile::tempdir().unwrap());
        fs::write(stage.path("job.json"), job.to_string()).unwrap();
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(MICROTOME);
        command.args(["run", "-o", "json", "--workers", "2", "--memory", "64Mi", "--out"]).arg(self.path("out"));
        command.arg(self.path("job.json")).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self) -> Output {
        self.command().output().unwrap()
    }

    /// The summary of a run that ends well.
    fn summary(&self) -> Value {
        let output = self.run();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// One line of a run that does not.
    fn refusal(&self) -> String {
        let output = self.run();
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        String::from_utf8(output.stderr).unwrap()
    }

    fn shards(&self) -> usize {
        let names = fs::read_dir(self.path("shards")).into_iter().flatten().map(|entry| entry.unwrap().path());
        names.filter(|path| path.extension().is_some_and(|ending| ending == "tar")).count()
    }

    /// The digest of what is stored, and how many patches that is. The files are read as any reader of tar would.
    fn stored(&self) -> (String, usize) {
        let (mut digest, mut next) = (Sha256::new(), 0);
        for shard in 0..self.shards() {
            let file = fs::File::open(self.path(&format!("shards/tiles-{shard:06}.tar"))).unwrap();
            let mut files = BTreeMap::new();
            for entry in tar::Archive::new(file).entries().unwrap() {
                let mut entry = entry.unwrap();
                let name = entry.path().unwrap().display().to_string();
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                assert!(files.insert(name, bytes).is_none(), "a name stands twice");
            }
            for (name, description) in files.iter().filter(|(name, _)| name.ends_with(".json")) {
                let facts: Value = serde_json::from_slice(description).unwrap();
                assert_eq!((facts["index"].as_u64(), name.as_str()), (Some(next), &*format!("{next:010}.json")));
                let pixels = decode(&files[&format!("{next:010}.png")]);
                let at = |field: &str| i32::try_from(facts[field].as_i64().unwrap()).unwrap();
                digest.update(0_u32.to_le_bytes());
                digest.update(at("x").to_le_bytes());
                digest.update(at("y").to_le_bytes());
                digest.update(crc32fast::hash(&pixels).to_le_bytes());
                assert_eq!((facts["size"].as_u64(), facts["level"].as_u64()), (Some(128), Some(0)));
                next += 1;
            }
        }
        let hex = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        (hex, usize::try_from(next).unwrap())
    }
}

fn decode(file: &[u8]) -> Vec<u8> {
    let mut reader = png::Decoder::new(Cursor::new(file)).read_info().unwrap();
    let mut pixels = vec![0; 128 * 128 * 3];
    reader.next_frame(&mut pixels).unwrap();
    pixels
}

/// Waits until a process has made something come true; `false` if it ended before.
fn until(child: &mut Child, mut done: impl FnMut() -> bool) -> bool {
    while !done() {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

#[test]
fn an_output_holds_the_stream_and_is_not_written_twice() {
    let stage = Stage::new(|_| ());
    let first = stage.summary();
    assert!(first["output"]["shards"].as_u64().unwrap() > 3, "{first}");
    assert_eq!(stage.stored(), (first["stream_digest"].as_str().unwrap().to_owned(), 300));
    let reader = format!("{TESTS}/programs/read_shards.py");
    let output = Command::new("python3").arg(reader).arg(stage.path("shards")).output().unwrap();
    let read: BTreeMap<String, BTreeMap<String, Vec<String>>> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read.values().map(BTreeMap::len).sum::<usize>(), 300);
    assert!(read.values().flat_map(BTreeMap::values).all(|endings| endings == &["png", "json"]));

    let output = stage.run();
    let again: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((again["tiles_decoded"].as_u64(), &again["stream_digest"]), (Some(0), &first["stream_digest"]));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("microtome: nothing was left to do: 300 patches in "), "{told}");
}

/// Folders of the kinds of storage that there are: `tests/stores` adds a container of an Azurite.
fn folders(local: &Path) -> Vec<(String, Stores)> {
    let mut folders = vec![(local.display().to_string(), Stores::from_env())];
    if let Ok(endpoint) = std::env::var("MICROTOME_TEST_AZURITE") {
        let [account, key] =
            ["NAME", "KEY"].map(|what| std::env::var(format!("MICROTOME_TEST_AZURITE_{what}")).unwrap());
        let variables = [
            ("AZURE_STORAGE_ENDPOINT", endpoint),
            ("AZURE_STORAGE_ACCOUNT_NAME", account),
            ("AZURE_STORAGE_ACCOUNT_KEY", key),
        ];
        let stores = Stores::with_variables(variables.map(|(name, value)| (name.to_owned(), value)));
        folders.push(("az://slides/output/tiles/".to_owned(), stores));
    }
    println!("{folders:?}");
    folders
}

#[tokio::test]
async fn an_output_lies_where_its_url_says() {
    let local = tempfile::tempdir().unwrap();
    for (folder, stores) in folders(local.path()) {
        let stage = Stage::new(|spec| spec["output"]["url"] = json!(folder));
        let variables = ["ENDPOINT", "ACCOUNT_NAME", "ACCOUNT_KEY"].map(|name| format!("AZURE_STORAGE_{name}"));
        let given = ["", "_NAME", "_KEY"].map(|what| std::env::var(format!("MICROTOME_TEST_AZURITE{what}")));
        let known = variables.iter().zip(&given).filter_map(|(name, value)| Some((name, value.as_ref().ok()?)));
        let output = stage.command().envs(known).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        let listed = stores.list(&SlideUrl::parse_prefix(&folder).unwrap()).await.unwrap();
        let shards: Vec<_> = listed.iter().filter(|entry| entry.url.to_string().ends_with(".tar")).collect();
        assert_eq!(summary["output"]["shards"].as_u64(), Some(shards.len() as u64));
        let bytes: u64 = shards.iter().map(|entry| entry.size).sum();
        assert_eq!(summary["output"]["bytes"].as_u64(), Some(bytes));
        assert_eq!(listed.len(), shards.len() + 1);
    }
}

#[test]
fn a_run_that_is_killed_at_any_time_goes_on_after_its_last_whole_shard() {
    let stage = Stage::new(|_| ());
    let mut kills = 0;
    // Killed as soon as another shard is there, which is often before the progress file says so; and once in its middle.
    loop {
        let before = stage.shards();
        let mut child = stage.command().spawn().unwrap();
        let middle = stage.path(&format!("shards/.tiles-{before:06}.tar.part"));
        let killed = until(&mut child, || stage.shards() > before || (kills == 0 && middle.exists()));
        // It may have ended by itself.
        let _ = child.kill();
        child.wait().unwrap();
        if !killed {
            break;
        }
        kills += 1;
        assert!(kills < 100, "it does not get on");
    }
    assert!(kills > 3, "{kills} kills");
    let last = stage.summary();
    assert_eq!(stage.stored(), (last["stream_digest"].as_str().unwrap().to_owned(), 300));
    let whole = Stage::new(|_| ());
    assert_eq!(whole.summary()["stream_digest"], last["stream_digest"]);
    for shard in 0..whole.shards() {
        let read = |stage: &Stage| fs::read(stage.path(&format!("shards/tiles-{shard:06}.tar"))).unwrap();
        assert!(read(&stage) == read(&whole), "shard {shard} differs from that of a run without kills");
    }
    let names = fs::read_dir(stage.path("shards")).unwrap().count();
    assert_eq!(names, whole.shards() + 1, "nothing but shards and the progress file is left");
}

#[test]
fn a_run_that_is_told_to_stop_keeps_its_whole_shards() {
    let stage = Stage::new(|spec| spec["datasets"][0]["sampling"]["random"]["perSlide"] = json!(3000));
    let mut child = stage.command().spawn().unwrap();
    assert!(until(&mut child, || stage.shards() > 1));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(143), "{told}");
    assert!(told.contains("the same command goes on after "), "{told}");
    let (_, stored) = stage.stored();
    assert!(0 < stored && stored < 3000);
    let rest = stage.summary();
    assert_eq!(rest["patches"].as_u64(), Some(3000 - stored as u64), "what is stored is not read again");
    assert_eq!(stage.stored(), (rest["stream_digest"].as_str().unwrap().to_owned(), 3000));
}

#[test]
fn what_is_not_this_jobs_is_left_alone() {
    let stage = Stage::new(|_| ());
    stage.summary();
    let shards = stage.shards();
    let change = |from: &str, to: &str| {
        let job = fs::read_to_string(stage.path("job.json")).unwrap();
        assert!(job.contains(from), "{job}");
        fs::write(stage.path("job.json"), job.replace(from, to)).unwrap();
    };
    for (from, to, message) in [
        ("\"size\":128", "\"size\":64", "shards: holds the output of another job: its views is [{"),
        (
            "\"PNG\"",
            "\"JPEG\"",
            "shards: holds the output of another job: its encoding is \"PNG\", this job's is \"JPEG\"",
        ),
        ("\"perSlide\":300", "\"perSlide\":30", "shards: holds the output of another job: its sampling is {"),
    ] {
        change(from, to);
        let told = stage.refusal();
        assert!(told.contains(message) && told.contains("give another spec.output.url"), "{told}");
        change(to, from);
    }
    fs::remove_file(stage.path("shards/tiles.progress.json")).unwrap();
    let told = stage.refusal();
    assert!(told.contains("shards/tiles-000000.tar: is in the way, and no progress file says whose it is"), "{told}");
    fs::write(stage.path("shards/tiles.progress.json"), "[]").unwrap();
    let told = stage.refusal();
    assert!(told.contains("tiles.progress.json: is no progress that this version wrote: "), "{told}");
    assert_eq!(stage.shards(), shards);
}

#[test]
fn a_head_without_a_program_stores_the_output() {
    let stage = Stage::new(|_| ());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut head = Command::new(MICROTOME);
    head.args(["head", "--memory", "64Mi", "--listen", &address, "--job"]).arg(stage.path("job.json"));
    let mut head = head.stderr(Stdio::null()).spawn().unwrap();
    let mut worker = Command::new(MICROTOME);
    worker.args(["worker", "--threads", "1", "--head", &format!("http://{address}")]).stderr(Stdio::null());
    let mut worker = worker.spawn().unwrap();
    assert!(head.wait().unwrap().success() && worker.wait().unwrap().success());
    let again = stage.summary();
    assert_eq!(again["tiles_decoded"].as_u64(), Some(0), "a run sees that the head has stored it all");
    assert_eq!(stage.stored(), (again["stream_digest"].as_str().unwrap().to_owned(), 300));
    let program = Stage::new(|spec| {
        let output = spec.as_object_mut().unwrap().remove("output");
        assert!(output.is_some());
        spec["command"] = json!(["true"]);
    });
    let output = Command::new(MICROTOME).args(["head", "--job"]).arg(program.path("job.json")).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("no COMMAND was given, and the job has no spec.output to store"), "{told}");
    assert_eq!(output.status.code(), Some(1));
}
