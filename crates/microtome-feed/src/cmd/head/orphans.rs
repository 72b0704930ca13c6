//! The processes that a program leaves behind come to the head if that is the container's first: they are waited for, lest
//! their entries fill the process table. The program itself is waited for elsewhere, and is left alone here.
//!
//! A head of one job needs no more than that: its pod ends with it. A standing one ends what is left before the next job.

use std::fs;
use std::process;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, wait, waitpid};

/// What is killed is gone within this, unless it hangs in the kernel.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at what is still there; what was killed takes a fraction of a millisecond.
const TURN: Duration = Duration::from_millis(2);

/// Waits for all children of this process that have ended, but not for `program`.
pub(super) fn reap(program: Pid) {
    let ended = fs::read_dir("/proc").into_iter().flatten().filter_map(|entry| {
        let id = entry.ok()?.file_name().to_str()?.parse().ok()?;
        is_zombie_of(process::id(), &fs::read_to_string(format!("/proc/{id}/stat")).ok()?).then_some(id)
    });
    for pid in ended.filter_map(Pid::from_raw).filter(|pid| *pid != program) {
        // It is ours and has ended; nobody else waits for it, so its id is still its own.
        if waitpid(Some(pid), WaitOptions::NOHANG).is_ok() {
            tracing::debug!(pid = pid.as_raw_nonzero(), "an orphan has ended");
        }
    }
}

/// From now on processes whose parents end become this one's children.
pub(super) fn adopt() -> Result<()> {
    set_child_subreaper(Some(getpid())).context("cannot take over what programs leave behind")
}

/// Ends all children. Only while no program runs that somebody waits for: its end would be heard here.
pub(super) async fn end() {
    if tokio::time::timeout(PATIENCE, end_all()).await.is_err() {
        tracing::warn!("a process that a program left behind cannot be ended");
    }
}

async fn end_all() {
    loop {
        for child in children() {
            // One that is gone needs no signal.
            let _ = kill_process(child, Signal::KILL);
        }
        // The children of what has ended are ours now. No blocking wait: it could not be given up.
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        if wait(WaitOptions::NOHANG).is_err() {
            return;
        }
        tokio::time::sleep(TURN).await;
    }
}

/// The children of all threads of this process.
fn children() -> Vec<Pid> {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let texts = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    let pids = |text: String| -> Vec<Pid> {
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).filter_map(Pid::from_raw).collect()
    };
    texts.flat_map(pids).collect()
}

/// By a line of `/proc/ID/stat`: id, name in parentheses (which may hold any), state, parent.
fn is_zombie_of(parent: u32, stat: &str) -> bool {
    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.next() == Some("Z") && fields.next().and_then(|id| id.parse().ok()) == Some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_look_like_anything() {
        assert!(is_zombie_of(7, "12 (python3) Z 7 12 7 0 -1 4228300"));
        assert!(is_zombie_of(7, "12 (a) S 1 (b)) Z 7 12 7 0"));
        assert!(!is_zombie_of(7, "12 (python3) S 7 12 7 0"));
        assert!(!is_zombie_of(7, "12 (a) Z 7) Z 8 12 7 0"));
        assert!(!is_zombie_of(7, ""));
    }
}
