//! One slide in the local file system: positioned reads of a file that is kept open.
//!
//! What the page cache holds is read on the spot, for a hop to another thread costs more than the read itself. Reads that
//! would wait for a disk hop together. The ETag is object_store's for local files: inode, time of change and size; the path
//! is asked for it after every read, so that a file that was replaced or written to is noticed.

use std::{
    fs::{File, Metadata},
    io::{self, ErrorKind},
    ops::Range,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;

use crate::blocking::blocking;

/// A path, and the file that was found there once it was first read. Cheap to clone; clones share the file.
#[derive(Debug, Clone)]
pub(super) struct LocalFile {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: OnceLock<File>,
    buffers: Buffers,
}

/// Memory of bodies that nobody reads any more: fresh memory costs a fault for every page, and being made zero.
#[derive(Debug, Clone, Default)]
struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// A body in use; its memory comes back when the last slice of it has gone.
struct Body {
    bytes: Vec<u8>,
    home: Buffers,
}

/// Buffers that are kept, and the largest: what a lease of a scan reads.
const KEPT_BUFFERS: usize = 4;
const KEPT_BYTES: usize = 2 << 20;

/// What a path holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) etag: String,
    pub(super) size: u64,
}

impl LocalFile {
    /// Opens nothing yet.
    pub(super) fn new(path: &Path) -> Self {
        Self { inner: Arc::new(Inner { path: path.to_owned(), file: OnceLock::new(), buffers: Buffers::default() }) }
    }

    /// The version that the path holds now.
    pub(super) fn version(&self) -> io::Result<Version> {
        let found = std::fs::metadata(&self.inner.path)?;
        // Opening something else may block for ever, and it has no ranges.
        if !found.is_file() {
            return Err(io::Error::new(ErrorKind::InvalidInput, "not a file"));
        }
        Ok(Version { etag: etag(&found), size: found.len() })
    }

    /// The bytes of each range, shorter where the file ends, and the version that the path held after the last was read.
    pub(super) async fn read(&self, ranges: &[Range<u64>]) -> io::Result<(Vec<Bytes>, Version)> {
        if let Some(file) = self.inner.file.get()
            && let Some(bodies) = ranges.iter().map(|range| read_at_once((file, &self.inner.buffers), range)).collect()
        {
            return Ok((bodies, self.version()?));
        }
        let (this, ranges) = (self.clone(), ranges.to_vec());
        blocking(move || this.read_waiting(&ranges)).await?
    }

    fn read_waiting(&self, ranges: &[Range<u64>]) -> io::Result<(Vec<Bytes>, Version)> {
        let version = self.version()?;
        let file = match self.inner.file.get() {
            Some(file) => file,
            None => {
                let file = File::open(&self.inner.path)?;
                if etag(&file.metadata()?) != version.etag {
                    return Err(io::Error::other("replaced while it was opened"));
                }
                self.inner.file.get_or_init(|| file)
            }
        };
        let bodies = ranges.iter().map(|range| read((file, &self.inner.buffers), range)).collect::<io::Result<_>>()?;
        Ok((bodies, self.version()?))
    }
}

/// The bytes of a range, as far as the file goes.
fn read((file, buffers): (&File, &Buffers), range: &Range<u64>) -> io::Result<Bytes> {
    let mut body = buffers.take(range)?;
    let mut filled = 0;
    while filled < body.len() {
        match file.read_at(&mut body[filled..], range.start + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    body.truncate(filled);
    Ok(buffers.lend(body))
}

/// The whole range if it takes no waiting.
#[cfg(target_os = "linux")]
fn read_at_once((file, buffers): (&File, &Buffers), range: &Range<u64>) -> Option<Bytes> {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut body = buffers.take(range).ok()?;
    let length = body.len();
    let into = &mut [io::IoSliceMut::new(&mut body)];
    let read = preadv2(file, into, range.start, ReadWriteFlags::NOWAIT).ok()?;
    (read == length).then(|| buffers.lend(body))
}

#[cfg(not(target_os = "linux"))]
fn read_at_once(_: (&File, &Buffers), _: &Range<u64>) -> Option<Bytes> {
    None
}

impl Buffers {
    /// Room for a range, of whatever it held before; the caller has checked its length against the file's.
    fn take(&self, range: &Range<u64>) -> io::Result<Vec<u8>> {
        let length = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
        let mut buffer = if length <= KEPT_BYTES { self.lock().pop().unwrap_or_default() } else { Vec::new() };
        buffer.resize(length, 0);
        Ok(buffer)
    }

    /// What is in a buffer, to be shared.
    fn lend(&self, bytes: Vec<u8>) -> Bytes {
        Bytes::from_owner(Body { bytes, home: self.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let mut spare = self.home.lock();
        if spare.len() < KEPT_BUFFERS && self.bytes.capacity() <= KEPT_BYTES {
            spare.push(std::mem::take(&mut self.bytes));
        }
    }
}

fn etag(metadata: &Metadata) -> String {
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let changed = changed.unwrap_or_default().as_micros();
    format!("\"{:x}-{changed:x}-{:x}\"", metadata.ino(), metadata.len())
}

#[cfg(test)]
mod tests {
    use std::slice;

    use object_store::{ObjectStoreExt, local::LocalFileSystem};

    use super::*;

    #[tokio::test]
    async fn the_etag_is_object_stores() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.svs");
        std::fs::write(&path, b"0123456789").unwrap();
        let file = LocalFile::new(&path);
        let version = file.version().unwrap();
        let object = object_store::path::Path::from_absolute_path(&path).unwrap();
        let meta = LocalFileSystem::new().head(&object).await.unwrap();
        assert_eq!((Some(version.etag.as_str()), version.size), (meta.e_tag.as_deref(), 10));
        // The first read opens the file, the second finds it in the page cache.
        for _ in 0..2 {
            let (bodies, found) = file.read(&[2..5, 8..20, 30..31]).await.unwrap();
            assert_eq!((bodies, &found), (vec!["234".into(), "89".into(), Bytes::new()], &version));
        }
    }

    #[tokio::test]
    async fn memory_comes_back_and_shows_nothing_of_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.svs");
        std::fs::write(&path, b"0123456789").unwrap();
        let file = LocalFile::new(&path);
        let (first, _) = file.read(slice::from_ref(&(0..10))).await.unwrap();
        let (held, place) = (first[0].slice(2..4), first[0].as_ptr());
        drop(first);
        let (second, _) = file.read(slice::from_ref(&(5..8))).await.unwrap();
        assert!(second[0].as_ptr() != place && held == "23", "a slice of it is still read");
        drop(held);
        let (third, _) = file.read(&[1..3, 8..20]).await.unwrap();
        assert_eq!((third[0].as_ptr(), &third[0][..], &third[1][..]), (place, &b"12"[..], &b"89"[..]));
    }

    #[tokio::test]
    async fn what_is_no_file_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(LocalFile::new(folder.path()).version().unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
