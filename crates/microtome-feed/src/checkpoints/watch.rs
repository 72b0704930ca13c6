//! What happens in the program's directory, by inotify.
//!
//! That a file was closed after writing, or renamed into its place, is what makes it whole; no look at a file can tell that
//! from a pause in its writing. The kernel tells it of directories that are watched, and a new one is watched only after a
//! file may have been closed in it already: such files, and all after events were lost, are whole once they have been quiet
//! for a while.

use std::collections::HashMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use super::tree::Tree;

/// Some hundred events; the kernel keeps what does not fit.
const BUFFER: usize = 16 << 10;

/// The kernel is asked so often, which costs nothing to speak of; to be woken by it would take unsafe code. A file that is
/// being written tells of it with every piece.
const BREATH: Duration = Duration::from_millis(200);

/// Something that happened to a file, by its name in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Happened {
    /// Somebody writes to it.
    Written(String),
    /// It was closed by who wrote to it.
    Closed(String),
    /// It was renamed into its place.
    Placed(String),
    /// Look what there is: something else has changed.
    Other,
    /// Events were lost.
    Lost,
}

/// A directory that is watched, with all below it.
#[derive(Debug)]
pub(super) struct Watch {
    inotify: OwnedFd,
    /// Directories by their watches.
    directories: HashMap<i32, String>,
}

impl Watch {
    pub(super) fn new(tree: &Tree) -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let mut watch = Self { inotify, directories: HashMap::new() };
        watch.cover(tree)?;
        Ok(watch)
    }

    /// Waits for something to happen.
    pub(super) async fn told(&self) -> io::Result<()> {
        loop {
            tokio::time::sleep(BREATH).await;
            if rustix::io::ioctl_fionread(&self.inotify)? > 0 {
                return Ok(());
            }
        }
    }

    /// What has happened, in its order.
    pub(super) fn read(&mut self, tree: &Tree) -> io::Result<Vec<Happened>> {
        let mut raw = Vec::new();
        read_events(&self.inotify, &mut raw)?;
        self.take(raw, tree)
    }

    fn take(&mut self, raw: Vec<(i32, ReadFlags, String)>, tree: &Tree) -> io::Result<Vec<Happened>> {
        let (mut happened, mut uncovered) = (Vec::new(), false);
        for (watch, flags, name) in raw {
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                happened.push(Happened::Lost);
                uncovered = true;
                continue;
            }
            if flags.contains(ReadFlags::IGNORED) {
                self.directories.remove(&watch);
                continue;
            }
            let Some(folder) = self.directories.get(&watch) else { continue };
            let name = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            happened.push(match flags {
                // A directory that has come may hold others; one that was renamed is watched under its old name still.
                _ if flags.contains(ReadFlags::ISDIR) => {
                    uncovered = true;
                    Happened::Other
                }
                _ if flags.contains(ReadFlags::MODIFY) => Happened::Written(name),
                _ if flags.contains(ReadFlags::CLOSE_WRITE) => Happened::Closed(name),
                _ if flags.contains(ReadFlags::MOVED_TO) => Happened::Placed(name),
                _ => Happened::Other,
            });
        }
        if uncovered {
            self.cover(tree)?;
        }
        Ok(happened)
    }

    /// Watches all directories that there are, by the names that they have now.
    fn cover(&mut self, tree: &Tree) -> io::Result<()> {
        let flags = WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_TO
            | WatchFlags::MOVED_FROM
            | WatchFlags::DELETE
            | WatchFlags::CREATE
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW;
        for name in tree.directories()? {
            match inotify::add_watch(&self.inotify, tree.path.join(&name), flags) {
                Ok(watch) => drop(self.directories.insert(watch, name)),
                // Gone again, or something else by now.
                Err(Errno::NOENT | Errno::NOTDIR) if !name.is_empty() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// All events that there are.
fn read_events(inotify: &OwnedFd, into: &mut Vec<(i32, ReadFlags, String)>) -> io::Result<()> {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut reader = Reader::new(inotify, &mut buffer);
    loop {
        match reader.next() {
            Ok(event) => {
                let name = event.file_name().map(|name| name.to_string_lossy().into_owned());
                into.push((event.wd(), event.events(), name.unwrap_or_default()));
            }
            Err(Errno::AGAIN) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
