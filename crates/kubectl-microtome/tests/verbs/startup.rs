//! What the plugin takes before it asks the cluster anything.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::stage::{Stage, plugin};

/// Nobody notices less.
const MOST: Duration = Duration::from_millis(50);
/// What a busy machine adds is not the plugin's, and does not come each time.
const TIMES: usize = 20;

#[tokio::test]
async fn it_starts_before_anybody_notices() {
    let stage = Stage::researcher().await;
    let file = stage.file("patchjob.yaml", include_str!("../../../../config/samples/patchjob.yaml"));
    for line in [&["version"][..], &["submit", "--help"], &["submit", "-f", &file, "--dry-run=client"]] {
        let took = || {
            let begun = Instant::now();
            let mut command = std::process::Command::new(plugin());
            command.args(line).env("KUBECONFIG", stage.folder.path().join("config"));
            assert!(command.stdout(Stdio::null()).status().unwrap().success(), "{line:?}");
            begun.elapsed()
        };
        let least = (0..TIMES).map(|_| took()).min().unwrap();
        println!("{line:?}: {least:.2?}");
        assert!(least < MOST, "{line:?} took {least:?}");
    }
    assert!(stage.server.lock().requests.is_empty(), "the cluster was asked");
}
