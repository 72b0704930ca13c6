//! The loop under what is decided for all objects at once: rung by watches, one pass at a time, bursts gathered.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tracing::warn;

use crate::context::Context;
use crate::metrics::Pass;
use crate::{logs, write};

/// Events come in bursts; one pass does for all of them.
const GATHER: Duration = Duration::from_millis(100);
const RETRY: Duration = Duration::from_secs(2);
/// Even if no event comes: a pass is cheap, a job that waits for nothing is not.
const AT_LEAST_EVERY: Duration = Duration::from_secs(60);

/// Asks for a pass. Rung during a pass, it asks for one more.
#[derive(Clone, Default)]
pub(crate) struct Bell(Arc<Notify>);

impl Bell {
    pub(crate) fn ring(&self) {
        self.0.notify_one();
    }
}

/// What a loop runs with.
pub(crate) struct Loop {
    /// In the log and in metrics.
    pub(crate) name: &'static str,
    pub(crate) bell: Bell,
    pub(crate) context: Arc<Context>,
}

/// Runs a pass whenever the bell rings, until `stop`.
pub(crate) async fn run<Running>(work: Loop, stop: impl Future<Output = ()> + Send, pass: fn(Arc<Context>) -> Running)
where
    Running: Future<Output = Result<(), write::Error>> + Send,
{
    let passes = async {
        work.context.world.ready().await;
        loop {
            let running = pass(work.context.clone());
            let wait = match work.context.metrics.measured(work.name, running, judge).await {
                Ok(()) => AT_LEAST_EVERY,
                // Somebody wrote in between.
                Err(error) if error.is_conflict() => GATHER,
                Err(error) => {
                    let (category, error) = (error.category(), logs::chain(&error));
                    warn!(part = work.name, category, error, "pass failed");
                    RETRY
                }
            };
            // Rung or timed out, the pass is the same.
            let _ = tokio::time::timeout(wait, work.bell.0.notified()).await;
            tokio::time::sleep(GATHER).await;
        }
    };
    tokio::select! {
        () = stop => {}
        () = passes => {}
    }
}

fn judge(ended: &Result<(), write::Error>) -> Pass {
    match ended {
        Ok(()) => Pass::Done,
        // Somebody wrote in between, and it looks anew.
        Err(error) if error.is_conflict() => Pass::Requeued,
        Err(_) => Pass::Failed,
    }
}
