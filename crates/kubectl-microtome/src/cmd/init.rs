//! `init`: a commented job to start from.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;

use crate::job::template;
use crate::output;

/// Write a commented patchjob.yaml for a slide, a folder of slides, or a table of them
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the slides are: az://CONTAINER/FOLDER/, az://CONTAINER/a.svs, az://CONTAINER/train.csv
    url: String,
    /// The job's name [default: the folder's]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Write it here; a file that is there is left as it is [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<()> {
    let name = args.name.clone().unwrap_or_else(|| template::name(&args.url));
    let text = template::template(&args.url, &name)?;
    let Some(path) = &args.file else { return output::print(&text) };
    let file = File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    file.with_context(|| format!("cannot write {}", path.display()))?;
    eprintln!("wrote {0}; next: kubectl microtome submit -f {0}", path.display());
    Ok(())
}
