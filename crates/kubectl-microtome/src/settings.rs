//! What the user asked for, checked. No other module reads the command line.

use std::path::PathBuf;

use clap::ValueEnum;

/// Which cluster, and where in it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) namespace: Option<String>,
    pub(crate) context: Option<String>,
    pub(crate) kubeconfig: Option<PathBuf>,
}

/// What `status` shows.
#[derive(Debug)]
pub(crate) struct StatusSettings {
    pub(crate) name: Option<String>,
    pub(crate) output: Format,
    pub(crate) target: Target,
}

/// The form of the output.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    Json,
    Yaml,
}
