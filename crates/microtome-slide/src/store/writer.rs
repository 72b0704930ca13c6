//! Objects that are written piece by piece and appear whole or not at all.
//!
//! In a bucket that is an upload in parts, which the store puts together at its end. A local file is written beside its
//! place under a name that the next try finds again, so that a killed process leaves at most one such file, and never a
//! half one under the real name.

use std::{
    fs::{File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart, path::Path};

use super::{Cause, cause::store_error, local::unfinished};
use crate::{Error, SlideUrl};

/// A part: the smallest that S3 takes, so that slow links finish one in time. 10,000 of them are 50 GB.
const PART_BYTES: usize = 5 << 20;

/// Parts on their way at once; with the one being filled, 20 MiB a writer.
const PARALLEL_PARTS: usize = 3;

/// An object that is being written. Dropped before [`ObjectWriter::finish`], it never was.
#[derive(Debug)]
pub struct ObjectWriter {
    url: SlideUrl,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Local { file: Arc<File>, unfinished: PathBuf, path: PathBuf },
    Remote { store: Arc<dyn ObjectStore>, path: Path, buffer: BytesMut, upload: Option<WriteMultipart> },
}

impl ObjectWriter {
    pub(super) fn remote(url: &SlideUrl, store: Arc<dyn ObjectStore>, path: Path) -> Self {
        Self { url: url.clone(), target: Target::Remote { store, path, buffer: BytesMut::new(), upload: None } }
    }

    pub(super) async fn local(url: &SlideUrl, path: &FilePath) -> Result<Self, Error> {
        let (path, unfinished) = (path.to_owned(), unfinished(path));
        let target = blocking(url, move || {
            if let Some(directory) = path.parent() {
                std::fs::create_dir_all(directory)?;
            }
            let file = Arc::new(claim(&unfinished)?);
            Ok(Target::Local { file, unfinished, path })
        });
        Ok(Self { url: url.clone(), target: target.await? })
    }

    /// The next bytes.
    ///
    /// # Errors
    /// `Denied`, `NotFound` (no such bucket), `Storage`; then the object will not be.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        match &mut self.target {
            Target::Local { file, .. } => {
                let file = Arc::clone(file);
                blocking(&self.url, move || (&*file).write_all(&bytes)).await
            }
            Target::Remote { store, path, buffer, upload } => {
                let failed = |error: object_store::Error| store_error(&self.url, "write", &error);
                if upload.is_none() && buffer.len() + bytes.len() > PART_BYTES {
                    let parts = store.put_multipart(path).await.map_err(failed)?;
                    upload.insert(WriteMultipart::new_with_chunk_size(parts, PART_BYTES)).put(buffer.split().freeze());
                }
                let Some(upload) = upload else {
                    buffer.extend_from_slice(&bytes);
                    return Ok(());
                };
                let mut rest = bytes;
                while !rest.is_empty() {
                    upload.wait_for_capacity(PARALLEL_PARTS).await.map_err(failed)?;
                    upload.put(rest.split_to(rest.len().min(PART_BYTES)));
                }
                Ok(())
            }
        }
    }

    /// Makes the object appear.
    ///
    /// # Errors
    /// As [`ObjectWriter::write`].
    pub async fn finish(self) -> Result<(), Error> {
        let failed = |error: object_store::Error| store_error(&self.url, "write", &error);
        match self.target {
            Target::Local { file, unfinished, path } => {
                // The lock goes with the file, after the new name is there.
                let publish = move || file.sync_all().and_then(|()| std::fs::rename(unfinished, path));
                blocking(&self.url, publish).await
            }
            Target::Remote { upload: Some(upload), .. } => upload.finish().await.map(drop).map_err(failed),
            Target::Remote { store, path, buffer, .. } => {
                store.put(&path, buffer.freeze().into()).await.map(drop).map_err(failed)
            }
        }
    }

    /// Gives the object up and removes what was stored of it.
    ///
    /// # Errors
    /// As [`ObjectWriter::write`].
    pub async fn abort(self) -> Result<(), Error> {
        match self.target {
            Target::Local { unfinished, .. } => blocking(&self.url, move || std::fs::remove_file(unfinished)).await,
            Target::Remote { upload: Some(upload), .. } => {
                upload.abort().await.map_err(|error| store_error(&self.url, "write", &error))
            }
            Target::Remote { .. } => Ok(()),
        }
    }
}

/// Opens the unfinished file for this process alone, empty.
fn claim(path: &FilePath) -> io::Result<File> {
    loop {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another process is writing it")),
            // A file system without locks: the caller has to see to it.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        // Who had it before may have finished it in between: then it has its real name, and is not ours to empty.
        let same = |found: std::fs::Metadata| file.metadata().is_ok_and(|ours| ours.ino() == found.ino());
        if std::fs::metadata(path).is_ok_and(same) {
            file.set_len(0)?;
            return Ok(file);
        }
    }
}

/// Does file work beside the runtime.
async fn blocking<T: Send + 'static>(
    url: &SlideUrl,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
    done.map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Error::Denied { url: url.clone(), operation: "write", source: Cause::of(&error) }
        }
        _ => Error::Storage { url: url.clone(), operation: "write", source: Cause::of(&error) },
    })
}
