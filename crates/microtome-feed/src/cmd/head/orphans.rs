//! The processes that a program leaves behind come to the head if that is the container's first: they are waited for, lest
//! their entries fill the process table. The program itself is waited for elsewhere, and is left alone here.

use std::fs;
use std::process;

use rustix::process::{Pid, WaitOptions, waitpid};

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
