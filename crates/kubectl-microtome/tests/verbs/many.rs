//! Five thousand jobs: page by page, in memory that does not grow with them.

use std::time::Instant;

use crate::apiserver::Crowd;
use crate::stage::{Stage, finish, plugin};

/// Virtual memory in KiB. All jobs at once would take a multiple of it.
const LIMIT_KIB: u32 = 256 << 10;

#[tokio::test]
async fn thousands_of_jobs_are_listed_in_bounded_memory() {
    let stage = Stage::researcher().await;
    stage.server.lock().crowd = Some(Crowd { count: 5000, slides: 200 });
    for format in ["table", "json"] {
        let line = format!("ulimit -v {LIMIT_KIB}; exec {} list -o {format}", plugin());
        let mut shell = tokio::process::Command::new("sh");
        shell.args(["-c", &line]).env("KUBECONFIG", stage.folder.path().join("config"));
        shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let start = Instant::now();
        let run = finish(shell.spawn().unwrap()).await;
        // For who looks on (`-- --nocapture`); how fast it is depends on what else the machine does.
        println!("5000 jobs of 200 slides as {format}: {:.2?}", start.elapsed());
        assert_eq!((run.code, run.err.as_str()), (Some(0), ""), "{format}");
        let names = run.out.lines().filter(|line| line.contains("job-0")).count();
        assert_eq!(names, 5000, "{format}");
    }
    let asked = stage.server.lock().requests.clone();
    assert_eq!(asked.len(), 20, "ten pages each: {asked:?}");
    assert!(asked.iter().all(|request| request.contains("limit=500")), "{asked:?}");
}

#[tokio::test]
async fn a_list_goes_on_where_its_snapshot_is_gone() {
    let stage = Stage::researcher().await;
    stage.server.lock().crowd = Some(Crowd { count: 1200, slides: 1 });
    stage.server.lock().forgets_snapshot = true;
    let run = stage.done(&["list"]).await;
    assert_eq!(run.out.lines().count(), 1201);
    assert!(!stage.server.lock().forgets_snapshot, "it was gone once");
}
