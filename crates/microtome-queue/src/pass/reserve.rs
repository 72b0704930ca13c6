//! Promises of a time to those that do not fit now.

use crate::decision::{Action, News, Previous};
use crate::fit;
use crate::pass::future::Opening;
use crate::pass::{Candidate, Pass, Started};
use crate::room::Room;
use crate::shape::Shape;
use crate::snapshot::Class;

/// A reservation that stands.
pub(crate) struct Held {
    pub(crate) job: usize,
    pub(crate) leaf: usize,
    pub(crate) class: Class,
    pub(crate) at: i64,
    /// Whether it was inside its guarantees when last looked at.
    pub(super) was_inside: bool,
    /// The pools that are its own.
    pub(super) mask: u128,
    /// What is free at its time, its own pods not counted.
    pub(crate) later: Room,
    /// Where its pods would go then.
    pub(crate) rows: Vec<(usize, Vec<i128>)>,
    /// What its team and those above hold at its time, itself not counted.
    pub(crate) above: Vec<Above>,
    /// The job inside its guarantee that passed it over in this pass.
    passed_by: Option<usize>,
    /// Nothing has become earlier since its time was found.
    is_fresh: bool,
}

/// What a team holds at some time.
pub(crate) struct Above {
    pub(crate) team: usize,
    pub(crate) held: Vec<i128>,
    pub(crate) running: u64,
}

/// A reservation that a job inside its guarantee took.
pub(crate) struct Lost {
    job: usize,
    by: usize,
}

impl Pass<'_> {
    /// Takes over what the last pass promised, where the job still waits and is not stopped by its own team's limits.
    pub(crate) fn take_over(&mut self, previous: &Previous) {
        let snapshot = self.snapshot;
        for promised in &previous.reservations {
            let Some(&job) = snapshot.ids.get(&promised.job) else { continue };
            let Some(entry) = snapshot.entry(job).filter(|entry| entry.running.is_none()) else { continue };
            let Some(leaf) = entry.team.filter(|&team| snapshot.tree.takes_jobs(team)) else { continue };
            let class = (entry.shape, entry.job.deadline_seconds);
            let shape = snapshot.shapes.get(class.0);
            if self.limit(leaf, class).is_some()
                || self.reservations.iter().any(|held| self.is_rival(held, leaf, shape))
            {
                continue;
            }
            let at = promised.at.max(snapshot.now);
            let mut room = self.room_at(at);
            let kept =
                fit::try_place(shape, &mut room, &snapshot.slots).map(|placement| Opening { at, room, placement });
            if let Some(opening) = kept.or_else(|| self.earliest(shape)) {
                self.hold(Candidate { leaf, job, class }, opening);
            }
        }
    }

    /// A job does not fit: its reservation is found anew, or it gets that of its pools if nobody has a better right to it.
    pub(super) fn reserve(&mut self, one: Candidate) {
        let Candidate { leaf, job, class } = one;
        let shape = self.snapshot.shapes.get(class.0);
        if let Some(i) = self.reservations.iter().position(|held| held.job == job) {
            self.find_again(i);
            return;
        }
        if self.hopeless[class.0] || shape.mask == 0 {
            return;
        }
        let is_rival = |held: &Held| self.is_rival(held, leaf, shape);
        // Above its guarantee it takes nobody's, inside it nobody's who is inside too.
        let is_safe = |held: &Held| is_rival(held) && self.tier(held.leaf, held.class) == 0;
        if self.reservations.iter().any(is_rival)
            && (self.tier(leaf, class) == 1 || self.reservations.iter().any(is_safe))
        {
            return;
        }
        let rivals: Vec<usize> = (0..self.reservations.len()).filter(|&i| is_rival(&self.reservations[i])).collect();
        let Some(opening) = self.earliest(shape) else {
            self.hopeless[class.0] = true;
            return;
        };
        if opening.at <= self.snapshot.now {
            // It has its room, and waits for a limit that it shares with another's reservation.
            return;
        }
        for i in rivals.into_iter().rev() {
            let held = self.reservations.remove(i);
            self.lost.push(Lost { job: held.job, by: job });
            self.is_lifted = true;
        }
        self.hold(one, opening);
    }

    /// Whether a job cannot hold a reservation beside another's: they could use the same pools, or the same limit of a team above
    /// both. So whatever keeps one reservation keeps all of them.
    pub(super) fn is_rival(&self, held: &Held, leaf: usize, shape: &Shape) -> bool {
        self.is_in_the_way((held.leaf, held.mask), leaf, shape.mask)
    }

    /// The same for all jobs of a leaf that could use these pools.
    pub(super) fn is_in_the_way(&self, (holder, pools): (usize, u128), leaf: usize, mask: u128) -> bool {
        let tree = &self.snapshot.tree;
        let is_limited =
            |team: usize| !tree.teams[team].max.is_empty() || tree.teams[team].limits.max_running.is_some();
        pools & mask != 0
            || tree.path(leaf).any(|team| is_limited(team) && tree.path(holder).any(|other| other == team))
    }

    fn hold(&mut self, one: Candidate, opening: Opening) {
        let Candidate { leaf, job, class } = one;
        let shape = self.snapshot.shapes.get(class.0);
        let Opening { at, room, placement } = opening;
        let (rows, above) = (fit::rows(shape, &placement), self.above(leaf, at));
        let was_inside = self.tier(leaf, class) == 0;
        let (mask, later) = (shape.mask, room);
        self.reservations.push(Held {
            job,
            leaf,
            class,
            at,
            was_inside,
            mask,
            later,
            rows,
            above,
            passed_by: None,
            is_fresh: false,
        });
    }

    /// What the team and those above will hold at a time.
    fn above(&self, leaf: usize, at: i64) -> Vec<Above> {
        let path = self.snapshot.tree.path(leaf);
        let mut above: Vec<Above> =
            path.map(|team| Above { team, held: self.held.row(team).to_vec(), running: self.running[team] }).collect();
        for leaver in self.leavers().filter(|leaver| leaver.at <= at) {
            for team in leaver.team.into_iter().flat_map(|team| self.snapshot.tree.path(team)) {
                if let Some(above) = above.iter_mut().find(|above| above.team == team) {
                    above.held.iter_mut().zip(leaver.charge).for_each(|(held, charge)| *held -= charge);
                    above.running = above.running.saturating_sub(1);
                }
            }
        }
        above
    }

    /// Finds a reservation's time anew: it may have come nearer. It is gone where no time is left.
    fn find_again(&mut self, index: usize) {
        if self.reservations[index].is_fresh {
            return;
        }
        let held = self.reservations.remove(index);
        let Some(opening) = self.earliest(self.snapshot.shapes.get(held.class.0)) else {
            self.is_lifted = true;
            return;
        };
        // Who would have been over too late for the old time may be over in time for a later one.
        self.is_lifted |= opening.at > held.at;
        self.hold(Candidate { leaf: held.leaf, job: held.job, class: held.class }, opening);
        if let Some(mut again) = self.reservations.pop() {
            (again.passed_by, again.is_fresh) = (held.passed_by, true);
            self.reservations.insert(index, again);
        }
    }

    /// A job starts: its own reservation is fulfilled; those of others are seen beside it.
    pub(super) fn make_way(&mut self, job: usize, started: &Started) {
        let snapshot = self.snapshot;
        if let Some(i) = self.reservations.iter().position(|held| held.job == job) {
            self.reservations.remove(i);
            self.is_lifted = true;
        }
        // Somebody of its guarantee started: whoever is inside a guarantee may pass it over from now on.
        let inside: Vec<bool> = self.reservations.iter().map(|held| self.tier(held.leaf, held.class) == 0).collect();
        for (held, is_inside) in self.reservations.iter_mut().zip(inside) {
            self.is_lifted |= held.was_inside && !is_inside;
            held.was_inside = is_inside;
        }
        for held in self.reservations.iter_mut().filter(|held| started.ends > held.at) {
            for (slot, row) in &started.rows {
                held.later.subtract(*slot, row);
            }
            for team in snapshot.tree.path(started.team) {
                if let Some(above) = held.above.iter_mut().find(|above| above.team == team) {
                    above.held.iter_mut().zip(&started.charge).for_each(|(held, charge)| *held += charge);
                    above.running += 1;
                }
            }
            let shape = snapshot.shapes.get(held.class.0);
            match fit::try_place(shape, &mut held.later, &snapshot.slots) {
                Some(placement) => held.rows = fit::rows(shape, &placement),
                None => (held.passed_by, held.is_fresh) = (Some(job), false),
            }
        }
    }

    /// Space was freed: every time may come nearer.
    pub(super) fn loosen(&mut self) {
        self.reservations.iter_mut().for_each(|held| held.is_fresh = false);
    }

    /// After a start that passed over reservations, they are found anew before anybody else is judged by them.
    pub(super) fn mend(&mut self) {
        for i in (0..self.reservations.len()).rev() {
            if self.reservations[i].passed_by.is_some() && !self.reservations[i].is_fresh {
                self.find_again(i);
            }
        }
    }

    /// When everybody was seen: who is stopped by a limit of its own team holds nothing; all others' times are as near as they can.
    /// True if somebody was kept back by one that is gone now.
    pub(super) fn settle_reservations(&mut self) -> bool {
        self.is_lifted = false;
        let stopped: Vec<bool> =
            self.reservations.iter().map(|held| self.limit(held.leaf, held.class).is_some()).collect();
        let mut stopped = stopped.into_iter();
        let before = self.reservations.len();
        self.reservations.retain(|_| !stopped.next().unwrap_or(false));
        for i in (0..self.reservations.len()).rev() {
            self.find_again(i);
        }
        (self.is_lifted || self.reservations.len() < before) && self.is_anybody_behind()
    }

    /// Says what is new about reservations.
    pub(super) fn tell(&mut self, previous: &Previous) {
        let snapshot = self.snapshot;
        let id = |job: usize| snapshot.entry(job).map(|entry| entry.job.id.clone()).unwrap_or_default();
        for lost in &self.lost {
            if let Some(held) = self.reservations.iter_mut().find(|held| held.job == lost.job) {
                held.passed_by = Some(lost.by);
            }
        }
        let mut told = Vec::new();
        for held in &self.reservations {
            let before = previous.reservations.iter().find(|promised| promised.job == id(held.job));
            let news = match (before, held.passed_by) {
                (None, _) => News::New,
                (Some(before), _) if held.at < before.at => News::Earlier,
                (Some(before), Some(by)) if held.at > before.at => News::Displaced { by: id(by) },
                (Some(_), _) => continue,
            };
            told.push((held.job, held.leaf, held.class, held.at, news));
        }
        let lost: Vec<Lost> = std::mem::take(&mut self.lost);
        for Lost { job, by } in lost {
            let holds = self.taken.contains(&job) || self.reservations.iter().any(|held| held.job == job);
            let Some(entry) = snapshot.entry(job).filter(|_| !holds) else { continue };
            let Some(leaf) = entry.team else { continue };
            let class = (entry.shape, entry.job.deadline_seconds);
            if let (None, Some(at)) = (self.limit(leaf, class), self.earliest_behind(by, class)) {
                told.push((job, leaf, class, at, News::Displaced { by: id(by) }));
            }
        }
        told.dedup_by_key(|(job, ..)| *job);
        for (job, leaf, class, at, news) in told {
            let reason = self.reason(Candidate { leaf, job, class });
            self.decisions.actions.push(Action::Reserve { job: id(job), at, news, reason });
        }
    }

    /// When a gang could start if the holder of a reservation goes first.
    fn earliest_behind(&mut self, holder: usize, class: Class) -> Option<i64> {
        let shape = self.snapshot.shapes.get(class.0);
        let Some(i) = self.reservations.iter().position(|held| held.job == holder) else {
            return self.earliest(shape).map(|opening| opening.at);
        };
        // As if it ran already: it gives its place back when it is over.
        let held = self.reservations.remove(i);
        let length = self.ends_of(held.class) - self.snapshot.now;
        let charge = self.snapshot.shapes.get(held.class.0).total.clone();
        let rows = held.rows.clone();
        for (slot, row) in &rows {
            self.room.subtract(*slot, row);
        }
        self.started.push(Started { ends: held.at.saturating_add(length), rows, team: held.leaf, charge });
        let opening = self.earliest(shape).map(|opening| opening.at.max(held.at));
        if let Some(started) = self.started.pop() {
            started.rows.iter().for_each(|(slot, row)| self.room.add(*slot, row));
        }
        self.reservations.insert(i, held);
        opening
    }
}
