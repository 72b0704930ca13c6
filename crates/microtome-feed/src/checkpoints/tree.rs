//! What is in the program's directory now.
//!
//! The program may be hostile, and this process may read what the program may not: its own memory and keys. So files are
//! opened below the directory by the kernel's own rules; links that lead out of it, or into /proc, lead nowhere.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

use super::MOST_FILES;

/// As deep as a restored name may be.
const DEEPEST: usize = 64;

/// One state of a file: what is written to it, or put in its place, has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) inode: u64,
    pub(super) size: u64,
    /// Seconds and nanoseconds.
    pub(super) modified: (i64, i64),
}

impl Stamp {
    pub(super) fn of(found: &fs::Metadata) -> Self {
        Self { inode: found.ino(), size: found.size(), modified: (found.mtime(), found.mtime_nsec()) }
    }
}

/// The directory.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    pub(super) path: PathBuf,
}

impl Tree {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let root = File::options().read(true).open(path)?.into();
        Ok(Self { root, path: path.to_owned() })
    }

    /// A regular file by its name in the tree. Links to others in the tree are followed.
    pub(super) fn file(&self, name: &str) -> io::Result<File> {
        // Without a writer a pipe would block.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let file = File::from(openat2(&self.root, name, flags, Mode::empty(), resolve)?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        Ok(file)
    }

    /// The state of a file; `None` if it is no longer there.
    pub(super) fn stamp(&self, name: &str) -> Option<Stamp> {
        Some(Stamp::of(&self.file(name).ok()?.metadata().ok()?))
    }

    /// All files, by their names.
    pub(super) fn walk(&self) -> io::Result<BTreeMap<String, Stamp>> {
        let mut found = BTreeMap::new();
        for entry in self.entries()? {
            let (name, is_directory) = entry;
            if is_directory {
                continue;
            }
            if let Some(stamp) = self.stamp(&name) {
                found.insert(name, stamp);
            }
            if found.len() > MOST_FILES {
                return Err(io::Error::other(format!("the directory holds more than {MOST_FILES} files")));
            }
        }
        Ok(found)
    }

    /// The directories below, by their names, and the root itself as an empty one.
    pub(super) fn directories(&self) -> io::Result<Vec<String>> {
        let entries = self.entries()?.into_iter();
        Ok([String::new()].into_iter().chain(entries.filter_map(|(name, is)| is.then_some(name))).collect())
    }

    /// Names of all entries, and which of them are directories. What goes away meanwhile, or is not text, is left out.
    fn entries(&self) -> io::Result<Vec<(String, bool)>> {
        let (mut all, mut left) = (Vec::new(), vec![(String::new(), 0)]);
        while let Some((folder, depth)) = left.pop() {
            let directory = match fs::read_dir(self.path.join(&folder)) {
                Err(_) if depth > 0 => continue,
                directory => directory?,
            };
            for entry in directory.flatten() {
                let (Ok(name), Ok(kind)) = (entry.file_name().into_string(), entry.file_type()) else { continue };
                let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                if kind.is_dir() && depth < DEEPEST {
                    left.push((name.clone(), depth + 1));
                }
                if kind.is_dir() || kind.is_file() || kind.is_symlink() {
                    all.push((name, kind.is_dir()));
                }
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_are_found_and_links_lead_nowhere_else() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "secret").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::create_dir_all(path("a/b")).unwrap();
        fs::write(path("a/b/model.pt"), "model").unwrap();
        symlink("a/b/model.pt", path("last.pt")).unwrap();
        symlink("a", path("folder")).unwrap();
        symlink(outside.path().join("secret"), path("absolute")).unwrap();
        symlink("/proc/self/environ", path("environ")).unwrap();
        symlink(format!("../{}/secret", outside.path().file_name().unwrap().display()), path("up")).unwrap();
        symlink("nowhere", path("broken")).unwrap();
        let tree = Tree::open(directory.path()).unwrap();
        let found = tree.walk().unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), ["a/b/model.pt", "last.pt"]);
        assert_eq!((found["last.pt"], found["last.pt"].size), (found["a/b/model.pt"], 5));
        assert_eq!(tree.directories().unwrap(), ["", "a", "a/b"]);
        for name in ["absolute", "environ", "up", "../secret", "folder", "a"] {
            assert!(tree.file(name).is_err(), "{name}");
        }
        assert_eq!(tree.stamp("gone"), None);
    }
}
