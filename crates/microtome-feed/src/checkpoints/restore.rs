//! The checkpoints of an earlier attempt, fetched into an empty directory.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use microtome_slide::{ObjectEntry, SlideUrl, Stores};

use super::MOST_FILES;
use crate::file::{self, PLAIN};
use crate::relative;

/// What was fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Why checkpoints cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Storage.
    #[error(transparent)]
    Storage(#[from] microtome_slide::Error),
    /// There are too many.
    #[error("{folder} holds {files} files, at most {MOST_FILES} checkpoints are fetched")]
    Many {
        /// Where.
        folder: SlideUrl,
        /// How many.
        files: usize,
    },
    /// One has a name that no file can have.
    #[error("{url} cannot be a file: {problem}")]
    Name {
        /// Which.
        url: SlideUrl,
        /// What is wrong with its name.
        problem: &'static str,
    },
    /// A file cannot be written.
    #[error("{}: cannot be written", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl RestoreError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.category(),
            Self::Many { .. } => "Limit",
            Self::Name { .. } => "Malformed",
            Self::File { .. } => "Io",
        }
    }
}

/// Fetches all files below `folder` into `directory`, each whole or not at all. There may be none.
///
/// # Errors
/// The first that cannot be fetched; the others before it are there.
pub async fn restore(stores: &Stores, folder: &SlideUrl, directory: &Path) -> Result<Restored, RestoreError> {
    let mut restored = Restored::default();
    for (name, entry) in stored(stores, folder).await? {
        let problem = |problem| RestoreError::Name { url: entry.url.clone(), problem };
        let path = directory.join(relative::path(name.as_bytes()).map_err(problem)?);
        let failed = |source| RestoreError::File { path: path.clone(), source };
        let mut object = stores.open_object(&entry.url).await?;
        let mut file = file::beside(&path).map_err(failed)?;
        while let Some(bytes) = object.next().await? {
            file.write_all(&bytes).map_err(failed)?;
            restored.bytes += bytes.len() as u64;
        }
        file::publish(file, &path, PLAIN).map_err(failed)?;
        restored.files += 1;
    }
    Ok(restored)
}

/// The files below a folder, by their names there.
pub(super) async fn stored(stores: &Stores, folder: &SlideUrl) -> Result<Vec<(String, ObjectEntry)>, RestoreError> {
    let listed = stores.list(folder).await?;
    let named = listed.into_iter().filter_map(|entry| Some((entry.url.under(folder)?, entry)));
    let mut named: Vec<(String, ObjectEntry)> = named.collect();
    // Accounts with real folders list those as empty objects.
    let folders: BTreeSet<String> =
        named.iter().flat_map(|(name, _)| name.match_indices('/').map(|(at, _)| name[..at].to_owned())).collect();
    named.retain(|(name, entry)| entry.size > 0 || !folders.contains(name));
    if named.len() > MOST_FILES {
        return Err(RestoreError::Many { folder: folder.clone(), files: named.len() });
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use object_store::{ObjectStore, ObjectStoreExt as _};

    use super::*;

    #[tokio::test]
    async fn files_come_back_with_their_folders() {
        let (kept, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let stores = Stores::from_env();
        let folder = SlideUrl::parse_prefix(kept.path().join("job").to_str().unwrap()).unwrap();
        assert_eq!(restore(&stores, &folder, directory.path()).await.unwrap(), Restored::default());
        for (name, text) in [("last.pt", "new"), ("epoch-1/model.pt", "model"), ("empty", "")] {
            stores.write_object(&folder.join(name).unwrap(), text.into()).await.unwrap();
        }
        fs::write(kept.path().join("job/.half.pt.part"), "hal").unwrap();
        fs::write(directory.path().join("last.pt"), "older").unwrap();
        for _ in 0..2 {
            let restored = restore(&stores, &folder, directory.path()).await.unwrap();
            assert_eq!(restored, Restored { files: 3, bytes: 8 });
            assert_eq!(fs::read_to_string(directory.path().join("last.pt")).unwrap(), "new");
            assert_eq!(fs::read_to_string(directory.path().join("epoch-1/model.pt")).unwrap(), "model");
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
        }
    }

    #[tokio::test]
    async fn folders_that_are_listed_are_no_files() {
        let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        for (key, text) in [("job/epoch-1", ""), ("job/epoch-1/model.pt", "model")] {
            memory.put(&key.into(), text.into()).await.unwrap();
        }
        let directory = tempfile::tempdir().unwrap();
        let folder = SlideUrl::parse_prefix("az://checkpoints/job/").unwrap();
        let restored = restore(&Stores::single(memory), &folder, directory.path()).await.unwrap();
        assert_eq!(restored, Restored { files: 1, bytes: 5 });
    }
}
