//! `microtome install DIRECTORY`: what the head needs and the user's image does not have. Our own image holds no shell that
//! could copy it.
//!
//! The binary, the Python package, the job's own package, and the checkpoints of an earlier attempt: each appears whole or
//! not at all, and installing again does no harm.

use std::env;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use microtome_api::mount;
use microtome_slide::{SlideUrl, Stores};

use super::storage;
use crate::checkpoints::restore;
use crate::file;
use crate::package::{self, Limits};

/// The binary's name.
const BINARY: &str = "microtome";

/// Arguments of `microtome install`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the binary goes, and the folders python and package; made if it is missing.
    directory: PathBuf,
    /// The Python package [default: the one of our image, if this is our image].
    #[arg(long, value_name = "DIRECTORY")]
    python: Option<PathBuf>,
    /// The job's own package: a tar, compressed by gzip or not.
    #[arg(long, value_name = "FILE", requires = "package_sha256", conflicts_with = "package_url")]
    package_file: Option<PathBuf>,
    /// The same, in storage.
    #[arg(long, value_name = "URL", requires = "package_sha256")]
    package_url: Option<String>,
    /// The SHA-256 of the tar; another one is refused.
    #[arg(long, value_name = "HEX", value_parser = sha256)]
    package_sha256: Option<String>,
    /// Checkpoints that are fetched; there may be none.
    #[arg(long, value_name = "URL", requires = "checkpoints")]
    restore: Option<String>,
    /// Where they go.
    #[arg(long, value_name = "DIRECTORY", requires = "restore")]
    checkpoints: Option<PathBuf>,
}

#[tokio::main]
pub(super) async fn run(args: &Args) -> Result<ExitCode> {
    let directory = &args.directory;
    let source = env::current_exe().context("this binary's path is not known")?;
    let target = directory.join(BINARY);
    file::replace_by_copy(&source, &target, file::OPEN).with_context(|| cannot_be_written(&target))?;
    python(args.python.as_deref(), &directory.join(mount::PYTHON))?;
    let stores = storage::stores();
    if let (Some(url), Some(sha256)) = (package(args)?, &args.package_sha256) {
        let target = directory.join(mount::PACKAGE);
        let unpacked = package::install((&stores, &url), sha256, &target, Limits::default()).await?;
        tracing::info!(files = unpacked.files, bytes = unpacked.bytes, "package unpacked");
    }
    if let (Some(url), Some(checkpoints)) = (&args.restore, &args.checkpoints) {
        fetch(&stores, url, checkpoints).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Copies the Python package. Only one that was asked for must be there.
fn python(given: Option<&Path>, target: &Path) -> Result<()> {
    let source = given.unwrap_or(Path::new(mount::IMAGE_PYTHON));
    let cannot_be_read = || format!("--python {}: cannot be read", source.display());
    if let Err(error) = source.metadata() {
        let may_be_missing = given.is_none() && error.kind() == ErrorKind::NotFound;
        return if may_be_missing { Ok(()) } else { Err(error).with_context(cannot_be_read) };
    }
    let copied = file::replace_directory(target, |beside| file::copy_directory(source, beside));
    copied
        .with_context(|| cannot_be_written(target))?
        .with_context(|| format!("{} → {}", source.display(), target.display()))
}

/// Where the job's own package lies.
fn package(args: &Args) -> Result<Option<SlideUrl>> {
    let of_file = |path: &PathBuf| std::path::absolute(path).map(|path| path.display().to_string());
    Ok(match (&args.package_file, &args.package_url) {
        (Some(path), _) => {
            let parsed = SlideUrl::parse(&of_file(path)?);
            Some(parsed.with_context(|| format!("--package-file {}", path.display()))?)
        }
        (None, Some(url)) => Some(SlideUrl::parse(url).context("--package-url")?),
        (None, None) => None,
    })
}

async fn fetch(stores: &Stores, url: &str, directory: &Path) -> Result<()> {
    let folder = SlideUrl::parse_prefix(url).context("--restore")?;
    let restored = restore::restore(stores, &folder, directory).await?;
    tracing::info!(files = restored.files, bytes = restored.bytes, %folder, "checkpoints restored");
    Ok(())
}

fn cannot_be_written(path: &Path) -> String {
    format!("{}: cannot be written", path.display())
}

fn sha256(text: &str) -> Result<String, String> {
    if text.len() != 64 || !text.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err("a SHA-256 is 64 hexadecimal digits".to_owned());
    }
    Ok(text.to_ascii_lowercase())
}
