//! One pass over all that wait. `README.md` has the rules and why they are so.

mod contest;
mod future;
mod idle;
mod judge;
mod keys;
mod reclaim;
mod reserve;

use std::collections::BTreeSet;

use crate::amounts::Matrix;
use crate::decision::{Action, Decisions, Placed, Previous, Reservation, Start};
use crate::fit::{self, Placement};
use crate::pass::contest::{Contest, Line};
use crate::pass::idle::Eve;
pub(crate) use crate::pass::judge::{Limit, Verdict};
use crate::pass::keys::Keys;
use crate::pass::reserve::{Held, Lost};
use crate::room::Room;
use crate::snapshot::{Class, Entry, Snapshot};

/// After so many starts it is looked again what the emptiest nodes have: one look costs as much as one placement.
const PEAK_STARTS: usize = 16;

/// Decides on everything that waits.
pub fn decide(snapshot: &Snapshot, previous: &Previous) -> Decisions {
    let decisions = decisions(Pass::new(snapshot), previous);
    // Whoever was not looked at would have changed nothing: the tests' histories hold every pass to it.
    debug_assert_eq!(decisions, self::decisions(Pass { is_thorough: true, ..Pass::new(snapshot) }, previous));
    decisions
}

fn decisions(mut pass: Pass<'_>, previous: &Previous) -> Decisions {
    pass.reject();
    pass.promote();
    pass.take_over(previous);
    while pass.round() || pass.settle_reservations() {}
    pass.finish(previous)
}

/// The state of a pass: the snapshot's, with what was decided so far.
pub(crate) struct Pass<'a> {
    pub(crate) snapshot: &'a Snapshot,
    /// What is free by slot, and held by team.
    pub(crate) room: Room,
    held: Matrix,
    within: Matrix,
    running: Vec<u64>,
    /// No node has more free of anything than this; it may have less.
    peak: Vec<i128>,
    /// Whether somebody started since that was found.
    is_peak_old: bool,
    pub(crate) keys: Keys,
    /// Jobs of this pass that hold something now.
    started: Vec<Started>,
    /// Jobs that do not wait any more.
    taken: BTreeSet<usize>,
    /// Jobs that do not run any more.
    evicted: BTreeSet<usize>,
    /// Running jobs that count as within since this pass began.
    promoted: BTreeSet<usize>,
    pub(crate) reservations: Vec<Held>,
    lost: Vec<Lost>,
    /// The round in which a class was found to fit nowhere, or 0; the room only shrinks until somebody is evicted.
    full: Vec<u32>,
    /// Those of leaves that were passed over at once: all fit nowhere, which the next round has to know.
    retired: Vec<Line<'a>>,
    /// The world as this round found it.
    eve: Eve,
    /// Classes that do not fit even when everybody who runs has ended.
    hopeless: Vec<bool>,
    /// Somebody was passed over for a reservation; if one ends, all are looked at again.
    was_behind: bool,
    is_lifted: bool,
    /// Whether every class is looked at, whatever the least that its leaf asks for.
    is_thorough: bool,
    decisions: Decisions,
}

/// A waiting job as a pass looks at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) leaf: usize,
    pub(crate) job: usize,
    pub(crate) class: Class,
}

/// A job that was started in this pass.
struct Started {
    ends: i64,
    rows: Vec<(usize, Vec<i128>)>,
    team: usize,
    charge: Vec<i128>,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot) -> Self {
        Self {
            snapshot,
            room: Room::new(snapshot.slots.free.clone()),
            held: snapshot.held.clone(),
            within: snapshot.within.clone(),
            running: snapshot.running.clone(),
            peak: snapshot.slots.free.peak_of(0..snapshot.slots.len()),
            is_peak_old: false,
            keys: Keys::new(snapshot, &snapshot.own),
            started: Vec::new(),
            taken: BTreeSet::new(),
            evicted: BTreeSet::new(),
            promoted: BTreeSet::new(),
            reservations: Vec::new(),
            lost: Vec::new(),
            full: vec![0; snapshot.shapes.len()],
            retired: Vec::new(),
            eve: Eve::default(),
            hopeless: vec![false; snapshot.shapes.len()],
            was_behind: false,
            is_lifted: false,
            is_thorough: false,
            decisions: Decisions::default(),
        }
    }

    /// Jobs whose team takes none.
    fn reject(&mut self) {
        let snapshot = self.snapshot;
        let mut rejected = Vec::new();
        let strays = snapshot.strays.iter().filter_map(|&job| snapshot.entry(job));
        rejected.extend(strays.map(|entry| (entry, crate::Refusal::NoTeam(entry.job.team.clone()))));
        for team in (0..snapshot.queues.len()).filter(|&team| !snapshot.queues[team].is_empty()) {
            if let Some(refusal) = snapshot.team_refusal(team) {
                let jobs = snapshot.queues[team].waiting().flatten().filter_map(|(_, &job)| snapshot.entry(job));
                rejected.extend(jobs.map(|entry| (entry, refusal.clone())));
            }
        }
        rejected.sort_by_cached_key(|(entry, _)| crate::job::Turn::of(&entry.job));
        let reject = |(entry, refusal): (&Entry, _)| Action::Reject { job: entry.job.id.clone(), refusal };
        self.decisions.actions.extend(rejected.into_iter().map(reject));
    }

    /// Borrowed jobs for which there is room in guarantees again, the oldest first.
    fn promote(&mut self) {
        let snapshot = self.snapshot;
        let mut borrowed: Vec<_> = (snapshot.ends.iter())
            .filter_map(|&(_, job)| {
                let (entry, running) = (snapshot.entry(job)?, snapshot.entry(job)?.running.as_ref()?);
                let can = !running.within && !running.is_leaving && self.is_within(entry.team?, &running.charge);
                can.then_some((running.started, crate::job::Turn::of(&entry.job), job))
            })
            .collect();
        borrowed.sort_unstable();
        for (_, _, job) in borrowed {
            let Some((entry, team)) = snapshot.entry(job).and_then(|entry| Some((entry, entry.team?))) else {
                continue;
            };
            let Some(running) = &entry.running else { continue };
            if self.is_within(team, &running.charge) {
                for team in snapshot.tree.path(team) {
                    self.within.add(team, &running.charge);
                }
                self.promoted.insert(job);
                self.decisions.promoted.push(entry.job.id.clone());
            }
        }
    }

    /// Sees everybody who waits once; true if the world became another behind somebody's back.
    fn round(&mut self) -> bool {
        self.begin();
        let snapshot = self.snapshot;
        // Of a leaf that was not looked into since the last start it is not known whether anybody of it has room.
        let mut looked_into = None;
        let nobody: Vec<bool> =
            (0..snapshot.queues.len()).map(|leaf| snapshot.tree.takes_jobs(leaf) && self.is_leaf_idle(leaf)).collect();
        self.was_behind = nobody.contains(&true);
        let mut contest = Contest::new(snapshot, &nobody, self);
        for leaf in contest.leaves() {
            self.rank(&mut contest, leaf);
        }
        while let Some(leaf) = contest.first() {
            let Some((job, class)) = contest.head(leaf) else { break };
            // Others of the same parent may have used up a guarantee since the leaf was ranked.
            if contest.tier(leaf) != Some(self.tier(leaf, class)) {
                self.rank(&mut contest, leaf);
                continue;
            }
            // Nothing happens between those of one leaf and tier that are passed over: they can all be at once.
            if self.is_leaf_idle(leaf) {
                contest.retire(leaf);
                self.rank(&mut contest, leaf);
                continue;
            }
            if looked_into != Some(leaf) && self.is_leaf_full(leaf) {
                self.retire(leaf, contest.retire(leaf));
                self.rank(&mut contest, leaf);
                continue;
            }
            looked_into = Some(leaf);
            if self.see(Candidate { leaf, job, class }) {
                looked_into = None;
                contest.advance(leaf, self);
            } else {
                let holds = |held: &&Held| held.leaf == leaf && held.class == class && held.job != job;
                let holder = self.reservations.iter().find(holds).map(|held| held.job);
                contest.pass_over(leaf, holder, self);
            }
            self.rank(&mut contest, leaf);
            if self.is_lifted && self.is_anybody_behind() {
                return true;
            }
        }
        false
    }

    fn rank(&self, contest: &mut Contest<'_>, leaf: usize) {
        let tier = contest.head(leaf).map(|(_, class)| self.tier(leaf, class));
        contest.rank(leaf, tier, &self.keys);
    }

    /// Starts a job, or finds out why not; true if it started.
    fn see(&mut self, one: Candidate) -> bool {
        match self.judge(one) {
            Verdict::Fits(placement) => {
                self.start(one, &placement, &[]);
                true
            }
            Verdict::Limit(_) => false,
            verdict => {
                if let Some((victims, placement)) = self.reclaim(one) {
                    self.start(one, &placement, &victims);
                    return true;
                }
                self.was_behind |= matches!(verdict, Verdict::Behind(_));
                self.reserve(one);
                false
            }
        }
    }

    /// 0 if the team and all above stay inside their guarantees with such a job, judged by all they hold; else 1.
    pub(crate) fn tier(&self, leaf: usize, class: Class) -> u8 {
        self.tier_of(&self.held, leaf, class)
    }

    /// The same, were so much held.
    fn tier_of(&self, held: &Matrix, leaf: usize, class: Class) -> u8 {
        let wanted = &self.snapshot.shapes.get(class.0).total;
        let inside = |team| fits_under(held.row(team), wanted, self.snapshot.guarantee.row(team));
        u8::from(!self.snapshot.tree.path(leaf).all(inside))
    }

    /// Whether a job may count as within the guarantees of its team and all above, beside those that do already.
    fn is_within(&self, leaf: usize, charge: &[i128]) -> bool {
        let inside = |team| fits_under(self.within.row(team), charge, self.snapshot.guarantee.row(team));
        self.snapshot.tree.path(leaf).all(inside)
    }

    fn start(&mut self, one: Candidate, placement: &Placement, victims: &[usize]) {
        let Candidate { leaf, job, class } = one;
        let snapshot = self.snapshot;
        let Some(entry) = snapshot.entry(job) else { return };
        let shape = snapshot.shapes.get(class.0);
        let rows = fit::rows(shape, placement);
        let within = self.is_within(leaf, &shape.total);
        for (slot, row) in &rows {
            self.room.subtract(*slot, row);
        }
        for team in snapshot.tree.path(leaf) {
            self.held.add(team, &shape.total);
            self.running[team] += 1;
            if within {
                self.within.add(team, &shape.total);
            }
        }
        self.keys.shift(snapshot, leaf, &shape.total, true);
        let ends = self.ends_of(class);
        self.taken.insert(job);
        let started = Started { ends, rows, team: leaf, charge: shape.total.clone() };
        self.make_way(job, &started);
        if self.started.len().is_multiple_of(PEAK_STARTS) {
            self.peak = self.room.peak();
        }
        self.is_peak_old = true;
        self.started.push(started);
        self.mend();
        let id = |&job: &usize| snapshot.entry(job).map(|entry| entry.job.id.clone());
        let evicts: Vec<String> = victims.iter().filter_map(id).collect();
        let evict = |job: &String| Action::Evict { job: job.clone(), gives_way_to: entry.job.id.clone() };
        self.decisions.actions.extend(evicts.iter().map(evict));
        let placed = |put: &fit::Put| Placed {
            node: snapshot.slots.name(put.slot).to_owned(),
            group: put.group,
            count: put.count,
        };
        let pods = placement.iter().map(placed).collect();
        self.decisions.actions.push(Action::Start(Start { job: entry.job.id.clone(), ends, within, pods, evicts }));
    }

    /// What a team and all below hold now.
    pub(crate) fn held(&self, team: usize) -> &[i128] {
        self.held.row(team)
    }

    /// How many jobs of a team and of all below run now.
    pub(crate) fn running(&self, team: usize) -> u64 {
        self.running[team]
    }

    /// When a job of the class would be over, were it started now.
    fn ends_of(&self, class: Class) -> i64 {
        crate::decay::clamp(self.snapshot.now.saturating_add(i64::try_from(class.1).unwrap_or(i64::MAX)))
    }

    fn finish(mut self, previous: &Previous) -> Decisions {
        self.tell(previous);
        let snapshot = self.snapshot;
        let stands = |held: &Held| Some(Reservation { job: snapshot.entry(held.job)?.job.id.clone(), at: held.at });
        self.decisions.reservations = self.reservations.iter().filter_map(stands).collect();
        self.decisions
    }
}

/// Whether something more fits under a bound, for everything asked.
pub(crate) fn fits_under(held: &[i128], wanted: &[i128], bound: &[i128]) -> bool {
    // A bound may be i128::MAX, and sums are far below that.
    held.iter().zip(wanted).zip(bound).all(|((held, wanted), bound)| *wanted == 0 || held + wanted <= *bound)
}
