//! Whose turn it is: a tournament from the leaves to the root.

use std::cmp::Ordering;
use std::collections::btree_map::Iter;
use std::collections::{BTreeSet, BinaryHeap};

use crate::job::Turn;
use crate::pass::keys::Keys;
use crate::snapshot::{Class, Queue, Snapshot};
use crate::tree::{TOP, Tree};

/// A team's place among its siblings; the smallest is first. The index is the rank of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank {
    /// 0 inside guarantees, 1 above.
    pub(crate) tier: u8,
    is_weightless: bool,
    key: u128,
    team: usize,
}

/// The first job of each class of a leaf that was not passed over.
struct Line<'a> {
    heads: BinaryHeap<Head<'a>>,
}

struct Head<'a> {
    turn: &'a Turn,
    job: usize,
    class: Class,
    rest: Iter<'a, Turn, usize>,
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.turn == other.turn
    }
}

impl Eq for Head<'_> {}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Head<'_> {
    /// The heap gives its greatest first, and the first in the queue is the smallest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.turn.cmp(self.turn)
    }
}

/// All who wait and were not yet seen, in the order in which they are to be seen.
pub(crate) struct Contest<'a> {
    tree: &'a Tree,
    lines: Vec<Option<Line<'a>>>,
    ranks: Vec<Option<Rank>>,
    /// By team: its children that have anybody to offer. The last is the top's.
    fields: Vec<BTreeSet<Rank>>,
}

impl<'a> Contest<'a> {
    /// Without those who are taken, and the leaves and classes for which there is nothing to be done.
    pub(crate) fn new(
        snapshot: &'a Snapshot,
        is_taken: &dyn Fn(usize) -> bool,
        is_nobody: &dyn Fn(usize) -> bool,
        is_idle: &dyn Fn(usize, Class) -> bool,
    ) -> Self {
        let tree = &snapshot.tree;
        let line = |(team, queue): (usize, &'a Queue)| {
            if queue.is_empty() || !tree.takes_jobs(team) || is_nobody(team) {
                return None;
            }
            let head = |(class, waiting): (&Class, &'a std::collections::BTreeMap<Turn, usize>)| {
                if is_idle(team, *class) { None } else { next(waiting.iter(), *class, is_taken) }
            };
            let heads: BinaryHeap<Head<'a>> = queue.iter().filter_map(head).collect();
            (!heads.is_empty()).then_some(Line { heads })
        };
        let lines = snapshot.queues.iter().enumerate().map(line).collect();
        let teams = tree.names.len();
        Self { tree, lines, ranks: vec![None; teams], fields: vec![BTreeSet::new(); teams + 1] }
    }

    /// Leaves that have anybody to offer.
    pub(crate) fn leaves(&self) -> Vec<usize> {
        (0..self.lines.len()).filter(|&leaf| self.lines[leaf].is_some()).collect()
    }

    /// The leaf whose turn it is.
    pub(crate) fn first(&self) -> Option<usize> {
        let mut team = self.field(TOP).first()?.team;
        while let Some(best) = self.fields[team].first() {
            team = best.team;
        }
        Some(team)
    }

    fn field(&self, team: usize) -> &BTreeSet<Rank> {
        &self.fields[if team == TOP { self.fields.len() - 1 } else { team }]
    }

    fn field_mut(&mut self, team: usize) -> &mut BTreeSet<Rank> {
        let last = self.fields.len() - 1;
        &mut self.fields[if team == TOP { last } else { team }]
    }

    /// The tier with which a leaf stands in the contest.
    pub(crate) fn tier(&self, leaf: usize) -> Option<u8> {
        self.ranks[leaf].map(|rank| rank.tier)
    }

    /// The job a leaf offers.
    pub(crate) fn head(&self, leaf: usize) -> Option<(usize, Class)> {
        self.lines[leaf].as_ref()?.heads.peek().map(|head| (head.job, head.class))
    }

    /// The leaf's job starts: the next of its class comes.
    pub(crate) fn advance(&mut self, leaf: usize, is_taken: &dyn Fn(usize) -> bool) {
        let Some(line) = &mut self.lines[leaf] else { return };
        if let Some(head) = line.heads.pop() {
            line.heads.extend(next(head.rest, head.class, is_taken));
        }
    }

    /// The leaf's job is passed over, and all of its class with it; but one of them that holds a reservation is still seen: its own
    /// promise is not in its way.
    pub(crate) fn pass_over(&mut self, leaf: usize, holder: Option<usize>) {
        let Some(line) = &mut self.lines[leaf] else { return };
        if let (Some(head), Some(holder)) = (line.heads.pop(), holder) {
            line.heads.extend(next(head.rest, head.class, &|job| job != holder));
        }
    }

    /// All of the leaf are passed over.
    pub(crate) fn retire(&mut self, leaf: usize) {
        self.lines[leaf] = None;
    }

    /// Ranks a leaf and all above it anew; none: it offers nobody any more.
    pub(crate) fn rank(&mut self, leaf: usize, tier: Option<u8>, keys: &Keys) {
        let (mut team, mut tier) = (leaf, tier);
        while team != TOP {
            let rank = tier.map(|tier| Rank {
                tier,
                is_weightless: self.tree.teams[team].weight == 0,
                key: keys.key(team),
                team,
            });
            let parent = self.tree.parents[team];
            let old = std::mem::replace(&mut self.ranks[team], rank);
            if old == rank {
                return;
            }
            let field = self.field_mut(parent);
            if let Some(old) = old {
                field.remove(&old);
            }
            field.extend(rank);
            tier = field.first().map(|best| best.tier);
            team = parent;
        }
    }
}

/// The next of a class that nobody has taken.
fn next<'a>(mut rest: Iter<'a, Turn, usize>, class: Class, is_taken: &dyn Fn(usize) -> bool) -> Option<Head<'a>> {
    let (turn, &job) = rest.find(|(_, job)| !is_taken(**job))?;
    Some(Head { turn, job, class, rest })
}
