//! Slides in the local file system.

use std::{
    io,
    path::{Component, Path as FilePath, PathBuf},
    sync::Arc,
};

use object_store::{Error, ObjectStore, Result, local::LocalFileSystem, path::Path};

use crate::{SlideUrl, url::Location};

/// A store rooted at `/`: the URL's path is absolute.
pub(super) fn client() -> Arc<dyn ObjectStore> {
    Arc::new(LocalFileSystem::new())
}

/// The store's path of an absolute path. Stores have no `..`: such a path is resolved on the file system, links included.
pub(super) fn object_path(path: &FilePath) -> Result<Path> {
    if !path.components().any(|part| part == Component::ParentDir) {
        return Ok(Path::from_absolute_path(path)?);
    }
    let resolved = path.canonicalize().map_err(|source| {
        let path = path.display().to_string();
        match source.kind() {
            io::ErrorKind::NotFound => Error::NotFound { path, source: source.into() },
            _ => Error::Generic { store: "local", source: source.into() },
        }
    })?;
    Ok(Path::from_absolute_path(resolved)?)
}

/// The file of a path that the store listed.
pub(super) fn file_path(path: &Path) -> Option<PathBuf> {
    LocalFileSystem::new().path_to_filesystem(path).ok()
}

/// Where a file is written before it has its name: beside it, hidden, the same at every try.
pub(super) fn unfinished(path: &FilePath) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.part"))
}

/// Whether a file is one that is, or was, being written.
pub(super) fn is_unfinished(url: &SlideUrl) -> bool {
    let name = url.name();
    matches!(url.location(), Location::Local { .. }) && name.starts_with('.') && name.ends_with(".part")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_resolved() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("a")).unwrap();
        std::fs::write(root.join("x.svs"), b"x").unwrap();
        let direct = object_path(&root.join("x.svs")).unwrap();
        assert_eq!(object_path(&root.join("a/../x.svs")).unwrap(), direct);
        assert!(matches!(object_path(&root.join("a/../y.svs")), Err(Error::NotFound { .. })));
    }
}
