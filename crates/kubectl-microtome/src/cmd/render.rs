//! `render`: what `submit` would make, without making it.

use std::path::PathBuf;

use crate::job::flags::Flags;
use crate::job::order::{self, config_map};
use crate::output;
use crate::screen::render::render;
use crate::target::Target;

/// Print what submit would make, and what the operator would make of it; needs no cluster
///
/// The output can be given to `kubectl apply -f -`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    flags: Flags,
    /// Write the tar of --package here, to put it into storage for --package-url
    #[arg(long, value_name = "FILE", requires = "package")]
    package_file: Option<PathBuf>,
}

pub(super) fn run(args: &Args, target: &Target) -> anyhow::Result<()> {
    let order = order::order(&args.flags, target.namespace.as_deref())?;
    if let Some(path) = &args.package_file {
        order::keep(&order, path)?;
    }
    let map = match &order.code {
        Some((packed, Some(name))) => Some(config_map(name, packed, &order.job)),
        _ => None,
    };
    output::print(&render(&order.job, map.as_ref())?)
}
