//! What can be had again, in a folder: one file each, written whole or not at all, the ones used longest ago removed first.
//!
//! File names are SHA-256 in hexadecimal of whatever a file belongs to: slide names are patient data. The files are readable
//! by their owner alone, for they hold slides' properties. Files of other names are left alone. Whatever fails here is as
//! if the cache were empty.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

/// What temporary files begin with; one that a killed process left behind grows old as the others do.
const TEMPORARY: &str = ".new-";

/// What a file takes at least: file systems give out blocks.
const BLOCK_BYTES: u64 = 4096;

/// A folder of files that can be had again.
#[derive(Debug)]
pub struct FileCache {
    folder: PathBuf,
    limit_bytes: u64,
    /// Bytes of all files, once they have been counted. Other processes add theirs; each counts anew when it removes.
    bytes: Mutex<Option<u64>>,
}

/// One file of the folder.
struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl FileCache {
    /// A folder, made when it is first written to, whose files have at most so many bytes together.
    pub fn new(folder: &Path, limit_bytes: u64) -> Self {
        Self { folder: folder.to_owned(), limit_bytes, bytes: Mutex::new(None) }
    }

    /// The bytes of a file, which counts as used.
    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        let file = File::open(self.folder.join(name)).ok()?;
        let found = file.metadata().ok()?;
        if !found.is_file() || found.len() > self.limit_bytes {
            return None;
        }
        let mut bytes = Vec::new();
        (&file).take(self.limit_bytes).read_to_end(&mut bytes).ok()?;
        // Without permission to touch it, it grows old; that is all.
        let _ = file.set_modified(SystemTime::now());
        Some(bytes)
    }

    /// Whether there is a file of that name.
    pub fn has(&self, name: &str) -> bool {
        self.folder.join(name).is_file()
    }

    /// Writes a file, and removes others for it. `None` if it cannot be kept.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Option<()> {
        let length = (bytes.len() as u64).max(BLOCK_BYTES);
        if length > self.limit_bytes {
            return None;
        }
        fs::create_dir_all(&self.folder).ok()?;
        self.make_room(length);
        // Temporary files are their owner's alone, and stay so.
        let mut file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(&self.folder).ok()?;
        file.write_all(bytes).ok()?;
        file.persist(self.folder.join(name)).ok()?;
        Some(())
    }

    /// Removes the files used longest ago until so many bytes more are within the limit.
    fn make_room(&self, more: u64) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = bytes.map(|bytes| bytes.saturating_add(more)).filter(|bytes| *bytes <= self.limit_bytes);
        if counted.is_some() {
            *bytes = counted;
            return;
        }
        let mut entries = self.entries();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.used));
        let mut sum = entries.iter().fold(more, |sum, entry| sum.saturating_add(entry.bytes));
        while sum > self.limit_bytes
            && let Some(oldest) = entries.pop()
        {
            // Another process may have removed it.
            let _ = fs::remove_file(&oldest.path);
            sum = sum.saturating_sub(oldest.bytes);
        }
        *bytes = Some(sum);
    }

    /// The files that are ours.
    fn entries(&self) -> Vec<Entry> {
        let Ok(files) = fs::read_dir(&self.folder) else { return Vec::new() };
        let entry = |file: fs::DirEntry| {
            let name = file.file_name();
            let name = name.to_str()?;
            let ours = name.starts_with(TEMPORARY) || (name.len() == 64 && name.bytes().all(|c| c.is_ascii_hexdigit()));
            let found = file.metadata().ok().filter(|found| ours && found.is_file())?;
            Some(Entry { path: file.path(), bytes: found.len().max(BLOCK_BYTES), used: found.modified().ok()? })
        };
        files.filter_map(|file| entry(file.ok()?)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, time::Duration};

    use super::*;

    fn name(number: usize) -> String {
        format!("{number:064x}")
    }

    #[test]
    fn files_are_their_owners_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("README"), [0; 50_000]).unwrap();
        let disk = FileCache::new(&folder.path().join("cache"), 30_000);
        fs::create_dir(folder.path().join("cache")).unwrap();
        fs::write(folder.path().join("cache/README"), [0; 50_000]).unwrap();
        for number in 0..3 {
            disk.write(&name(number), &[7; 10_000]).unwrap();
            let file = File::open(folder.path().join("cache").join(name(number))).unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(number as u64)).unwrap();
        }
        assert_eq!(disk.read(&name(0)).unwrap(), [7; 10_000]);
        disk.write(&name(3), &[8; 90]).unwrap();
        let there: Vec<bool> = (0..4).map(|number| disk.read(&name(number)).is_some()).collect();
        assert_eq!(there, [true, false, true, true]);
        assert_eq!(disk.write(&name(4), &[0; 30_001]), None);
        assert!(folder.path().join("cache/README").exists());
        assert_eq!(fs::read_dir(folder.path().join("cache")).unwrap().count(), 4);
    }
}
