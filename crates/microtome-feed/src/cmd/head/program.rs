//! The program: a child in its own process group.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::super::environment::Environment;
use super::orphans;
use super::tail::Tail;
use crate::handoff::HandedOff;

/// A program that has read everything may end before the hand-off has noted it; no longer than this is waited for that.
const LAST_NOTE: Duration = Duration::from_secs(1);

/// What shells add to a signal's number for an exit code.
const SIGNALLED: i32 = 128;

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its exit code.
    pub(super) exit_code: i32,
    /// How the hand-off ended, if the program took part in it.
    pub(super) handed: Option<HandedOff>,
    /// Whether it was told to end.
    pub(super) told: bool,
    /// Checkpoints that are not in storage, by their names.
    pub(super) unsaved: Vec<String>,
}

/// A running program.
pub(super) struct Program {
    child: Child,
    /// Of the process and of its group.
    id: Pid,
}

impl Program {
    /// Starts `command`, with its output into `tail` besides, if there is one.
    pub(super) fn start(command: &[String], environment: &Environment, tail: Option<&Tail>) -> Result<Self> {
        let [program, arguments @ ..] = command else { bail!("no command") };
        let output = || if tail.is_some() { Stdio::piped() } else { Stdio::inherit() };
        let mut command = Command::new(program);
        command.args(arguments).stdout(output()).stderr(output()).process_group(0).kill_on_drop(true);
        environment.give(command.as_std_mut());
        let mut child = command.spawn().with_context(|| format!("{program}: cannot be started"))?;
        if let Some(tail) = tail {
            tail.follow(child.stdout.take(), child.stderr.take());
        }
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(Self { id: id.context("the program ended at once")?, child })
    }

    /// Waits for the program, passes signals on, and ends it: some time after its feed failed, and when `until` is there.
    pub(super) async fn attend(
        &mut self,
        (mut handing, closing): (JoinHandle<io::Result<HandedOff>>, oneshot::Sender<()>),
        until: impl Future<Output = ()>,
        grace: Duration,
    ) -> Result<Ended> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut children = signal(SignalKind::child())?;
        let (mut handed, mut told) = (None, false);
        let deadline = tokio::time::sleep(Duration::MAX);
        tokio::pin!(deadline, until);
        let mut is_over = false;
        let status = loop {
            tokio::select! {
                status = self.child.wait() => break status?,
                outcome = &mut handing, if handed.is_none() => {
                    let outcome = outcome??;
                    if let HandedOff::Failed(error) = &outcome {
                        tracing::error!(%error, grace_s = grace.as_secs(), "the program was told that its feed failed");
                        deadline.as_mut().reset(tokio::time::Instant::now() + grace);
                    }
                    handed = Some(outcome);
                }
                () = &mut deadline => {
                    self.signal(Signal::KILL);
                    deadline.as_mut().reset(tokio::time::Instant::now() + grace);
                }
                _ = children.recv() => orphans::reap(self.id),
                () = &mut until, if !is_over => {
                    (told, is_over) = (true, true);
                    self.signal(Signal::TERM);
                    deadline.as_mut().reset(tokio::time::Instant::now() + grace);
                }
                _ = terminate.recv() => {
                    told = true;
                    self.signal(Signal::TERM);
                }
                _ = interrupt.recv() => {
                    told = true;
                    self.signal(Signal::INT);
                }
            }
        };
        // What the program left running in its group has nobody to talk to any more.
        self.signal(Signal::KILL);
        // Nobody will connect any more.
        drop(closing);
        if handed.is_none()
            && let Ok(outcome) = tokio::time::timeout(LAST_NOTE, &mut handing).await
        {
            handed = Some(outcome??);
        }
        handing.abort();
        Ok(Ended { exit_code: exit_code(status), handed, told, unsaved: Vec::new() })
    }

    fn signal(&self, signal: Signal) {
        // A group that is gone needs no signal.
        let _ = kill_process_group(self.id, signal);
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| SIGNALLED + signal)).unwrap_or(SIGNALLED)
}
