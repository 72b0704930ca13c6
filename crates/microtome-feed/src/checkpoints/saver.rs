//! Stores the program's files as they become whole, one after another, until the program has ended and all is stored.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use microtome_slide::{SlideUrl, Stores};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::ledger::{Ledger, Step};
use super::tree::{Stamp, Tree};
use super::watch::{Happened, Watch};
use super::{restore, upload};

/// Storage that does not say what it holds is asked for no longer: then all files are new. Less than a head that is told to
/// end may take.
const LISTING: Duration = Duration::from_secs(10);

/// Between two looks at the directory if nothing is told of it; more often where nothing can be.
const LOOK: Duration = Duration::from_secs(30);
const LOOK_UNTOLD: Duration = Duration::from_secs(5);

/// Between two lines of the log about storage that fails.
const COMPLAINT: Duration = Duration::from_secs(60);

/// Why a file is not stored.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// Storage.
    #[error(transparent)]
    Storage(#[from] microtome_slide::Error),
    /// The directory cannot be read.
    #[error("{}: the directory of checkpoints cannot be read", path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file cannot be read.
    #[error("{name}: cannot be read")]
    File {
        /// Which.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is larger than storage takes.
    #[error("{name}: has {bytes} bytes, at most 48 GiB are stored")]
    Large {
        /// Which.
        name: String,
        /// Its size.
        bytes: u64,
    },
}

impl SaveError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Storage(error) => error.category(),
            Self::Directory { .. } | Self::File { .. } => "Io",
            Self::Large { .. } => "Limit",
        }
    }
}

/// What has been done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Files that were stored; one that was stored twice counts twice.
    pub stored: u64,
    /// Files that were removed from storage.
    pub removed: u64,
    /// What failed, and will be or was tried again.
    pub failed: u64,
    /// Names of files that are not stored as they are now.
    pub outstanding: Vec<String>,
}

/// Stores what a program leaves in a directory.
#[derive(Debug)]
pub struct Saver {
    end: oneshot::Sender<bool>,
    progress: watch::Receiver<Progress>,
    task: JoinHandle<()>,
}

impl Saver {
    /// Begins; what is in the directory now may be in the folder already. To be called on a runtime, before the program
    /// starts.
    ///
    /// # Errors
    /// The directory can neither be read nor made.
    pub fn start(stores: Stores, directory: &Path, folder: SlideUrl) -> Result<Self, SaveError> {
        let failed = |source| SaveError::Directory { path: directory.to_owned(), source };
        let tree = Arc::new(Tree::open(directory).map_err(failed)?);
        let watch = Watch::new(&tree).inspect_err(|error| {
            tracing::warn!(%error, "changes of checkpoints are not told: files are stored once they have been quiet");
        });
        let found = tree.walk().map_err(failed)?;
        // Until more is known.
        let outstanding = found.keys().cloned().collect();
        let (tell, progress) = watch::channel(Progress { outstanding, ..Progress::default() });
        let (end, ended) = oneshot::channel();
        let ledger = Ledger::default();
        let unnameable = BTreeSet::new();
        let work = Work { stores, folder, tree, watch: watch.ok(), ledger, unnameable, tell, complained: None };
        Ok(Self { end, progress, task: tokio::spawn(work.run(found, ended)) })
    }

    /// Tells of each change.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// The program has ended, perhaps in the middle of something: stores what is left, or gives up when `patience` ends.
    /// Returns the names of what was not stored.
    pub async fn finish(self, killed: bool, patience: impl Future<Output = ()>) -> Vec<String> {
        // A task that is gone has nothing to do.
        let _ = self.end.send(killed);
        let mut task = self.task;
        tokio::select! {
            _ = &mut task => {}
            () = patience => task.abort(),
        }
        self.progress.borrow().outstanding.clone()
    }
}

/// The task.
struct Work {
    stores: Stores,
    folder: SlideUrl,
    tree: Arc<Tree>,
    watch: Option<Watch>,
    ledger: Ledger,
    /// Names that storage cannot have, each told of once.
    unnameable: BTreeSet<String>,
    tell: watch::Sender<Progress>,
    complained: Option<Instant>,
}

/// What a step came to.
enum Done {
    Stored(Option<Stamp>),
    Removed,
}

impl Work {
    async fn run(mut self, found: BTreeMap<String, Stamp>, mut end: oneshot::Receiver<bool>) {
        let stored = self.listed().await;
        self.ledger = Ledger::begin(&stored, &found, Instant::now());
        let mut ended = false;
        loop {
            self.look().await;
            let now = Instant::now();
            let Some(step) = self.ledger.next(now) else {
                let wake = self.ledger.wake();
                if ended && wake.is_none() {
                    return;
                }
                let look = now + if self.watch.is_some() { LOOK } else { LOOK_UNTOLD };
                let wake = wake.map_or(look, |wake| wake.min(look));
                tokio::select! {
                    () = tokio::time::sleep_until(wake.into()) => {}
                    heard = hear(self.watch.as_ref(), &mut end, ended) => ended |= self.heed(heard),
                }
                continue;
            };
            if let Step::Store(name, _) = &step {
                self.ledger.storing(name);
            }
            let doing = perform(self.stores.clone(), self.folder.clone(), Arc::clone(&self.tree), step.clone());
            tokio::pin!(doing);
            let outcome = loop {
                tokio::select! {
                    outcome = &mut doing => break outcome,
                    heard = hear(self.watch.as_ref(), &mut end, ended) => ended |= self.heed(heard),
                }
            };
            self.account(&step, outcome);
        }
    }

    /// What an earlier attempt has stored.
    async fn listed(&mut self) -> Vec<(String, u64)> {
        let listing = restore::stored(&self.stores, &self.folder);
        match tokio::time::timeout(LISTING, listing).await {
            Ok(Ok(stored)) => stored.into_iter().map(|(name, entry)| (name, entry.size)).collect(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "stored checkpoints are not known: all files count as new");
                Vec::new()
            }
            Err(_) => {
                tracing::warn!("storage does not list checkpoints: all files count as new");
                Vec::new()
            }
        }
    }

    /// Looks at the directory.
    async fn look(&mut self) {
        let tree = Arc::clone(&self.tree);
        let walked = tokio::task::spawn_blocking(move || tree.walk()).await;
        let mut unseen = None;
        match walked.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(mut found) => {
                found.retain(|name, _| self.is_nameable(name));
                self.ledger.look(&found, Instant::now());
            }
            Err(source) => {
                let path = self.tree.path.clone();
                unseen = Some(path.display().to_string());
                self.complain(&SaveError::Directory { path, source });
            }
        }
        // What was seen half written has told so by now.
        self.listen();
        let mut outstanding = self.ledger.outstanding();
        outstanding.extend(unseen);
        self.tell.send_if_modified(|progress| {
            let changed = progress.outstanding != outstanding;
            progress.outstanding = outstanding;
            changed
        });
    }

    fn is_nameable(&mut self, name: &str) -> bool {
        let fine = self.folder.join(name).is_ok();
        if !fine && self.unnameable.insert(name.to_owned()) {
            tracing::warn!(name, "storage can have no file of this name: it is not stored");
        }
        fine
    }

    /// Takes note of what was heard; whether that was the program's end.
    fn heed(&mut self, heard: Heard) -> bool {
        self.listen();
        match heard {
            Heard::Events => false,
            Heard::Deaf(error) => {
                self.go_deaf(&error);
                false
            }
            Heard::Ended(killed) => {
                self.ledger.end(killed, Instant::now());
                true
            }
        }
    }

    /// Takes note of all that has happened.
    fn listen(&mut self) {
        let now = Instant::now();
        match self.watch.as_mut().map(|watch| watch.read(&self.tree)) {
            None => {}
            Some(Ok(happened)) => happened.into_iter().for_each(|happened| self.ledger.note(happened, now)),
            Some(Err(error)) => self.go_deaf(&error),
        }
    }

    fn go_deaf(&mut self, error: &io::Error) {
        tracing::warn!(%error, "changes of checkpoints are told no longer: files are stored once they have been quiet");
        self.watch = None;
        self.ledger.note(Happened::Lost, Instant::now());
    }

    fn account(&mut self, step: &Step, outcome: Result<Done, SaveError>) {
        let now = Instant::now();
        let (Step::Store(name, _) | Step::Remove(name)) = step;
        match outcome {
            Ok(Done::Stored(Some(stamp))) => {
                tracing::info!(name, bytes = stamp.size, "checkpoint stored");
                self.ledger.stored(name, stamp, now);
                self.tell.send_modify(|progress| progress.stored += 1);
            }
            // Somebody writes to it all the time: not at once again.
            Ok(Done::Stored(None)) => self.ledger.failed(name, now),
            Ok(Done::Removed) => {
                tracing::info!(name, "checkpoint removed");
                self.ledger.removed(name);
                self.tell.send_modify(|progress| progress.removed += 1);
            }
            // It went away before it was stored.
            Err(SaveError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                self.ledger.failed(name, now);
            }
            Err(error) => {
                self.ledger.failed(name, now);
                self.complain(&error);
                self.tell.send_modify(|progress| progress.failed += 1);
            }
        }
    }

    fn complain(&mut self, error: &SaveError) {
        if self.complained.is_none_or(|last| last.elapsed() >= COMPLAINT) {
            self.complained = Some(Instant::now());
            let (reason, outstanding) = (chain(error), self.ledger.outstanding().len());
            tracing::warn!(category = error.category(), reason, outstanding, "checkpoints are not stored yet");
        }
    }
}

/// What a task waits for while it has nothing to do, or something else.
enum Heard {
    Events,
    /// Nothing will be heard any more.
    Deaf(io::Error),
    /// The program's end, and whether it was killed.
    Ended(bool),
}

async fn hear(watch: Option<&Watch>, end: &mut oneshot::Receiver<bool>, ended: bool) -> Heard {
    let events = async {
        match watch {
            Some(watch) => watch.told().await,
            None => pending().await,
        }
    };
    tokio::select! {
        told = events => told.map_or_else(Heard::Deaf, |()| Heard::Events),
        // Who has gone without a word is taken for killed.
        killed = end, if !ended => Heard::Ended(killed.unwrap_or(true)),
    }
}

async fn perform(stores: Stores, folder: SlideUrl, tree: Arc<Tree>, step: Step) -> Result<Done, SaveError> {
    let (Step::Store(name, _) | Step::Remove(name)) = &step;
    let url = folder.join(name).map_err(|error| {
        let source = io::Error::new(io::ErrorKind::InvalidInput, error);
        SaveError::File { name: name.clone(), source }
    })?;
    match &step {
        Step::Store(..) => upload::store((&stores, &url), (&tree, name)).await.map(Done::Stored),
        Step::Remove(_) => stores.delete_object(&url).await.map(|()| Done::Removed).map_err(SaveError::from),
    }
}

/// An error with all that caused it, in one line.
fn chain(error: &SaveError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
