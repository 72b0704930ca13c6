//! The last of what a program wrote: on its way to the head's own output it is kept for the result.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStderr, ChildStdout};
use tokio::task::JoinSet;

/// As much as a pod's termination message holds.
const KEPT_BYTES: usize = 4096;
/// What a program wrote before it ended is read within this; a process that left its group may hold its output open for ever.
const REST: Duration = Duration::from_secs(1);

/// The last lines of a program.
#[derive(Debug, Default)]
pub(super) struct Tail {
    kept: Arc<Mutex<VecDeque<u8>>>,
    copying: Mutex<JoinSet<()>>,
}

impl Tail {
    /// Copies what comes from a program to this process's own outputs.
    pub(super) fn follow(&self, out: Option<ChildStdout>, err: Option<ChildStderr>) {
        let mut copying = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(out) = out {
            copying.spawn(copy(out, std::io::stdout, Arc::clone(&self.kept)));
        }
        if let Some(err) = err {
            copying.spawn(copy(err, std::io::stderr, Arc::clone(&self.kept)));
        }
    }

    /// The last whole lines, once the program has ended.
    pub(super) async fn lines(self) -> String {
        let mut copying = self.copying.into_inner().unwrap_or_else(PoisonError::into_inner);
        let all = async { while copying.join_next().await.is_some() {} };
        // What comes later than that nobody waits for.
        let _ = tokio::time::timeout(REST, all).await;
        let mut kept = lock(&self.kept);
        let is_cut = kept.len() == KEPT_BYTES;
        let text = String::from_utf8_lossy(kept.make_contiguous());
        match text.split_once('\n') {
            Some((_, rest)) if is_cut => rest.trim_end().to_owned(),
            _ => text.trim_end().to_owned(),
        }
    }
}

async fn copy<W: Write>(
    mut from: impl AsyncRead + Unpin,
    to: impl Fn() -> W + Copy + Send + 'static,
    kept: Arc<Mutex<VecDeque<u8>>>,
) {
    let mut chunk = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        {
            let mut kept = lock(&kept);
            kept.extend(&chunk[..read]);
            let over = kept.len().saturating_sub(KEPT_BYTES);
            kept.drain(..over);
        }
        let bytes = chunk[..read].to_vec();
        let write = move || {
            // A log that nobody reads must not stop the program.
            let _ = to().write_all(&bytes).and_then(|()| to().flush());
        };
        let _ = tokio::task::spawn_blocking(write).await;
    }
}

fn lock(kept: &Mutex<VecDeque<u8>>) -> MutexGuard<'_, VecDeque<u8>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_whole_lines_are_kept() {
        let kept = |text: String| async move {
            let tail = Tail::default();
            copy(text.as_bytes(), std::io::sink, Arc::clone(&tail.kept)).await;
            tail.lines().await
        };
        assert_eq!(kept("one\ntwo\n".to_owned()).await, "one\ntwo");
        let long = kept("0123456789\n".repeat(1000)).await;
        assert!(long.len() < KEPT_BYTES && long.starts_with("0123456789\n0123456789\n"), "{long}");
    }
}
