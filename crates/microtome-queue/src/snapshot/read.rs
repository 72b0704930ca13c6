//! What can be asked of a snapshot besides decisions.

use std::collections::BTreeMap;

use crate::decision::Refusal;
use crate::job::{Hold, Job, Run};
use crate::node::Slots;
use crate::room::Room;
use crate::shape::Shape;
use crate::snapshot::{Entry, Snapshot};
use crate::team::TeamFault;
use crate::{Amounts, Ledger, fit};

impl Snapshot {
    /// The ledger, with what is held and offered now: what a restart goes on from.
    pub fn ledger(&mut self) -> &Ledger {
        self.settle();
        &self.ledger
    }

    /// Why a job could never run, if it were submitted now; none where it could.
    pub fn refusal(&self, job: &Job) -> Option<Refusal> {
        let Some(team) = self.tree.find(&job.team) else { return Some(Refusal::NoTeam(job.team.clone())) };
        if let Some(refusal) = self.team_refusal(team) {
            return Some(refusal);
        }
        let mut columns = self.columns.clone();
        let known = !columns.learn(job.pods.iter().flat_map(|group| group.requests.keys()));
        // A resource that nobody ever named is one that no node has.
        let others = (!known).then(|| Slots::new(self.nodes.as_slice(), self.pools.as_slice(), &columns));
        let slots = others.as_ref().unwrap_or(&self.slots);
        let shape = Shape::new(&job.pods, &columns, slots);
        self.limit_refusal(team, job, &shape).or_else(|| {
            let capacity = slots.offers.total();
            let short = (1..columns.len()).find(|&column| shape.total[column] > capacity[column]);
            if let Some(column) = short {
                let (resource, wanted) = (columns.name(column).to_owned(), shape.total[column]);
                return Some(Refusal::AboveCapacity { resource, capacity: capacity[column], wanted });
            }
            let (group, unplaced) = fit::unplaced(&shape, Room::new(slots.offers.clone()), slots)?;
            Some(Refusal::NeverFits { group, unplaced })
        })
    }

    /// Why a team takes no jobs at all.
    pub(crate) fn team_refusal(&self, team: usize) -> Option<Refusal> {
        let name = || self.tree.names[team].clone();
        let faulty = self.tree.fatal[team].as_ref().map(|fault| Refusal::Faulty(name(), fault.clone()));
        faulty.or_else(|| self.tree.is_parent[team].then(|| Refusal::NotALeaf(name())))
    }

    fn limit_refusal(&self, team: usize, job: &Job, shape: &Shape) -> Option<Refusal> {
        self.tree.path(team).find_map(|team| {
            let (name, limits) = (|| self.tree.names[team].clone(), self.tree.teams[team].limits);
            let wanted = job.deadline_seconds;
            if let Some(max) = limits.max_deadline_seconds.filter(|&max| wanted > max) {
                return Some(Refusal::DeadlineTooLong { team: name(), max, wanted });
            }
            let above = self.max.row(team).iter().zip(&shape.total).position(|(max, wanted)| wanted > max);
            if let Some(column) = above {
                let (max, wanted) = (self.max.row(team)[column], shape.total[column]);
                return Some(Refusal::AboveMax {
                    team: name(),
                    resource: self.columns.name(column).to_owned(),
                    max,
                    wanted,
                });
            }
            let max = limits.max_queued.filter(|&max| self.waiting[team] >= max)?;
            Some(Refusal::QueueFull { team: name(), max })
        })
    }

    /// Everything that is wrong with a team: its spec, and limits below what runs.
    pub fn faults(&self, team: &str) -> Vec<TeamFault> {
        let Some(index) = self.tree.find(team) else { return Vec::new() };
        let mut faults = self.tree.faults(index);
        let (held, max) = (self.held.row(index), self.max.row(index));
        for column in (1..self.columns.len()).filter(|&column| held[column] > max[column]) {
            let resource = self.columns.name(column).to_owned();
            faults.push(TeamFault::MaxBelowUse { resource, used: held[column], max: max[column] });
        }
        let (running, limits) = (self.running[index], self.tree.teams[index].limits);
        if let Some(max) = limits.max_running.filter(|&max| running > max) {
            faults.push(TeamFault::RunningAboveMax { running, max });
        }
        faults
    }

    /// How teams stand now, by name.
    pub fn standings(&self) -> BTreeMap<String, Standing> {
        let mut below: Vec<Vec<&str>> = vec![Vec::new(); self.tree.names.len()];
        for (team, name) in self.tree.names.iter().enumerate() {
            for above in self.tree.path(team) {
                below[above].push(name);
            }
        }
        let standing = |team: usize| Standing {
            used: self.columns.amounts(self.held.row(team)),
            share: self.ledger.share(below[team].iter().copied()),
            target: self.target(team),
            running: self.running[team],
            waiting: self.waiting[team],
        };
        (0..self.tree.names.len()).map(|team| (self.tree.names[team].clone(), standing(team))).collect()
    }

    /// The part of the cluster that is the team's by weights alone, with 60 binary places.
    fn target(&self, team: usize) -> u128 {
        let mut part: u128 = 1 << 60;
        for team in self.tree.path(team) {
            let siblings = self.tree.children.get(self.tree.parents[team]).unwrap_or(&self.tree.tops);
            let weights: u128 = siblings.iter().map(|&sibling| u128::from(self.tree.teams[sibling].weight)).sum();
            part = part * u128::from(self.tree.teams[team].weight) / weights.max(1);
        }
        part
    }

    pub(crate) fn entry(&self, job: usize) -> Option<&Entry> {
        self.jobs.get(job).and_then(Option::as_ref)
    }

    /// The ids of all waiting jobs of a team, the first first.
    pub fn queue(&self, team: &str) -> Vec<&str> {
        let Some(team) = self.tree.find(team) else { return Vec::new() };
        let mut all: Vec<_> = self.queues[team].waiting().flatten().collect();
        all.sort_unstable();
        all.into_iter().filter_map(|(_, &job)| Some(self.entry(job)?.job.id.as_str())).collect()
    }

    /// What all nodes that are up, and all that pools may add, offer together.
    pub fn capacity(&self) -> Amounts {
        self.columns.amounts(&self.slots.capacity())
    }

    /// How many jobs wait in all.
    pub fn waiting(&self) -> usize {
        self.ids.len() - self.ends.len()
    }

    /// How many jobs run in all.
    pub fn running(&self) -> usize {
        self.ends.len()
    }

    /// A job that runs, as [`Snapshot::run`] would take it.
    pub fn run_of(&self, id: &str) -> Option<(&Job, Run)> {
        let entry = self.entry(*self.ids.get(id)?)?;
        let running = entry.running.as_ref()?;
        let holds: Vec<Hold> = running.holds.clone();
        let &crate::snapshot::Running { started, ends, within, is_leaving, checkpoint, .. } = running;
        Some((&entry.job, Run { started, ends, within, is_leaving, checkpoint, holds }))
    }

    /// When a borrowed job next becomes evictable, if anybody waits and reclaim is on: a pass is due then though nothing happens.
    pub fn next_evictable(&self) -> Option<i64> {
        let least = i64::try_from(self.settings.reclaim?.min_runtime_seconds).unwrap_or(i64::MAX);
        let borrowed = self.ends.iter().filter_map(|&(_, job)| self.entry(job)?.running.as_ref());
        let times = borrowed.filter(|running| !running.within).map(|running| running.started.saturating_add(least));
        times.filter(|&time| time > self.now && self.waiting() > 0).min()
    }
}

/// How a team stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What its running jobs and those of all teams below hold, in thousandths.
    pub used: Amounts,
    /// Its decayed share of the cluster, with 60 binary places.
    pub share: u128,
    /// Its part of the cluster by weights alone, with 60 binary places.
    pub target: u128,
    /// Jobs that run.
    pub running: u64,
    /// Jobs that wait.
    pub waiting: u64,
}
