//! A tar into an empty directory of ours.
//!
//! The entries are read as they lie, because what `tar` would make of them by itself is not bounded: the long names of GNU
//! and PAX are resolved here, and nothing else that those extensions can say is taken.

use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, Read, Seek as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tar::{Archive, Entry, EntryType, PaxExtensions};

use super::{Limits, PackageError, Unpacked};
use crate::file::{OPEN, PLAIN};
use crate::relative;

/// A name is at most 4 KiB; Python's tarfile writes times and owners beside it.
const EXTENSION_BYTES: u64 = 64 << 10;

/// What gzip begins with.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Unpacks all of a tar, or of one that is compressed by gzip.
pub(super) fn unpack(mut tar: &File, limits: Limits, into: &Path) -> Result<Unpacked, PackageError> {
    let broken = |source| PackageError::Tar { offset: 0, source };
    let mut magic = Vec::new();
    tar.take(GZIP.len() as u64).read_to_end(&mut magic).map_err(broken)?;
    tar.rewind().map_err(broken)?;
    let bytes = BufReader::new(tar);
    let bytes: Box<dyn Read> = if magic == GZIP { Box::new(MultiGzDecoder::new(bytes)) } else { Box::new(bytes) };
    unpack_entries(Bounded { bytes, left: limits.bytes }, limits, into)
}

fn unpack_entries(tar: impl Read, limits: Limits, into: &Path) -> Result<Unpacked, PackageError> {
    let mut archive = Archive::new(tar);
    let (mut unpacked, mut offset) = (Unpacked::default(), 0);
    let (mut count, mut long_name) = (0, None);
    let broken = |offset, source| PackageError::Tar { offset, source };
    let entries = archive.entries().map_err(|error| broken(0, error))?.raw(true);
    for entry in entries {
        let mut entry = entry.map_err(|error| broken(offset, error))?;
        let begin = entry.raw_header_position();
        let size = entry.size();
        let said_before: Option<Vec<u8>> = long_name.take();
        let name = said_before.clone().unwrap_or_else(|| entry.path_bytes().into_owned());
        let refuse = |problem: String| PackageError::Entry {
            name: String::from_utf8_lossy(&name).into_owned(),
            offset: begin,
            problem,
        };
        match entry.header().entry_type() {
            EntryType::GNULongName | EntryType::XHeader => {
                long_name = extension(&mut entry).map_err(refuse)?.or(said_before);
            }
            // Of all entries that follow: git writes its commit there.
            EntryType::XGlobalHeader => {}
            _ if count == limits.entries => {
                return Err(refuse(format!("a package has at most {} entries", limits.entries)));
            }
            kind => {
                count += 1;
                let written = place(&mut entry, (kind, &name), into).map_err(refuse)?;
                unpacked.files += u64::from(written.is_some());
                unpacked.bytes += written.unwrap_or(0);
            }
        }
        offset = entry.raw_file_position() + size.next_multiple_of(512);
    }
    Ok(unpacked)
}

/// The name that the next entry has, if this one says so.
fn extension(entry: &mut Entry<'_, impl Read>) -> Result<Option<Vec<u8>>, String> {
    if entry.size() > EXTENSION_BYTES {
        return Err(format!("an extended header of {} bytes, at most {EXTENSION_BYTES} are taken", entry.size()));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if entry.header().entry_type() == EntryType::GNULongName {
        bytes.truncate(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
        return Ok(Some(bytes));
    }
    let mut name = None;
    for record in PaxExtensions::new(&bytes) {
        let record = record.map_err(|error| error.to_string())?;
        match record.key_bytes() {
            b"path" => name = Some(record.value_bytes().to_vec()),
            // With another size than its header says, an entry would hide headers in its bytes.
            key if key == b"size" || key.starts_with(b"GNU.sparse") => {
                return Err(format!("its extended header says {:?}", String::from_utf8_lossy(key)));
            }
            _ => {}
        }
    }
    Ok(name)
}

/// Makes a directory, or a file of so many bytes.
fn place(
    entry: &mut Entry<'_, impl Read>,
    (kind, name): (EntryType, &[u8]),
    into: &Path,
) -> Result<Option<u64>, String> {
    let path = into.join(relative::path(name)?);
    let said = |error: io::Error| error.to_string();
    match kind {
        // Before there was a type for directories, a slash at the end made one.
        EntryType::Regular if !name.ends_with(b"/") => {}
        EntryType::Regular | EntryType::Directory if entry.size() == 0 => {
            return directories(&path, into).map(|()| None).map_err(said);
        }
        EntryType::Regular | EntryType::Directory => return Err("a directory with content".to_owned()),
        other => return Err(format!("is {}; a package holds files and directories only", called(other))),
    }
    directories(path.parent().unwrap_or(into), into).map_err(said)?;
    let mode = entry.header().mode().map_err(said)?;
    let mode = if mode & 0o100 != 0 { OPEN } else { PLAIN };
    let mut file = File::options().write(true).create_new(true).mode(mode).open(&path).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists { "stands there twice".to_owned() } else { said(error) }
    })?;
    let size = entry.size();
    let written = io::copy(entry, &mut file).map_err(said)?;
    if written != size {
        return Err(format!("ends after {written} of {size} bytes"));
    }
    file.set_permissions(Permissions::from_mode(mode)).map_err(said)?;
    Ok(Some(written))
}

/// Makes a directory and those above it, as open as any.
fn directories(path: &Path, root: &Path) -> io::Result<()> {
    if path == root || path.is_dir() {
        return Ok(());
    }
    directories(path.parent().unwrap_or(root), root)?;
    fs::create_dir(path)?;
    fs::set_permissions(path, Permissions::from_mode(OPEN))
}

fn called(kind: EntryType) -> String {
    match kind {
        EntryType::Symlink => "a symbolic link".to_owned(),
        EntryType::Link => "a hard link".to_owned(),
        EntryType::Char | EntryType::Block => "a device".to_owned(),
        EntryType::Fifo => "a pipe".to_owned(),
        other => format!("of type {:?}", char::from(other.as_byte())),
    }
}

/// Bytes that end with an error where they are too many.
struct Bounded<R> {
    bytes: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(into)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other("the tar is larger than a package may be"))?;
        Ok(read)
    }
}
