//! Who need not be looked at: it would change nothing.

use crate::pass::{Pass, fits_under};
use crate::snapshot::Class;

impl Pass<'_> {
    /// Whether to look at a class would change nothing while the reservations stand: it finds no room, evicts nobody, and another
    /// has the reservation that it could get.
    pub(super) fn is_idle(&self, leaf: usize, class: Class) -> bool {
        let shape = self.snapshot.shapes.get(class.0);
        if !(self.full[class.0] || self.is_above_peak(shape)) {
            return false;
        }
        let may_evict = self.snapshot.settings.reclaim.is_some()
            && fits_under(self.held.row(leaf), &shape.total, self.snapshot.guarantee.row(leaf));
        if may_evict || self.reservations.iter().any(|held| (held.leaf, held.class) == (leaf, class)) {
            return false;
        }
        let is_borrowed = self.tier(leaf, class) == 1;
        self.reservations.iter().any(|held| self.is_rival(held, leaf, shape) && (is_borrowed || held.was_inside))
    }

    /// Whether that is so for every class of a leaf, as far as the least that any of them asks for can tell; all are above their
    /// guarantees then.
    pub(super) fn is_leaf_idle(&self, leaf: usize) -> bool {
        let (snapshot, held) = (self.snapshot, |team| self.held.row(team));
        let floor = snapshot.floors[leaf].as_ref().filter(|floor| floor.is_above(&self.peak) && !self.is_thorough);
        let Some(floor) = floor else { return false };
        let may_fit = |team| floor.may_fit_under(held(team), snapshot.guarantee.row(team));
        if snapshot.tree.path(leaf).all(may_fit) || snapshot.settings.reclaim.is_some() && may_fit(leaf) {
            return false;
        }
        self.reservations.iter().all(|held| held.leaf != leaf)
            && self.reservations.iter().any(|held| self.is_in_the_way(held, leaf, floor.mask))
    }
}
