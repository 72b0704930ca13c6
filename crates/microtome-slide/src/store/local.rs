//! Slides in the local file system.

use std::{
    io,
    path::{Component, Path as FilePath},
    sync::Arc,
};

use object_store::{Error, ObjectStore, Result, local::LocalFileSystem, path::Path};

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
