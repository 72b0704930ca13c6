//! `version`: prints the plugin's version.

use crate::output;

/// Print the plugin's version, and that of the kinds it knows
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(Args {}: &Args) -> anyhow::Result<()> {
    output::print(&format!("kubectl-microtome {} (microtome.dev/v1alpha1)\n", env!("CARGO_PKG_VERSION")))
}
