//! What of a directory is in storage, what is to go there, and when. Pure: it is told what happened, what was found and what
//! time it is.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::tree::Stamp;
use super::watch::Happened;

/// A file of which nobody has told that it was closed is whole once it has been the same for this long.
const QUIET: Duration = Duration::from_secs(10);

/// After a failure a file waits, twice as long after each more, up to a minute.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A killed program's files are closed by the kernel, up to so long before its end is known. Until then nobody can say
/// whether a file is whole.
const DYING: Duration = Duration::from_secs(2);

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Store a file that had this state.
    Store(String, Stamp),
    /// Remove what is stored under a name.
    Remove(String),
}

/// Who writes to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writing {
    /// Nothing was told of it.
    Unknown,
    /// Somebody does.
    Open,
    /// Nobody since then.
    Closed(Instant),
    /// Nobody: it was put there whole.
    Placed,
}

#[derive(Debug)]
struct Entry {
    /// What it is; `None` if it is gone.
    found: Option<Stamp>,
    /// Since when it is that.
    since: Instant,
    writing: Writing,
    /// What is stored; `Some(None)` is something older.
    stored: Option<Option<Stamp>>,
    /// Whether something was told of it since storing it began, and since it was last looked at.
    touched: bool,
    fresh: bool,
    failures: u32,
    not_before: Instant,
}

/// The files of a directory.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: BTreeMap<String, Entry>,
    /// How the program ended, once it has: whether it was killed, and when.
    ended: Option<(bool, Instant)>,
}

impl Ledger {
    /// At the start: what is stored, with its size. A file of the same size was restored from there.
    pub(super) fn begin(stored: &[(String, u64)], found: &BTreeMap<String, Stamp>, now: Instant) -> Self {
        let mut ledger = Self::default();
        ledger.look(found, now);
        for (name, size) in stored {
            // What is not here was not restored, and so is none of this program's to remove.
            if let Some(entry) = ledger.entries.get_mut(name) {
                entry.stored = Some(entry.found.filter(|found| found.size == *size));
            }
        }
        ledger
    }

    fn entry(&mut self, name: &str, now: Instant) -> &mut Entry {
        self.entries.entry(name.to_owned()).or_insert(Entry {
            found: None,
            since: now,
            writing: Writing::Unknown,
            stored: None,
            touched: false,
            fresh: false,
            failures: 0,
            not_before: now,
        })
    }

    /// Something has happened. Once the program has ended that is its last processes being killed.
    pub(super) fn note(&mut self, happened: Happened, now: Instant) {
        if self.ended.is_some() {
            return;
        }
        let (name, writing) = match happened {
            Happened::Written(name) => (name, Writing::Open),
            Happened::Closed(name) => (name, Writing::Closed(now)),
            Happened::Placed(name) => (name, Writing::Placed),
            Happened::Other => return,
            Happened::Lost => {
                for entry in self.entries.values_mut() {
                    (entry.writing, entry.since) = (Writing::Unknown, now);
                }
                return;
            }
        };
        let entry = self.entry(&name, now);
        (entry.writing, entry.touched, entry.fresh) = (writing, true, true);
        // Time stamps are coarse: another text of the same length may have the same.
        entry.stored = entry.stored.map(|_| None);
        (entry.failures, entry.not_before) = (0, now);
    }

    /// What is there now. What happened until then has to be told next, before anything is done.
    pub(super) fn look(&mut self, found: &BTreeMap<String, Stamp>, now: Instant) {
        for (name, stamp) in found {
            let entry = self.entry(name, now);
            if entry.found != Some(*stamp) {
                (entry.found, entry.since) = (Some(*stamp), now);
                // Closed was what it was before.
                if !entry.fresh && entry.writing != Writing::Open {
                    entry.writing = Writing::Unknown;
                }
            }
            entry.fresh = false;
        }
        for (name, entry) in &mut self.entries {
            if !found.contains_key(name) {
                (entry.found, entry.writing) = (None, Writing::Unknown);
            }
        }
        self.entries.retain(|_, entry| entry.found.is_some() || entry.stored.is_some());
    }

    /// The program has ended: nobody writes any more. One that was killed may have been in the middle of a file.
    pub(super) fn end(&mut self, killed: bool, now: Instant) {
        self.ended = Some((killed, now));
    }

    /// What is to be done now. What is new goes first: a program that keeps its last three never has fewer in storage.
    pub(super) fn next(&self, now: Instant) -> Option<Step> {
        let waiting = || self.entries.iter().filter(|(_, entry)| entry.is_outstanding());
        let whole = waiting().filter(|(_, entry)| entry.whole_at(self.ended).is_some_and(|at| at <= now));
        let mut due = whole.filter(|(_, entry)| entry.not_before <= now);
        if let Some((name, Entry { found: Some(stamp), .. })) = due.next() {
            return Some(Step::Store(name.clone(), *stamp));
        }
        // Nor is anything removed while storage takes nothing new.
        if waiting().any(|(_, entry)| entry.whole_at(self.ended).is_some()) {
            return None;
        }
        let mut gone = self.entries.iter().filter(|(_, entry)| entry.is_to_go() && entry.not_before <= now);
        gone.next().map(|(name, _)| Step::Remove(name.clone()))
    }

    /// When there may be something to do, if nothing happens; `None` if nothing is left that can be done.
    pub(super) fn wake(&self) -> Option<Instant> {
        let outstanding = self.entries.values().filter(|entry| entry.is_outstanding());
        let due = outstanding.filter_map(|entry| Some(entry.whole_at(self.ended)?.max(entry.not_before)));
        let gone = || self.entries.values().filter(|entry| entry.is_to_go()).map(|entry| entry.not_before);
        due.min().or_else(|| gone().min())
    }

    /// Storing a file begins.
    pub(super) fn storing(&mut self, name: &str) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.touched = false;
        }
    }

    /// A file was stored as it was in that state.
    pub(super) fn stored(&mut self, name: &str, stamp: Stamp, now: Instant) {
        let entry = self.entry(name, now);
        entry.stored = Some(Some(stamp).filter(|_| !entry.touched));
        entry.failures = 0;
    }

    pub(super) fn removed(&mut self, name: &str) {
        if let Some(entry) = self.entries.get_mut(name) {
            (entry.stored, entry.failures) = (None, 0);
        }
        self.entries.retain(|_, entry| entry.found.is_some() || entry.stored.is_some());
    }

    pub(super) fn failed(&mut self, name: &str, now: Instant) {
        if let Some(entry) = self.entries.get_mut(name) {
            let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(entry.failures)).min(LONGEST_PAUSE);
            entry.failures += 1;
            entry.not_before = now + pause;
        }
    }

    /// Names of files that are not stored as they are.
    pub(super) fn outstanding(&self) -> Vec<String> {
        self.entries.iter().filter(|(_, entry)| entry.is_outstanding()).map(|(name, _)| name.clone()).collect()
    }
}

impl Entry {
    fn is_outstanding(&self) -> bool {
        self.found.is_some() && self.stored.flatten() != self.found
    }

    fn is_to_go(&self) -> bool {
        self.found.is_none() && self.stored.is_some()
    }

    /// Since when the file is, or when it will be, whole; `None` while somebody writes to it, and for ever if its writer was
    /// killed over it. What a program has open is closed by its end; what is open then belongs to one that it left behind.
    fn whole_at(&self, ended: Option<(bool, Instant)>) -> Option<Instant> {
        match (self.writing, ended) {
            (Writing::Placed, _) => Some(self.since),
            (Writing::Closed(at), Some((true, end))) if at + DYING > end => None,
            (Writing::Closed(at), None) => Some(at + DYING),
            (Writing::Closed(at), Some(_)) => Some(at),
            (Writing::Open, _) => None,
            (Writing::Unknown, Some((false, end))) => Some(end),
            (Writing::Unknown, _) => Some(self.since + QUIET),
        }
    }
}
