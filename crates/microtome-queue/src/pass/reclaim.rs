//! Who gives way to a job that has a right to its place.

use std::cmp::Reverse;

use crate::fit::Placement;
use crate::job::Turn;
use crate::pass::{Candidate, Pass, Verdict, fits_under};
use crate::room::Room;
use crate::snapshot::Class;

/// The order in which running jobs give way: from the root down the team that had the most, and in it by priority, by the work
/// that is lost, by age, and last by its place in the queue.
type Order = (Vec<(Reverse<(bool, u128)>, usize)>, i64, i64, Reverse<i64>, Reverse<Turn>);

impl Pass<'_> {
    /// Evicts borrowed jobs of other teams so that a job starts inside its guarantees, if that is on and enough of them are old
    /// enough. Nothing changes where it is not.
    pub(super) fn reclaim(&mut self, one: Candidate) -> Option<(Vec<usize>, Placement)> {
        let Candidate { leaf, class, .. } = one;
        let (snapshot, wanted) = (self.snapshot, &self.snapshot.shapes.get(class.0).total);
        let least = i64::try_from(snapshot.settings.reclaim?.min_runtime_seconds).unwrap_or(i64::MAX);
        // What its own team holds stays: nobody of it gives way.
        if self.hopeless[class.0] || !fits_under(self.held.row(leaf), wanted, snapshot.guarantee.row(leaf)) {
            return None;
        }
        let leaving = self.candidates(|_, running| running.is_leaving);
        let old = snapshot.now.saturating_sub(least);
        let victims = self.candidates(|team, running| {
            !running.within && !running.is_leaving && running.started <= old && team != leaf
        });
        if victims.is_empty() && leaving.is_empty() {
            return None;
        }
        leaving.iter().for_each(|&job| self.set_aside(job, true));
        let found = if self.would_start(one).is_some() { None } else { self.choose(one, &victims) };
        leaving.iter().for_each(|&job| self.set_aside(job, false));
        let (victims, placement) = found?;
        self.full.fill(0);
        self.retired.clear();
        self.peak = self.room.peak();
        self.loosen();
        (self.was_behind, self.is_lifted) = (true, true);
        Some((victims, placement))
    }

    /// Running jobs that are as asked, in the order in which they give way.
    fn candidates(&self, is_one: impl Fn(usize, &crate::snapshot::Running) -> bool) -> Vec<usize> {
        let snapshot = self.snapshot;
        let order = |job: usize| -> Option<Order> {
            let entry = snapshot.entry(job)?;
            let (team, running) = (entry.team?, entry.running.as_ref()?);
            if self.promoted.contains(&job) || self.evicted.contains(&job) || !is_one(team, running) {
                return None;
            }
            let weightless = |team: usize| snapshot.tree.teams[team].weight == 0;
            let mut path: Vec<_> = (snapshot.tree.path(team))
                .map(|team| (Reverse((weightless(team), self.keys.key(team))), team))
                .collect();
            path.reverse();
            let lost = snapshot.now.saturating_sub(running.checkpoint.unwrap_or(running.started).max(running.started));
            Some((path, entry.job.priority, lost, Reverse(running.started), Reverse(Turn::of(&entry.job))))
        };
        let mut all: Vec<(Order, usize)> =
            snapshot.ends.iter().filter_map(|&(_, job)| Some((order(job)?, job))).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, job)| job).collect()
    }

    /// Takes victims until the job would start, then puts back those that were not needed, the last taken first.
    fn choose(&mut self, one: Candidate, victims: &[usize]) -> Option<(Vec<usize>, Placement)> {
        let mut chosen = Vec::new();
        let mut would = None;
        let helpful: Vec<usize> = victims.iter().copied().filter(|&victim| self.helps(victim, one.class)).collect();
        for victim in helpful {
            self.set_aside(victim, true);
            chosen.push(victim);
            would = self.would_start(one);
            if would.is_some() {
                break;
            }
        }
        for i in (0..chosen.len()).rev() {
            let victim = chosen[i];
            self.set_aside(victim, false);
            if would.is_some() && self.would_start(one).is_none() {
                self.set_aside(victim, true);
            } else {
                chosen.remove(i);
            }
        }
        // With the victims that are left, every rule once more: what fits must fit without those that were put back.
        let placement = would.and_then(|_| self.would_start(one));
        if placement.is_none() {
            chosen.iter().for_each(|&victim| self.set_aside(victim, false));
        }
        Some((chosen, placement?))
    }

    /// Whether a running job holds anything that the class asks for.
    fn helps(&self, victim: usize, class: Class) -> bool {
        let running = self.snapshot.entry(victim).and_then(|entry| entry.running.as_ref());
        let wanted = &self.snapshot.shapes.get(class.0).total;
        running.is_some_and(|running| running.charge.iter().zip(wanted).any(|(held, wanted)| *held > 0 && *wanted > 0))
    }

    /// Where the job would go, if it may start now, inside its guarantees.
    fn would_start(&mut self, one: Candidate) -> Option<Placement> {
        let Candidate { leaf, class, .. } = one;
        let wanted = &self.snapshot.shapes.get(class.0).total;
        if self.tier(leaf, class) > 0 || !self.is_within(leaf, wanted) || self.limit(leaf, class).is_some() {
            return None;
        }
        match self.find_room(one) {
            Verdict::Fits(placement) => Some(placement),
            _ => None,
        }
    }

    /// Looks at the world without a running job, or with it again.
    fn set_aside(&mut self, job: usize, is_aside: bool) {
        let snapshot = self.snapshot;
        let Some(entry) = snapshot.entry(job) else { return };
        let (Some(team), Some(running)) = (entry.team, &entry.running) else { return };
        let sign = if is_aside { 1 } else { -1 };
        let change = |row: &mut [i128], by: &[i128], sign: i128| {
            row.iter_mut().zip(by).for_each(|(sum, amount)| *sum += sign * amount);
        };
        let shift = |room: &mut Room| {
            for (slot, row) in &running.rows {
                if is_aside { room.add(*slot, row) } else { room.subtract(*slot, row) }
            }
        };
        shift(&mut self.room);
        for team in snapshot.tree.path(team) {
            change(self.held.row_mut(team), &running.charge, -sign);
            if running.within {
                change(self.within.row_mut(team), &running.charge, -sign);
            }
            self.running[team] = if is_aside { self.running[team].saturating_sub(1) } else { self.running[team] + 1 };
        }
        self.keys.shift(snapshot, team, &running.charge, !is_aside);
        for held in self.reservations.iter_mut().filter(|held| running.ends > held.at) {
            shift(&mut held.later);
            for team in snapshot.tree.path(team) {
                if let Some(above) = held.above.iter_mut().find(|above| above.team == team) {
                    change(&mut above.held, &running.charge, -sign);
                    above.running = if is_aside { above.running.saturating_sub(1) } else { above.running + 1 };
                }
            }
        }
        if is_aside {
            self.evicted.insert(job)
        } else {
            self.evicted.remove(&job)
        };
    }
}
