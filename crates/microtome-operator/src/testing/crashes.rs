//! The operator dies after each of its writes, in each flow: another one goes on, and the end is as if nothing had happened.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::stage::{Act, CLUSTER, JOB, Stage};

/// What happens beside the operator, once everything has settled.
type Step = fn(&Stage);

/// A flow: what the heads' programs do, what the job asks for, and what happens between one quiet moment and the next.
struct Flow {
    name: &'static str,
    acts: &'static [Act],
    spec: fn(&mut Value),
    steps: &'static [Step],
    /// The reason of the job's `Ready` at the end; none where the job is gone.
    end: Option<&'static str>,
}

fn as_it_is(_: &mut Value) {}

fn no_retries(spec: &mut Value) {
    spec["backoffLimit"] = json!(0);
}

fn set(stage: &Stage, path: &str, field: &str, value: Value) {
    let mut state = stage.server.lock();
    let mut object = state.object(path).cloned().unwrap();
    object["spec"][field] = value;
    state.put(path, object);
}

fn suspend(stage: &Stage) {
    set(stage, JOB, "suspend", json!(true));
}

fn resume(stage: &Stage) {
    set(stage, JOB, "suspend", json!(false));
}

fn delete(stage: &Stage) {
    stage.server.lock().remove(JOB);
}

fn lose_cluster(stage: &Stage) {
    stage.server.lock().remove(CLUSTER);
}

const FLOWS: [Flow; 9] = [
    Flow { name: "ends well", acts: &[Act::Exit(0)], spec: as_it_is, steps: &[], end: Some("Complete") },
    Flow { name: "fails", acts: &[Act::Exit(3)], spec: no_retries, steps: &[], end: Some("Failed") },
    Flow { name: "fails too often", acts: &[Act::Exit(3)], spec: as_it_is, steps: &[], end: Some("Failed") },
    Flow { name: "fails once", acts: &[Act::Exit(3), Act::Exit(0)], spec: as_it_is, steps: &[], end: Some("Complete") },
    Flow {
        name: "loses its head twice",
        acts: &[Act::Vanish, Act::Vanish, Act::Exit(0)],
        spec: no_retries,
        steps: &[],
        end: Some("Complete"),
    },
    Flow {
        name: "is suspended and goes on",
        acts: &[Act::Run, Act::Exit(0)],
        spec: as_it_is,
        steps: &[suspend, resume],
        end: Some("Complete"),
    },
    Flow { name: "is deleted", acts: &[Act::Run], spec: as_it_is, steps: &[delete], end: None },
    Flow { name: "loses its cluster", acts: &[Act::Run], spec: as_it_is, steps: &[lose_cluster], end: Some("Failed") },
    Flow {
        name: "is kept for a while",
        acts: &[Act::Exit(0)],
        spec: |spec| spec["ttlSecondsAfterFinished"] = json!(1),
        steps: &[|_| ()],
        end: None,
    },
];

/// Runs a flow, with the operator dying with its `dies_with`th write; tells how many there were.
async fn run(flow: &Flow, dies_with: Option<usize>) -> (usize, BTreeMap<String, Value>) {
    let stage = Stage::new(flow.acts, flow.spec);
    stage.server.lock().dies_with = dies_with;
    stage.settle().await;
    for step in flow.steps {
        step(&stage);
        stage.settle().await;
    }
    let writes = stage.server.lock().writes.len();
    (writes, stage.picture())
}

#[tokio::test]
async fn an_operator_that_dies_after_any_write_changes_nothing_in_the_end() {
    let mut deaths = 0;
    for flow in &FLOWS {
        let (writes, quiet) = run(flow, None).await;
        let ready = quiet.get(JOB).and_then(|job| {
            job["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == "Ready")?["reason"].as_str()
        });
        assert_eq!(ready, flow.end, "{}", flow.name);
        if flow.end.is_none() {
            let left: Vec<_> = quiet.keys().filter(|path| path.contains("/namespaces/x/")).collect();
            assert!(left.is_empty(), "{}: {left:?}", flow.name);
        }
        for write in 1..=writes {
            let (_, picture) = run(flow, Some(write)).await;
            let died = format!("{}: the operator died with write {write} of {writes}", flow.name);
            assert_eq!(picture.keys().collect::<Vec<_>>(), quiet.keys().collect::<Vec<_>>(), "{died}");
            for (path, object) in &picture {
                for part in ["metadata", "spec", "status"] {
                    assert_eq!(object[part], quiet[path][part], "{died}: {part} of {path}");
                }
            }
            deaths += 1;
        }
    }
    println!("{deaths} deaths, one after each write of {} flows", FLOWS.len());
}
