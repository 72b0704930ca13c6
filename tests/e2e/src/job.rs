//! Jobs that read a slide from the blob server with a program of Python's standard library.

use std::process::Command;

use microtome_api::{PatchJob, condition};
use serde_json::{Value, json};

use crate::stage::{Stage, variable};

const PROGRAM: &str = include_str!("../../programs/read_stream.py");

/// A job to be.
#[derive(Clone, Copy, Debug)]
pub struct Wish {
    /// Patches of the one slide.
    pub patches: u32,
    /// What the program ends with.
    pub exit_code: i32,
    /// What the program spends on each batch of 16.
    pub seconds_a_batch: f64,
    /// Workers.
    pub workers: i32,
}

impl Default for Wish {
    fn default() -> Self {
        Self { patches: 64, exit_code: 0, seconds_a_batch: 0.0, workers: 2 }
    }
}

/// The job as an object.
pub fn job(stage: &Stage, name: &str, wish: Wish) -> Value {
    let resources = json!({"limits": {"cpu": "100m", "memory": "512Mi"}});
    let arguments = [wish.exit_code.to_string(), wish.seconds_a_batch.to_string()];
    json!({
        "apiVersion": "microtome.dev/v1alpha1", "kind": "PatchJob",
        "metadata": {"name": name, "namespace": stage.name},
        "spec": {
            "command": ["python3", "-c", PROGRAM, arguments[0], arguments[1]],
            "activeDeadlineSeconds": 600, "backoffLimit": 0,
            "datasets": [{
                "name": "train", "slides": {"list": [{"url": "az://slides/CMU-1-Small-Region.svs"}]},
                "views": [{"name": "image", "size": 256, "level": 0}],
                "sampling": {"random": {"perSlide": wish.patches}}, "batchSize": 16, "seed": 7,
            }],
            "clusterSpec": {
                "profileName": stage.name,
                "head": {"image": "localhost/user:1", "resources": resources},
                "workers": {"minReplicas": wish.workers, "maxReplicas": wish.workers, "resources": resources},
            },
        },
    })
}

/// Whether a condition is `True`.
pub fn is(job: &PatchJob, kind: &str) -> bool {
    job.status.as_ref().is_some_and(|status| condition::is_true(&status.conditions, kind))
}

/// The reason of a job's `Ready`.
pub fn state(job: &PatchJob) -> (&str, &str) {
    let conditions = job.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition.type_ == condition::READY);
    ready.map_or(("", ""), |condition| (condition.reason.as_str(), condition.message.as_str()))
}

/// What `microtome run` says of the same object, read from the same blob server.
pub fn embedded(object: &Value) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("job.json");
    std::fs::write(&file, object.to_string()).unwrap();
    let mut run = Command::new(variable("MICROTOME"));
    run.args(["run", "-o", "json", "--out"]).arg(directory.path()).arg(file);
    let output = run.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A program's own account of what it read: the last line of its log that is an object with `patches`.
pub fn last_json(log: &str) -> Value {
    let line = log.lines().rev().find(|line| line.starts_with("{\"patches\"")).unwrap_or_else(|| panic!("{log}"));
    serde_json::from_str(line).unwrap()
}
