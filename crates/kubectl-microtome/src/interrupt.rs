//! Ctrl-C while something is only looked at: it goes on, and that is said.

use std::process::ExitCode;

/// As a shell sees a program that SIGINT ended.
pub(crate) const INTERRUPTED: u8 = 130;

/// Does the work; at Ctrl-C it is left, `goes_on` is said on stderr, and the exit code tells it.
pub(crate) async fn or_leave(
    work: impl Future<Output = anyhow::Result<ExitCode>>,
    goes_on: &str,
) -> anyhow::Result<ExitCode> {
    tokio::select! {
        outcome = work => outcome,
        outcome = tokio::signal::ctrl_c() => {
            outcome?;
            eprintln!("\n{goes_on}");
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}
