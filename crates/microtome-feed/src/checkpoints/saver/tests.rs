//! A directory and a folder in storage, here another directory.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;

struct Stage {
    directory: TempDir,
    saver: Saver,
    progress: watch::Receiver<Progress>,
}

/// Longer than any of these takes.
async fn long() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

impl Stage {
    fn new(prepare: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("here")).unwrap();
        prepare(directory.path());
        let folder = SlideUrl::parse_prefix(directory.path().join("there").to_str().unwrap()).unwrap();
        let saver = Saver::start(Stores::from_env(), &directory.path().join("here"), folder).unwrap();
        Self { progress: saver.progress(), saver, directory }
    }

    fn here(&self, name: &str) -> PathBuf {
        self.directory.path().join("here").join(name)
    }

    fn there(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.directory.path().join("there").join(name)).ok()
    }

    async fn until(&mut self, done: impl FnMut(&Progress) -> bool) {
        self.progress.wait_for(done).await.unwrap();
    }
}

#[tokio::test]
async fn whole_files_are_stored_while_others_are_written() {
    let mut stage = Stage::new(|_| ());
    let mut open = File::create(stage.here("slow.pt")).unwrap();
    open.write_all(b"half ").unwrap();
    fs::write(stage.here("a.pt"), "a").unwrap();
    fs::write(stage.here("b.tmp"), "b").unwrap();
    fs::rename(stage.here("b.tmp"), stage.here("b.pt")).unwrap();
    stage.until(|progress| progress.stored == 2).await;
    assert_eq!((stage.there("a.pt"), stage.there("b.pt")), (Some("a".to_owned()), Some("b".to_owned())));
    stage.until(|progress| progress.outstanding == ["slow.pt"]).await;
    assert_eq!(stage.there("slow.pt"), None);
    open.write_all(b"and half").unwrap();
    drop(open);
    stage.until(|progress| progress.stored == 3).await;
    assert_eq!(stage.there("slow.pt"), Some("half and half".to_owned()));
    fs::write(stage.here("a.pt"), "newer").unwrap();
    stage.until(|progress| progress.stored == 4).await;
    assert_eq!(stage.there("a.pt"), Some("newer".to_owned()));
    assert_eq!(stage.saver.finish(false, long()).await, [""; 0]);
}

#[tokio::test]
async fn what_the_program_removes_is_removed_and_what_was_restored_is_left() {
    let mut stage = Stage::new(|root| {
        fs::create_dir(root.join("there")).unwrap();
        for name in ["there/1.pt", "here/1.pt", "there/2.pt", "here/2.pt", "there/others.pt"] {
            fs::write(root.join(name), "x").unwrap();
        }
    });
    fs::write(stage.here("3.pt"), "x").unwrap();
    fs::remove_file(stage.here("1.pt")).unwrap();
    stage.until(|progress| progress.removed == 1).await;
    let stored = stage.progress.borrow().stored;
    assert_eq!(stored, 1, "what was restored is stored already");
    let kept = ["1.pt", "2.pt", "3.pt", "others.pt"].map(|name| stage.there(name).is_some());
    assert_eq!(kept, [false, true, true, true]);
}

#[tokio::test]
async fn at_the_end_all_is_stored_folders_and_links_as_well() {
    let stage = Stage::new(|_| ());
    fs::create_dir_all(stage.here("epoch-1/part")).unwrap();
    fs::write(stage.here("epoch-1/part/model.pt"), "model").unwrap();
    std::os::unix::fs::symlink("epoch-1/part/model.pt", stage.here("last.pt")).unwrap();
    std::os::unix::fs::symlink("/proc/self/environ", stage.here("keys.pt")).unwrap();
    let large = "0123456789".repeat(1_234_567);
    fs::write(stage.here("large.pt"), &large).unwrap();
    fs::write(stage.here("empty"), "").unwrap();
    let there = stage.directory.path().join("there");
    let unsaved = stage.saver.finish(false, long()).await;
    assert_eq!(unsaved, [""; 0]);
    let read = |name: &str| fs::read_to_string(there.join(name)).unwrap();
    assert_eq!(
        (read("epoch-1/part/model.pt"), read("last.pt"), read("empty")),
        ("model".into(), "model".into(), String::new())
    );
    assert!(read("large.pt") == large);
    assert!(!there.join("keys.pt").exists());
}

#[tokio::test]
async fn a_file_over_which_the_program_was_killed_does_not_replace_a_whole_one() {
    let mut stage = Stage::new(|_| ());
    fs::write(stage.here("a.pt"), "whole").unwrap();
    stage.until(|progress| progress.stored == 1).await;
    let mut open = File::create(stage.here("a.pt")).unwrap();
    open.write_all(b"ha").unwrap();
    drop(open);
    let there = stage.directory.path().join("there/a.pt");
    assert_eq!(stage.saver.finish(true, long()).await, ["a.pt"]);
    assert_eq!(fs::read_to_string(there).unwrap(), "whole");
}

#[tokio::test]
async fn storage_that_fails_is_tried_again_and_at_last_given_up() {
    let in_the_way = |root: &Path| fs::write(root.join("there"), "no directory").unwrap();
    let mut stage = Stage::new(in_the_way);
    fs::write(stage.here("a.pt"), "a").unwrap();
    stage.until(|progress| progress.failed == 1).await;
    let there = stage.directory.path().join("there");
    fs::remove_file(&there).unwrap();
    stage.until(|progress| progress.stored == 1).await;
    assert_eq!(stage.there("a.pt"), Some("a".to_owned()));

    let mut stage = Stage::new(in_the_way);
    fs::write(stage.here("a.pt"), "a").unwrap();
    let mut progress = stage.progress.clone();
    let patience = async move {
        progress.wait_for(|progress| progress.failed == 2).await.unwrap();
    };
    stage.until(|progress| progress.failed == 1).await;
    assert_eq!(stage.saver.finish(false, patience).await, ["a.pt"]);
}
