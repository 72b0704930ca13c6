//! Telling a worker to stop.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;

/// Whether to stop, and how long leases that are under way may take then.
#[derive(Clone, Debug)]
pub struct Stop {
    told: watch::Receiver<bool>,
    grace: Duration,
}

impl Stop {
    /// Stops once `true` is sent. What is not done within `grace` goes back to the head undone.
    pub fn when(told: watch::Receiver<bool>, grace: Duration) -> Self {
        Self { told, grace }
    }

    /// Never stops.
    pub fn never() -> Self {
        Self { told: watch::channel(false).1, grace: Duration::ZERO }
    }

    pub(super) fn grace(&self) -> Duration {
        self.grace
    }

    /// Waits until the worker is told to stop.
    pub(super) async fn told(&mut self) {
        // Without anybody who could tell, it never is.
        if self.told.wait_for(|told| *told).await.is_err() {
            pending::<()>().await;
        }
    }
}
