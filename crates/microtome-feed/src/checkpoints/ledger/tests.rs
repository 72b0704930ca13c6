//! What is stored when.

use super::*;

/// A ledger with its clock.
struct Case {
    ledger: Ledger,
    files: BTreeMap<String, Stamp>,
    now: Instant,
}

fn stamp(size: u64) -> Stamp {
    Stamp { inode: 1, size, modified: (0, 0) }
}

impl Case {
    /// With files of these sizes here and there.
    fn new(here: &[(&str, u64)], stored: &[(&str, u64)]) -> Self {
        let now = Instant::now();
        let files: BTreeMap<String, Stamp> = here.iter().map(|(name, size)| ((*name).into(), stamp(*size))).collect();
        let stored: Vec<(String, u64)> = stored.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
        Self { ledger: Ledger::begin(&stored, &files, now), files, now }
    }

    fn is(&mut self, name: &str, size: u64) {
        self.files.insert(name.to_owned(), stamp(size));
        self.look();
    }

    fn gone(&mut self, name: &str) {
        self.files.remove(name);
        self.look();
    }

    fn look(&mut self) {
        self.ledger.look(&self.files, self.now);
    }

    fn later(&mut self, by: Duration) {
        self.now += by;
        self.look();
    }

    fn note(&mut self, happened: impl Fn(String) -> Happened, name: &str) {
        self.ledger.note(happened(name.to_owned()), self.now);
    }

    fn closed(&mut self, name: &str, size: u64) {
        self.note(Happened::Written, name);
        self.note(Happened::Closed, name);
        self.is(name, size);
        assert!(self.next() != store(name, size), "its writer may be dying");
        self.later(DYING);
    }

    fn next(&self) -> Option<Step> {
        self.ledger.next(self.now)
    }

    fn store(&mut self, name: &str, size: u64) {
        assert_eq!(self.next(), store(name, size));
        self.ledger.storing(name);
        self.ledger.stored(name, stamp(size), self.now);
    }
}

fn store(name: &str, size: u64) -> Option<Step> {
    Some(Step::Store(name.to_owned(), stamp(size)))
}

fn remove(name: &str) -> Option<Step> {
    Some(Step::Remove(name.to_owned()))
}

#[test]
fn a_file_is_stored_once_it_is_closed_and_again_once_it_was_written_to() {
    let mut case = Case::new(&[], &[]);
    case.note(Happened::Written, "a.pt");
    case.is("a.pt", 5);
    case.later(QUIET * 10);
    assert_eq!((case.next(), case.ledger.wake()), (None, None), "a pause in writing makes no whole file");
    case.closed("a.pt", 9);
    case.store("a.pt", 9);
    assert_eq!((case.next(), case.ledger.outstanding()), (None, vec![]));
    // Another text, at the same time by the file system's clock.
    case.closed("a.pt", 9);
    case.store("a.pt", 9);
    assert_eq!(case.next(), None);
}

#[test]
fn a_file_that_is_placed_is_whole_and_one_that_nothing_is_known_of_is_once_it_is_quiet() {
    let mut case = Case::new(&[], &[]);
    case.note(Happened::Placed, "a.pt");
    case.is("a.pt", 5);
    case.store("a.pt", 5);
    case.is("folder/b.pt", 6);
    case.later(QUIET / 2);
    case.is("folder/b.pt", 7);
    case.later(QUIET / 2);
    assert_eq!((case.next(), case.ledger.wake()), (None, Some(case.now + QUIET / 2)));
    case.later(QUIET / 2);
    case.store("folder/b.pt", 7);
    case.note(Happened::Written, "a.pt");
    case.ledger.note(Happened::Lost, case.now);
    case.is("a.pt", 8);
    assert_eq!(case.next(), None);
    case.later(QUIET);
    case.store("a.pt", 8);
}

#[test]
fn what_is_written_to_while_it_is_stored_is_stored_again() {
    let mut case = Case::new(&[], &[]);
    case.closed("a.pt", 5);
    case.ledger.storing("a.pt");
    case.closed("a.pt", 5);
    case.ledger.stored("a.pt", stamp(5), case.now);
    case.look();
    case.store("a.pt", 5);
    assert_eq!(case.next(), None);
}

#[test]
fn that_a_file_was_closed_says_nothing_of_what_it_is_later() {
    let mut case = Case::new(&[], &[]);
    case.closed("a.pt", 5);
    case.store("a.pt", 5);
    case.is("a.pt", 6);
    assert_eq!((case.next(), case.ledger.wake()), (None, Some(case.now + QUIET)), "nobody has told of that yet");
    case.note(Happened::Written, "a.pt");
    assert_eq!((case.next(), case.ledger.wake()), (None, None));
    case.note(Happened::Closed, "a.pt");
    assert_eq!((case.next(), case.ledger.wake()), (None, Some(case.now + DYING)), "its writer may be dying");
    case.later(DYING);
    case.store("a.pt", 6);
}

#[test]
fn what_was_restored_is_not_stored_and_what_was_not_is_not_removed() {
    let mut case = Case::new(
        &[("same.pt", 5), ("other.pt", 6), ("new.pt", 7)],
        &[("same.pt", 5), ("other.pt", 1), ("elsewhere.pt", 2)],
    );
    assert_eq!(case.ledger.outstanding(), ["new.pt", "other.pt"]);
    case.later(QUIET);
    case.store("new.pt", 7);
    case.store("other.pt", 6);
    assert_eq!(case.next(), None);
    case.gone("same.pt");
    assert_eq!(case.next(), remove("same.pt"));
    case.ledger.removed("same.pt");
    assert_eq!((case.next(), case.ledger.wake()), (None, None));
}

#[test]
fn nothing_is_removed_while_something_new_waits() {
    let mut case = Case::new(&[("1.pt", 1)], &[("1.pt", 1)]);
    case.closed("2.pt", 2);
    case.gone("1.pt");
    assert_eq!(case.next(), store("2.pt", 2));
    case.ledger.failed("2.pt", case.now);
    assert_eq!((case.next(), case.ledger.wake()), (None, Some(case.now + FIRST_PAUSE)), "and no busy waiting");
    case.later(FIRST_PAUSE);
    case.store("2.pt", 2);
    assert_eq!(case.next(), remove("1.pt"));
    // A name that comes back is not removed.
    case.closed("1.pt", 3);
    case.store("1.pt", 3);
    assert_eq!(case.next(), None);
}

#[test]
fn failures_are_tried_again_after_longer_and_longer_pauses() {
    let mut case = Case::new(&[], &[]);
    case.closed("a.pt", 5);
    for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
        case.ledger.failed("a.pt", case.now);
        assert_eq!(case.ledger.wake(), Some(case.now + Duration::from_secs(seconds)));
    }
    case.closed("a.pt", 6);
    assert_eq!(case.next(), store("a.pt", 6), "what is new is tried at once");
}

#[test]
fn at_the_end_all_is_whole_but_what_a_killed_program_was_writing() {
    let files = |case: &mut Case| {
        case.closed("early.pt", 1);
        case.note(Happened::Written, "late.pt");
        case.note(Happened::Closed, "late.pt");
        case.is("late.pt", 2);
        case.note(Happened::Written, "open.pt");
        case.is("open.pt", 3);
        case.note(Happened::Placed, "placed.pt");
        case.is("placed.pt", 4);
        case.is("quiet.pt", 5);
    };
    let rest = |case: &mut Case| {
        let mut names = Vec::new();
        while let Some(Step::Store(name, stamp)) = case.next() {
            case.ledger.storing(&name);
            case.ledger.stored(&name, stamp, case.now);
            names.push(name);
        }
        assert_eq!(case.ledger.wake(), None);
        names
    };
    let mut case = Case::new(&[], &[]);
    files(&mut case);
    case.ledger.end(false, case.now);
    case.note(Happened::Closed, "open.pt");
    assert_eq!(rest(&mut case), ["early.pt", "late.pt", "placed.pt", "quiet.pt"]);
    assert_eq!(case.ledger.outstanding(), ["open.pt"], "whoever had it open was killed");
    let mut case = Case::new(&[], &[]);
    files(&mut case);
    case.ledger.end(true, case.now);
    case.later(QUIET);
    assert_eq!(rest(&mut case), ["early.pt", "placed.pt", "quiet.pt"]);
    assert_eq!(case.ledger.outstanding(), ["late.pt", "open.pt"]);
}
