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
pub(crate) struct Line<'a> {
    queue: &'a Queue,
    /// The first of those of whose class nobody was seen yet.
    front: Option<(&'a Turn, Class, usize)>,
    ahead: Iter<'a, Turn, (Class, usize)>,
    /// Of classes of which somebody was.
    heads: BinaryHeap<Head<'a>>,
}

/// Who is not seen at all: asked when its turn comes, for most never have one.
pub(crate) trait Skip {
    /// Whether a job waits no more.
    fn is_taken(&self, job: usize) -> bool;

    /// Whether there is nothing to be done for a class.
    fn is_idle(&self, leaf: usize, class: Class) -> bool;
}

impl<'a> Line<'a> {
    fn new(queue: &'a Queue, leaf: usize, skip: &impl Skip) -> Option<Self> {
        let mut line = Self { queue, front: None, ahead: queue.firsts(), heads: BinaryHeap::new() };
        line.settle(leaf, skip);
        line.head().is_some().then_some(line)
    }

    /// Finds the next class of which nobody was seen.
    fn settle(&mut self, leaf: usize, skip: &impl Skip) {
        while self.front.is_none()
            && let Some((turn, &(class, job))) = self.ahead.next()
        {
            if skip.is_idle(leaf, class) {
                continue;
            }
            if skip.is_taken(job) {
                let rest = self.queue.of(class);
                self.heads.extend(rest.and_then(|rest| next(rest, class, &|job| skip.is_taken(job))));
                continue;
            }
            self.front = Some((turn, class, job));
        }
    }

    fn is_front_first(&self) -> bool {
        match (&self.front, self.heads.peek()) {
            (Some((turn, ..)), Some(head)) => *turn < head.turn,
            (front, _) => front.is_some(),
        }
    }

    fn head(&self) -> Option<(usize, Class)> {
        match self.front {
            Some((_, class, job)) if self.is_front_first() => Some((job, class)),
            _ => self.heads.peek().map(|head| (head.job, head.class)),
        }
    }

    /// The first is seen: its class, and those of it that come after.
    fn pop(&mut self, leaf: usize, skip: &impl Skip) -> Option<(Class, Iter<'a, Turn, usize>)> {
        if !self.is_front_first() {
            return self.heads.pop().map(|head| (head.class, head.rest));
        }
        let (_, class, _) = self.front.take()?;
        self.settle(leaf, skip);
        let mut rest = self.queue.of(class)?;
        rest.next();
        Some((class, rest))
    }

    /// The classes that were not passed over yet.
    pub(crate) fn classes(self) -> impl Iterator<Item = Class> + use<'a> {
        let ahead = self.ahead.map(|(_, &(class, _))| class);
        self.heads.into_iter().map(|head| head.class).chain(self.front.map(|(_, class, _)| class)).chain(ahead)
    }
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
    pub(crate) fn new(snapshot: &'a Snapshot, nobody: &[bool], skip: &impl Skip) -> Self {
        let tree = &snapshot.tree;
        let line = |(team, queue): (usize, &'a Queue)| {
            if queue.is_empty() || !tree.takes_jobs(team) || nobody[team] {
                return None;
            }
            Line::new(queue, team, skip)
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
        self.lines[leaf].as_ref()?.head()
    }

    /// The leaf's job starts: the next of its class comes.
    pub(crate) fn advance(&mut self, leaf: usize, skip: &impl Skip) {
        let Some(line) = &mut self.lines[leaf] else { return };
        if let Some((class, rest)) = line.pop(leaf, skip) {
            line.heads.extend(next(rest, class, &|job| skip.is_taken(job)));
        }
    }

    /// The leaf's job is passed over, and all of its class with it; but one of them that holds a reservation is still seen: its own
    /// promise is not in its way.
    pub(crate) fn pass_over(&mut self, leaf: usize, holder: Option<usize>, skip: &impl Skip) {
        let Some(line) = &mut self.lines[leaf] else { return };
        if let (Some((class, rest)), Some(holder)) = (line.pop(leaf, skip), holder) {
            line.heads.extend(next(rest, class, &|job| job != holder));
        }
    }

    /// All of the leaf are passed over.
    pub(crate) fn retire(&mut self, leaf: usize) -> Option<Line<'a>> {
        self.lines[leaf].take()
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
