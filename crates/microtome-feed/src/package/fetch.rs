//! A package's bytes, copied and checked.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::path::Path;

use microtome_slide::{SlideUrl, Stores};
use sha2::{Digest as _, Sha256};

use super::PackageError;

/// The tar in a file that has no name, on the file system of `room`, at its start; its digest was that.
pub(super) async fn fetch(
    (stores, url): (&Stores, &SlideUrl),
    sha256: &str,
    limit: u64,
    (room, failed): (&Path, &impl Fn(io::Error) -> PackageError),
) -> Result<File, PackageError> {
    let mut object = stores.open_object(url).await?;
    if object.size() > limit {
        return Err(PackageError::Large { bytes: object.size(), limit });
    }
    let mut file = tempfile::tempfile_in(room).map_err(failed)?;
    let mut digest = Sha256::new();
    while let Some(bytes) = object.next().await? {
        digest.update(&bytes);
        file.write_all(&bytes).map_err(failed)?;
    }
    let found: String = digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if found != sha256 {
        return Err(PackageError::Digest { expected: sha256.to_owned(), found });
    }
    file.rewind().map_err(failed)?;
    Ok(file)
}
