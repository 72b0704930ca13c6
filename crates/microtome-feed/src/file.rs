//! Files and directories that appear whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

/// Everybody may read it, the owner write it.
pub(crate) const PLAIN: u32 = 0o644;
/// Everybody may read and run it, or look into it.
pub(crate) const OPEN: u32 = 0o755;

/// Writes a file in place of the one before, whole or not at all.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = beside(path)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Copies a file in place of the one before, which may be a program that runs.
pub(crate) fn replace_by_copy(from: &Path, to: &Path, mode: u32) -> io::Result<()> {
    let mut file = beside(to)?;
    io::copy(&mut File::open(from)?, file.as_file_mut())?;
    publish(file, to, mode)
}

/// A file that is to become `path`; private, and removed if it does not.
pub(crate) fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let directory = parent(path);
    fs::create_dir_all(directory)?;
    NamedTempFile::new_in(directory)
}

/// Makes a file that was written beside `path` that one.
pub(crate) fn publish(file: NamedTempFile, path: &Path, mode: u32) -> io::Result<()> {
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.persist(path)?;
    Ok(())
}

/// Makes a directory in place of the one before: `fill` is given one beside it, which is removed if that fails.
///
/// # Errors
/// Those of the directory itself; inside, those of `fill`.
pub(crate) fn replace_directory<T, E>(
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<T, E>,
) -> io::Result<Result<T, E>> {
    let directory = parent(path);
    fs::create_dir_all(directory)?;
    let beside = tempfile::tempdir_in(directory)?;
    let filled = fill(beside.path());
    if filled.is_err() {
        return Ok(filled);
    }
    fs::set_permissions(beside.path(), Permissions::from_mode(OPEN))?;
    // Renaming replaces no directory that holds something.
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::rename(beside.path(), path)?,
    }
    // It has another name now.
    let _ = beside.keep();
    Ok(filled)
}

/// Copies what is in a directory of our own into another: files and directories, with plain modes.
pub(crate) fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir(&target)?;
            fs::set_permissions(&target, Permissions::from_mode(OPEN))?;
            copy_directory(&entry.path(), &target)?;
        } else if kind.is_file() {
            let executable = entry.metadata()?.permissions().mode() & 0o111 != 0;
            replace_by_copy(&entry.path(), &target, if executable { OPEN } else { PLAIN })?;
        } else {
            let what = format!("{}: is neither file nor directory", entry.path().display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
    }
    Ok(())
}

/// The directory that a path lies in.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
