//! What is in the program's directory now.
//!
//! The program may be hostile, and this process may read what the program may not: its own memory and keys. So files are
//! opened below the directory by the kernel's own rules; links that lead out of it, or into /proc, lead nowhere.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

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
    pub(super) path: PathBuf,
}

impl Tree {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        Ok(Self { path: path.to_owned() })
    }

    /// A regular file by its name in the tree. Links to others in the tree are followed.
    pub(super) fn file(&self, name: &str) -> io::Result<File> {
        let root = File::open(&self.path)?;
        // Without a writer a pipe would block.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let file = File::from(openat2(&root, name, flags, Mode::empty(), resolve)?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
        }
        Ok(file)
    }

    /// The state of a file; `None` if there is none that could be stored.
    pub(super) fn stamp(&self, name: &str) -> io::Result<Option<Stamp>> {
        match self.file(name).and_then(|file| file.metadata()) {
            Ok(found) => Ok(Some(Stamp::of(&found))),
            Err(error) if leads_nowhere(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All files, by their names.
    ///
    /// # Errors
    /// Any that leaves open what is there: what cannot be seen must not pass for gone.
    pub(super) fn walk(&self) -> io::Result<BTreeMap<String, Stamp>> {
        let mut found = BTreeMap::new();
        for (name, kind) in self.entries()? {
            let stamp = match kind {
                Kind::Directory => None,
                Kind::File(stamp) => Some(stamp),
                Kind::Link => self.stamp(&name)?,
            };
            found.extend(stamp.map(|stamp| (name, stamp)));
            if found.len() > MOST_FILES {
                return Err(io::Error::other(format!("the directory holds more than {MOST_FILES} files")));
            }
        }
        Ok(found)
    }

    /// The directories below, by their names, and the root itself as an empty one.
    pub(super) fn directories(&self) -> io::Result<Vec<String>> {
        let entries = self.entries()?.into_iter();
        let below = entries.filter_map(|(name, kind)| matches!(kind, Kind::Directory).then_some(name));
        Ok([String::new()].into_iter().chain(below).collect())
    }

    /// All entries. What goes away meanwhile, or has a name that is no text, is left out.
    fn entries(&self) -> io::Result<Vec<(String, Kind)>> {
        let (mut all, mut left) = (Vec::new(), vec![(String::new(), 0)]);
        while let Some((folder, depth)) = left.pop() {
            let directory = match fs::read_dir(self.path.join(&folder)) {
                Err(error) if depth > 0 && leads_nowhere(&error) => continue,
                directory => directory?,
            };
            for entry in directory {
                let entry = entry?;
                let Ok(name) = entry.file_name().into_string() else { continue };
                let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                let found = match entry.metadata() {
                    Err(error) if leads_nowhere(&error) => continue,
                    found => found?,
                };
                if found.is_dir() && depth < DEEPEST {
                    left.push((name.clone(), depth + 1));
                    all.push((name, Kind::Directory));
                } else if found.is_file() {
                    all.push((name, Kind::File(Stamp::of(&found))));
                } else if found.is_symlink() {
                    all.push((name, Kind::Link));
                }
            }
        }
        Ok(all)
    }
}

/// An entry of a directory.
enum Kind {
    Directory,
    File(Stamp),
    Link,
}

/// Whether an error says that there is no such file, or none that may be read here.
fn leads_nowhere(error: &io::Error) -> bool {
    let nowhere = [Errno::NOENT, Errno::NOTDIR, Errno::XDEV, Errno::LOOP];
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    errno.map_or(error.kind() == io::ErrorKind::InvalidInput, |errno| nowhere.contains(&errno))
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
        assert_eq!(tree.stamp("gone").unwrap(), None);
        fs::remove_dir_all(directory.path()).unwrap();
        assert!(tree.walk().is_err(), "a directory that is gone is no empty one");
    }
}
