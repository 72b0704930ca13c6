//! Who need not be looked at: it would change nothing.

use crate::amounts::Matrix;
use crate::pass::contest::{Line, Skip};
use crate::pass::{Pass, fits_under};
use crate::snapshot::Class;

/// The world as a round found it. Who is idle then is not seen in that round, and is asked for only when its turn comes.
#[derive(Default)]
pub(super) struct Eve {
    /// Counts from 1.
    pub(super) round: u32,
    peak: Vec<i128>,
    held: Matrix,
    reservations: Vec<Stood>,
    /// Nobody is idle who was not asked for.
    is_known: bool,
}

/// A reservation that stood.
struct Stood {
    leaf: usize,
    class: Class,
    mask: u128,
    was_inside: bool,
}

impl Skip for Pass<'_> {
    fn is_taken(&self, job: usize) -> bool {
        self.taken.contains(&job)
    }

    /// Whether to look at a class would have changed nothing when the round began, while the reservations stand: it found no room,
    /// evicted nobody, and another had the reservation that it could get.
    fn is_idle(&self, leaf: usize, class: Class) -> bool {
        let (shape, eve) = (self.snapshot.shapes.get(class.0), &self.eve);
        if eve.reservations.is_empty()
            || !((1..eve.round).contains(&self.full[class.0]) || Self::is_above(&eve.peak, shape))
        {
            return false;
        }
        let may_evict = self.snapshot.settings.reclaim.is_some()
            && fits_under(eve.held.row(leaf), &shape.total, self.snapshot.guarantee.row(leaf));
        if may_evict || eve.reservations.iter().any(|stood| (stood.leaf, stood.class) == (leaf, class)) {
            return false;
        }
        let is_borrowed = self.tier_of(&eve.held, leaf, class) == 1;
        // One above its guarantee that is not seen must not let one inside it, behind it in the queue, have an earlier turn.
        if is_borrowed && self.may_be_inside(&eve.held, leaf) {
            return false;
        }
        let is_rival = |stood: &Stood| self.is_in_the_way((stood.leaf, stood.mask), leaf, shape.mask);
        eve.reservations.iter().any(|stood| is_rival(stood) && (is_borrowed || stood.was_inside))
    }
}

impl<'a> Pass<'a> {
    /// A round begins.
    pub(super) fn begin(&mut self) {
        for class in std::mem::take(&mut self.retired).into_iter().flat_map(Line::classes) {
            self.full[class.0] = self.full[class.0].max(1);
        }
        let stood = |held: &super::Held| Stood {
            leaf: held.leaf,
            class: held.class,
            mask: held.mask,
            was_inside: held.was_inside,
        };
        self.eve = Eve {
            round: self.eve.round + 1,
            peak: self.peak.clone(),
            held: self.held.clone(),
            reservations: self.reservations.iter().map(stood).collect(),
            is_known: false,
        };
        self.is_lifted = false;
    }

    /// Whether anybody was kept back by a reservation: from its room, or from one of its own.
    pub(super) fn is_anybody_behind(&mut self) -> bool {
        if !self.was_behind && !std::mem::replace(&mut self.eve.is_known, true) {
            let queues = self.snapshot.queues.iter().enumerate();
            let mut leaves = queues.filter(|(leaf, _)| self.snapshot.tree.takes_jobs(*leaf));
            self.was_behind = leaves.any(|(leaf, queue)| queue.classes().any(|&class| self.is_idle(leaf, class)));
        }
        self.was_behind
    }

    /// Whether all of a leaf are idle now, as far as the least that any of them asks for can tell.
    pub(super) fn is_leaf_idle(&self, leaf: usize) -> bool {
        let floor = self.snapshot.floors[leaf].as_ref();
        floor.is_some_and(|floor| floor.is_above(&self.peak)) && self.would_change_nothing(leaf)
    }

    /// Whether nobody of a leaf finds room on any node now. Asked only where the peaks are new: they are then the same after it.
    pub(super) fn is_leaf_full(&mut self, leaf: usize) -> bool {
        let floor = self.snapshot.floors[leaf].as_ref().filter(|_| !self.is_peak_old);
        floor.is_some_and(|floor| self.would_change_nothing(leaf) && floor.is_above_all(&mut self.room))
    }

    /// Whether nothing would change if nobody of a leaf found room: all are above their guarantees, evict nobody, hold no
    /// reservation, and another has the one that they could get.
    fn would_change_nothing(&self, leaf: usize) -> bool {
        let snapshot = self.snapshot;
        let Some(floor) = snapshot.floors[leaf].as_ref().filter(|_| !self.is_thorough) else { return false };
        let may_evict = snapshot.settings.reclaim.is_some()
            && floor.may_fit_under(self.held.row(leaf), snapshot.guarantee.row(leaf));
        if may_evict || self.may_be_inside(&self.held, leaf) {
            return false;
        }
        self.reservations.iter().all(|held| held.leaf != leaf)
            && self.reservations.iter().any(|held| self.is_in_the_way((held.leaf, held.mask), leaf, floor.mask))
    }

    /// Whether any of a leaf could stay inside the guarantees of its team and all above, were so much held.
    fn may_be_inside(&self, held: &Matrix, leaf: usize) -> bool {
        let floor = self.snapshot.floors[leaf].as_ref();
        let may_fit =
            |team| floor.is_some_and(|floor| floor.may_fit_under(held.row(team), self.snapshot.guarantee.row(team)));
        self.snapshot.tree.path(leaf).all(may_fit)
    }

    /// Nobody of a leaf found room. Who is stopped by a limit was not asked for room.
    pub(super) fn retire(&mut self, leaf: usize, line: Option<Line<'a>>) {
        let tree = &self.snapshot.tree;
        let mut path = tree.path(leaf);
        if !path.any(|team| !tree.teams[team].max.is_empty() || tree.teams[team].limits.max_running.is_some()) {
            self.retired.extend(line);
            return;
        }
        for class in line.into_iter().flat_map(Line::classes) {
            if self.limit(leaf, class).is_none() {
                self.full[class.0] = self.eve.round;
            }
        }
    }
}
