//! `version`: prints the plugin's version.

use std::io::Write;

/// Prints it.
pub(crate) fn run() -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "kubectl-microtome {}", env!("CARGO_PKG_VERSION"))?)
}
