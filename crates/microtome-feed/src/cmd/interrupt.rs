//! Being told to stop: Ctrl-C, or the end of a pod.

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What shells add to a signal's number for an exit code.
const SIGNALLED: u8 = 128;

/// The signals that ask for an end.
#[derive(Debug)]
pub(super) struct Interrupt {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupt {
    /// From now on the signals do not end the process by themselves; must be called on a runtime.
    pub(super) fn watch() -> Result<Self> {
        let watch = |kind| signal(kind).context("signals cannot be watched");
        Ok(Self { interrupt: watch(SignalKind::interrupt())?, terminate: watch(SignalKind::terminate())? })
    }

    /// Waits for one of them; the exit code that shells expect then.
    pub(super) async fn told(&mut self) -> u8 {
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        };
        SIGNALLED + u8::try_from(kind.as_raw_value()).unwrap_or(0)
    }
}
