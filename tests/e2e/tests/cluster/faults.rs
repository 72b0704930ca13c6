//! A head and four workers as processes, over TCP, from the blob server, through twenty faults: the stream is the quiet
//! run's. Every ten batches one worker is killed, or stopped so that it holds its leases and says nothing, or comes late.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use microtome_e2e::job::{embedded, last_json};
use microtome_e2e::stage::variable;
use serde_json::{Value, json};

const WORKERS: usize = 4;
const FAULTS: usize = 20;
/// A stopped worker is noticed by its silence, which takes up to 15 s: a few are enough.
const STOPS: usize = 3;

/// A process that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail where it has ended already; a stopped process can be killed too.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn job() -> Value {
    let resources = json!({"limits": {}});
    json!({
        "apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob", "metadata": {"name": "faults"},
        "spec": {
            "command": ["unused"], "activeDeadlineSeconds": 600,
            "datasets": [{
                "name": "train", "slides": {"list": [{"url": "az://slides/CMU-1-Small-Region.svs"}]},
                "views": [{"name": "image", "size": 256, "level": 0}],
                "sampling": {"random": {"perSlide": 16 * 10 * (FAULTS + 2)}}, "batchSize": 16, "seed": 7,
            }],
            "clusterSpec": {
                "profileName": "default", "head": {"image": "i", "resources": resources},
                "workers": {"minReplicas": 1, "maxReplicas": 1, "resources": resources},
            },
        },
    })
}

fn worker(port: u16) -> Process {
    let head = format!("http://127.0.0.1:{port}");
    let mut worker = Command::new(variable("MICROTOME"));
    worker.args(["worker", "--threads", "1", "--head", &head]).stderr(Stdio::null());
    Process(worker.spawn().unwrap())
}

fn stop(process: &Process) {
    let stopped = Command::new("kill").args(["-STOP", &process.0.id().to_string()]).status().unwrap();
    assert!(stopped.success());
}

#[test]
fn twenty_faults_change_nothing_in_the_stream() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("job.json");
    let object = job();
    fs::write(&file, object.to_string()).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../programs/read_stream.py");
    let mut head = Command::new(variable("MICROTOME"))
        .args(["head", "--memory", "64Mi", "--listen", &format!("127.0.0.1:{port}"), "--job"])
        .arg(&file)
        .args(["--", "python3", program, "0", "0.02"])
        .stdout(Stdio::piped())
        .stderr(fs::File::create(directory.path().join("head.log")).unwrap())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(head.stdout.take().unwrap());
    let mut head = Process(head);

    // Two of the four come late: at the first two faults.
    let mut workers: Vec<Process> = (0..WORKERS - 2).map(|_| worker(port)).collect();
    let (mut stopped, mut line, mut faults) = (Vec::new(), String::new(), 0);
    while faults < FAULTS {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "the program ended after {faults} faults");
        if !line.starts_with("batch ") {
            continue;
        }
        faults += 1;
        match faults {
            late if late <= 2 => workers.push(worker(port)),
            stop_at if stop_at % (FAULTS / STOPS) == 0 => {
                let victim = workers.remove(0);
                stop(&victim);
                stopped.push(victim);
                workers.push(worker(port));
            }
            kill_at => {
                drop(workers.remove(kill_at % workers.len()));
                workers.push(worker(port));
            }
        }
    }
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert!(head.0.wait().unwrap().success());
    let account = last_json(&rest);
    let log = fs::read_to_string(directory.path().join("head.log")).unwrap();
    let lost = log.lines().filter(|line| line.contains("worker left")).count();
    assert!(lost >= FAULTS - 2, "{lost} workers were lost");
    assert!(log.lines().any(|line| line.contains("worker left") && !line.contains("requeued=0")), "no lease was lost");

    let quiet = embedded(&object);
    assert_eq!((&account["stream_digest"], &account["patches"]), (&quiet["stream_digest"], &quiet["patches"]));
}
