//! Whether a job may start now.

use crate::fit::{self, Placement};
use crate::pass::reserve::Held;
use crate::pass::{Candidate, Pass, fits_under};
use crate::shape::Shape;
use crate::snapshot::Class;

/// What stands in a job's way, if anything does.
pub(crate) enum Verdict {
    /// Nothing: here is where its pods go.
    Fits(Placement),
    /// A limit of its team, or of one above.
    Limit(Limit),
    /// There is no room.
    Full,
    /// It would delay the job that holds a reservation.
    Behind(usize),
}

/// A limit of a team.
pub(crate) enum Limit {
    /// Of jobs that run.
    Running { team: usize, max: u64 },
    /// Of a resource.
    Max { team: usize, column: usize },
}

impl Pass<'_> {
    /// The first thing in a job's way.
    pub(crate) fn judge(&mut self, one: Candidate) -> Verdict {
        let Candidate { leaf, class, .. } = one;
        if let Some(limit) = self.limit(leaf, class) {
            return Verdict::Limit(limit);
        }
        if self.full[class.0] > 0 {
            return Verdict::Full;
        }
        let shape = self.snapshot.shapes.get(class.0);
        if self.is_above_peak(shape) {
            self.full[class.0] = self.eve.round.max(1);
            return Verdict::Full;
        }
        let verdict = self.find_room(one);
        let is_full = matches!(verdict, Verdict::Full);
        self.full[class.0] = if is_full { self.eve.round.max(1) } else { 0 };
        if is_full && self.is_peak_old && !self.is_thorough {
            // One look costs as much as one placement, and may save those of all that are left.
            self.peak = self.room.peak();
            self.is_peak_old = false;
        }
        verdict
    }

    /// Whether any of its pods is larger than what is free on any node.
    pub(super) fn is_above_peak(&self, shape: &Shape) -> bool {
        Self::is_above(&self.peak, shape)
    }

    pub(super) fn is_above(peak: &[i128], shape: &Shape) -> bool {
        shape.groups.iter().any(|group| group.count > 0 && !fit::fits(peak, &group.needs))
    }

    /// The first limit that would be exceeded, from the leaf up.
    pub(crate) fn limit(&self, leaf: usize, class: Class) -> Option<Limit> {
        let (snapshot, wanted) = (self.snapshot, &self.snapshot.shapes.get(class.0).total);
        snapshot.tree.path(leaf).find_map(|team| {
            let max = snapshot.tree.teams[team].limits.max_running;
            if let Some(max) = max.filter(|&max| self.running[team] >= max) {
                return Some(Limit::Running { team, max });
            }
            let (held, max) = (self.held.row(team), snapshot.max.row(team));
            let column =
                (0..wanted.len()).find(|&column| wanted[column] > 0 && held[column] + wanted[column] > max[column])?;
            Some(Limit::Max { team, column })
        })
    }

    /// Where a gang could go without delaying anybody's reservation.
    pub(super) fn find_room(&mut self, one: Candidate) -> Verdict {
        let Candidate { leaf, job, class } = one;
        let (slots, shape) = (&self.snapshot.slots, self.snapshot.shapes.get(class.0));
        let Some(placement) = fit::try_place(shape, &mut self.room, slots) else { return Verdict::Full };
        let (tier, ends) = (self.tier(leaf, class), self.ends_of(class));
        // Who is over by then delays nobody. A job inside its guarantee may pass over one that is not.
        let binds =
            |held: &Held| held.job != job && ends > held.at && !(tier == 0 && self.tier(held.leaf, held.class) == 1);
        let binding: Vec<usize> = (0..self.reservations.len()).filter(|&i| binds(&self.reservations[i])).collect();
        if let Some(&i) = binding.iter().find(|&&i| !self.leaves_limits(&self.reservations[i], leaf, class)) {
            return Verdict::Behind(self.reservations[i].job);
        }
        let rows = fit::rows(shape, &placement);
        let Some(&first) = binding.iter().find(|&&i| !self.leaves_room(i, &rows)) else {
            return Verdict::Fits(placement);
        };
        // Not there; perhaps where no reservation needs the space.
        let mut room = self.room.clone();
        for &i in &binding {
            let held = &self.reservations[i];
            let mut spare = held.later.clone();
            for (slot, row) in &held.rows {
                spare.subtract(*slot, row);
            }
            for slot in 0..room.rows() {
                room.lower_to(slot, spare.row(slot));
            }
        }
        match fit::place(shape, &mut room, slots) {
            Some(placement) => Verdict::Fits(placement),
            None => Verdict::Behind(self.reservations[first].job),
        }
    }

    /// Whether the reservation's job still fits at its time with something more on the nodes.
    fn leaves_room(&mut self, reservation: usize, rows: &[(usize, Vec<i128>)]) -> bool {
        let held = &mut self.reservations[reservation];
        let shape = self.snapshot.shapes.get(held.class.0);
        for (slot, row) in rows {
            held.later.subtract(*slot, row);
        }
        let fits = fit::try_place(shape, &mut held.later, &self.snapshot.slots).is_some();
        for (slot, row) in rows {
            held.later.add(*slot, row);
        }
        fits
    }

    /// Whether the limits of common ancestors leave the reservation's job its part at its time.
    fn leaves_limits(&self, held: &Held, leaf: usize, class: Class) -> bool {
        let snapshot = self.snapshot;
        let (theirs, ours) = (&snapshot.shapes.get(held.class.0).total, &snapshot.shapes.get(class.0).total);
        let both: Vec<i128> = theirs.iter().zip(ours).map(|(theirs, ours)| theirs + ours).collect();
        held.above.iter().all(|above| {
            if !snapshot.tree.path(leaf).any(|team| team == above.team) {
                return true;
            }
            let running = snapshot.tree.teams[above.team].limits.max_running;
            running.is_none_or(|max| above.running + 2 <= max)
                && fits_under(&above.held, &both, snapshot.max.row(above.team))
        })
    }
}
