//! list, status, queue, explain, top, slides.

use serde_json::{Value, json};

use crate::objects::{JOBS, NAMESPACE, cluster, condition, ended, job, place, pod, running, team};
use crate::stage::{Stage, finish, interrupt};

async fn stage() -> Stage {
    let stage = Stage::researcher().await;
    let mut runs = job("train", 1);
    runs["status"] = running();
    runs["metadata"]["labels"] = json!({"run": "7"});
    stage.server.put(runs);
    stage.server.put(job("waits", 1));
    stage.server.put(cluster("train"));
    stage
}

#[tokio::test]
async fn jobs_are_listed_as_tables_names_and_objects() {
    let stage = stage().await;
    let table = stage.done(&["list"]).await.out;
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().take(5).collect()).collect();
    assert_eq!(rows[0], ["NAME", "TEAM", "STATE", "QUEUE", "PROGRESS"]);
    assert_eq!(rows[1], ["train", "pathology", "Running", "–", "50%"]);
    assert_eq!(rows[2], ["waits", "pathology", "Queued", "1/3", "–"]);
    assert_eq!(stage.done(&["status"]).await.out, table, "the same without a name");
    assert!(stage.done(&["list", "-o", "wide"]).await.out.contains("ATTEMPT"));
    let names = stage.done(&["list", "-o", "name", "-l", "run=7"]).await.out;
    assert_eq!(names, "patchjob.microtome.dev/train\n");
    assert_eq!(stage.done(&["list", "--state", "queued", "-o", "name"]).await.out, "patchjob.microtome.dev/waits\n");
    let list: Value = serde_json::from_str(&stage.done(&["list", "-o", "json"]).await.out).unwrap();
    assert_eq!((list["items"].as_array().unwrap().len(), &list["items"][1]["metadata"]["name"]), (2, &json!("waits")));
    let yaml: Value = serde_yaml::from_str(&stage.done(&["list", "-o", "yaml"]).await.out).unwrap();
    assert_eq!(yaml, list);
    let nothing = stage.done(&["list", "-l", "run=8"]).await;
    assert_eq!((nothing.out.as_str(), nothing.err.contains("no patchjobs in namespace \"pathology\"")), ("", true));
}

#[tokio::test]
async fn one_job_is_a_screen_or_an_object() {
    let stage = stage().await;
    let screen = stage.done(&["status", "train"]).await.out;
    assert!(
        screen.starts_with("train   Running, attempt 1, since 2026-03-02 12:06")
            || screen.starts_with("train   Running")
    );
    assert!(screen.contains("  progress   50%   train: epoch 1/1, batch 5 of 10   ETA "), "{screen}");
    assert!(screen.contains("  slides     4 ok, 1 quarantined (kubectl microtome slides train)"), "{screen}");
    let object: Value = serde_json::from_str(&stage.done(&["status", "train", "-o", "json"]).await.out).unwrap();
    assert_eq!(object["status"]["progress"]["patches"], 80);
    let object: Value = serde_yaml::from_str(&stage.done(&["status", "train", "-o", "yaml"]).await.out).unwrap();
    assert_eq!(object["metadata"]["name"], "train");
}

#[tokio::test]
async fn a_job_is_watched_line_by_line_until_it_ends() {
    let stage = stage().await;
    let child = stage.spawn(&["status", "train", "--watch"]);
    stage.server.until_asked("watch=true").await;
    stage.server.change(&format!("{JOBS}/train"), |job| job["status"]["progress"]["summary"] = json!("51%"));
    // Nothing that is shown changes here.
    stage.server.change(&format!("{JOBS}/train"), |job| job["metadata"]["annotations"] = json!({"note": "x"}));
    stage.server.change(&format!("{JOBS}/train"), |job| job["status"] = ended(0, 1));
    let run = finish(child).await;
    stage.nothing_was_refused();
    let lines: Vec<_> =
        run.out.lines().map(|line| line.split("   ").skip(1).take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines, ["Running 50%", "Running 51%", "Complete"], "{run:?}");
    assert_eq!(run.code, Some(0));
}

#[tokio::test]
async fn ctrl_c_leaves_a_watched_job_running_and_says_so() {
    let stage = stage().await;
    let child = stage.spawn(&["status", "train", "--watch"]);
    stage.server.until_asked("watch=true").await;
    interrupt(&child);
    let run = finish(child).await;
    assert_eq!(run.code, Some(130));
    assert!(run.err.contains("patchjob/train goes on; kubectl microtome status train --watch"), "{run:?}");
    let asked = stage.server.lock().requests.clone();
    assert!(asked.iter().all(|request| request.starts_with("GET ")), "{asked:?}");
}

#[tokio::test]
async fn a_watched_job_that_is_deleted_is_an_error() {
    let stage = stage().await;
    let child = stage.spawn(&["status", "train", "--watch"]);
    stage.server.until_asked("watch=true").await;
    stage.server.lock().remove(&format!("{JOBS}/train"));
    stage.server.changed();
    let run = finish(child).await;
    assert_eq!((run.code, run.err.as_str()), (Some(1), "error: patchjob \"train\" was deleted\n"));
}

#[tokio::test]
async fn the_queue_and_its_reasons() {
    let stage = stage().await;
    let queue = stage.done(&["queue"]).await.out;
    let cells: Vec<_> =
        queue.lines().nth(1).unwrap().split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(
        cells,
        ["1", "pathology/waits", "pathology", "8 cpu", "team pathology uses 8 of its max 8 cpu, and this wants 8", "–"]
    );
    let rows: Value = serde_json::from_str(&stage.done(&["queue", "-o", "json"]).await.out).unwrap();
    assert_eq!(
        (&rows[0]["name"], &rows[0]["position"], &rows[0]["kind"]),
        (&json!("waits"), &json!(1), &json!("patchjob"))
    );
    let explained = stage.done(&["explain", "waits"]).await.out;
    assert!(
        explained.starts_with("waits waits: team pathology uses 8 of its max 8 cpu, and this wants 8.\n"),
        "{explained}"
    );
    assert!(
        explained.contains("with 8 cpu fewer in use, or at the latest at") && explained.contains("when train ends"),
        "{explained}"
    );
    let runs = stage.done(&["explain", "train"]).await.out;
    assert!(runs.starts_with("train runs: 1 of 1 workers ready\n"), "{runs}");
}

#[tokio::test]
async fn a_standing_cluster_that_waits_is_in_the_queue() {
    let stage = stage().await;
    let mut bench = cluster("bench");
    let conditions = [condition("Ready", "Queued", "False", "see status.queue")];
    bench["status"] = json!({"conditions": conditions, "queue": place(), "team": "radiology"});
    stage.server.put(bench);
    let queue = stage.done(&["queue"]).await.out;
    assert!(queue.contains("pathology/patchcluster/bench   radiology   8 cpu"), "{queue}");
}

#[tokio::test]
async fn teams_are_shown_to_who_may_see_them() {
    let stage = Stage::new(&[("microtome-viewer", None)]).await;
    stage.server.put(team("pathology"));
    let top = stage.done(&["top"]).await.out;
    assert!(top.contains("pathology   1        0.61    0.50   3/–/8"), "{top}");
    let rows: Value = serde_yaml::from_str(&stage.done(&["top", "-o", "yaml"]).await.out).unwrap();
    assert_eq!(rows[0]["fairShare"], "0.50");
}

#[tokio::test]
async fn slides_that_were_left_out_are_named() {
    let stage = stage().await;
    let wanted = "CATEGORY    REASON\nTruncated   az://slides/b.svs: ends at byte 4711\n";
    let slides = stage.done(&["slides", "train"]).await;
    assert_eq!((slides.out.as_str(), slides.err.as_str()), (wanted, ""));
    let asked = stage.server.lock().requests.clone();
    assert_eq!(asked.len(), 1, "the status has them all: {asked:?}");
}

#[tokio::test]
async fn more_slides_than_a_status_holds_are_named_by_the_log() {
    let stage = stage().await;
    let path = format!("{JOBS}/train");
    stage.server.change(&path, |job| job["status"]["progress"]["slidesQuarantined"] = json!(3));
    let gone = stage.done(&["slides", "train"]).await;
    assert_eq!(gone.err, "3 slides were left out, and 1 of them are named; the head's log is gone\n");
    stage.server.put(pod("train-head-1", "train", "head"));
    let event = |index: u32, name: &str| {
        json!({"level": "WARN", "message": "slide quarantined", "slide": "9f3c", "index": index, "category": "Truncated",
            "reason": format!("az://slides/{name}.svs: ends at byte 4711")})
    };
    let lines = [event(2, "c"), event(0, "a"), event(1, "b")].map(|event| event.to_string());
    stage.server.log("train-head-1", |log| log.lines = [&["epoch 1".to_owned()][..], &lines].concat());
    let slides = stage.done(&["slides", "train"]).await;
    let names: Vec<_> = slides.out.lines().skip(1).filter_map(|row| row.split("slides/").nth(1)?.get(..1)).collect();
    assert_eq!((names, slides.err.as_str()), (vec!["a", "b", "c"], ""));
}

#[tokio::test]
async fn who_is_acted_for_and_where_is_as_kubectl_has_it() {
    let stage = stage().await;
    stage.done(&["--as", "eve", "list", "--as-group", "a", "--as-group", "b", "-n", NAMESPACE]).await;
    let acted = stage.server.lock().acted_as.clone();
    assert_eq!(acted, [("eve".to_owned(), vec!["a".to_owned(), "b".to_owned()])]);
}
