//! The command line. It becomes settings; nothing else reads it.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::settings::{Format, StatusSettings, Target};

/// What becomes of your patch jobs.
#[derive(Debug, Parser)]
#[command(name = "kubectl microtome", bin_name = "kubectl microtome", version, about)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show one job, or all jobs of the namespace
    Status(Status),
    /// Print the plugin's version
    Version,
}

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// The job; without it, all jobs of the namespace
    name: Option<String>,
    /// Namespace; otherwise the context's
    #[arg(short, long)]
    namespace: Option<String>,
    /// Context of the kubeconfig; otherwise its current one
    #[arg(long)]
    context: Option<String>,
    /// The kubeconfig; otherwise $KUBECONFIG, then ~/.kube/config
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table")]
    output: Format,
}

impl From<Status> for StatusSettings {
    fn from(status: Status) -> Self {
        let Status { name, namespace, context, kubeconfig, output } = status;
        Self { name, output, target: Target { namespace, context, kubeconfig } }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_sound() {
        Args::command().debug_assert();
        let wrong = Args::try_parse_from(["kubectl microtome", "status", "-o", "xml"]).unwrap_err();
        assert_eq!(wrong.exit_code(), 2);
    }
}
