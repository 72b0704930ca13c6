//! Why a job waits, and what would start it.

use serde::{Deserialize, Serialize};

use crate::decision::{Previous, Reason};
use crate::fit;
use crate::job::Turn;
use crate::pass::{Candidate, Limit, Pass, Verdict};
use crate::snapshot::Snapshot;

/// What a waiting job's owner is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Its place among its team's waiting jobs; counts from 1.
    pub position: usize,
    /// How many of its team wait.
    pub waiting: usize,
    /// The first constraint that fails.
    pub reason: Reason,
    /// When its reservation is due, if it holds one; [`crate::forecast()`] estimates for all.
    pub reserved_at: Option<i64>,
    /// The least that would have to be different for the reason to be gone.
    pub change: Option<Change>,
}

/// A change after which a reason no longer holds; the job then starts, or has another reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// So much less of a resource in use by a team, or so much more max, in thousandths.
    TeamMax {
        /// Whose.
        team: String,
        /// The resource.
        resource: String,
        /// How much.
        by: i128,
    },
    /// So many jobs of a team fewer, or so many more allowed.
    TeamRunning {
        /// Whose.
        team: String,
        /// How many.
        by: u64,
    },
    /// So much more of a resource free on nodes, in thousandths.
    Free {
        /// The resource.
        resource: String,
        /// How much.
        by: i128,
    },
    /// Room for so many more pods of a group.
    Room {
        /// The group, counted from 0.
        group: usize,
        /// How many.
        pods: u64,
    },
    /// A declared deadline of so many seconds.
    Deadline {
        /// The longest that delays nobody.
        seconds: u64,
    },
}

/// Answers for one snapshot, after its decisions were carried out.
pub struct Explainer<'a> {
    pass: Pass<'a>,
}

impl<'a> Explainer<'a> {
    /// Of a snapshot and the reservations that stand.
    pub fn new(snapshot: &'a Snapshot, previous: &Previous) -> Self {
        let mut pass = Pass::new(snapshot);
        pass.take_over(previous);
        Self { pass }
    }

    /// Why a job waits; none if it does not.
    pub fn explain(&mut self, id: &str) -> Option<Explanation> {
        let snapshot = self.pass.snapshot;
        let job = *snapshot.ids.get(id)?;
        let entry = snapshot.entry(job).filter(|entry| entry.running.is_none())?;
        let leaf = entry.team?;
        let (class, turn) = ((entry.shape, entry.job.deadline_seconds), Turn::of(&entry.job));
        let before = snapshot.queues[leaf].waiting().map(|waiting| waiting.range(..&turn).count()).sum::<usize>();
        let waiting = snapshot.queues[leaf].waiting().map(std::collections::BTreeMap::len).sum();
        let reason = self.pass.reason(Candidate { leaf, job, class });
        let change = change(&reason, snapshot.now);
        let reserved_at = self.pass.reservations.iter().find(|held| held.job == job).map(|held| held.at);
        Some(Explanation { position: before + 1, waiting, reason, reserved_at, change })
    }
}

impl Pass<'_> {
    /// The first constraint in a job's way.
    pub(crate) fn reason(&mut self, one: Candidate) -> Reason {
        let snapshot = self.snapshot;
        let name = |team: usize| snapshot.tree.names[team].clone();
        let shape = snapshot.shapes.get(one.class.0);
        match self.judge(one) {
            Verdict::Fits(_) => Reason::Nothing,
            Verdict::Limit(Limit::Running { team, max }) => {
                Reason::TeamRunning { team: name(team), running: self.running(team), max }
            }
            Verdict::Limit(Limit::Max { team, column }) => Reason::TeamMax {
                team: name(team),
                resource: snapshot.columns.name(column).to_owned(),
                used: self.held(team)[column],
                max: snapshot.max.row(team)[column],
                wanted: shape.total[column],
            },
            Verdict::Full => {
                let free = self.room.total();
                let short =
                    (1..free.len()).find(|&column| shape.total[column] > 0 && shape.total[column] > free[column]);
                if let Some(column) = short {
                    let (resource, wanted) = (snapshot.columns.name(column).to_owned(), shape.total[column]);
                    return Reason::Short { resource, free: free[column], wanted };
                }
                let (group, unplaced) = fit::unplaced(shape, self.room.clone(), &snapshot.slots).unwrap_or((0, 0));
                Reason::NoFit { group, unplaced }
            }
            Verdict::Behind(holder) => {
                let at = self.reservations.iter().find(|held| held.job == holder).map_or(snapshot.now, |held| held.at);
                let holder = snapshot.entry(holder).map(|entry| entry.job.id.clone()).unwrap_or_default();
                Reason::Behind { holder, at }
            }
        }
    }
}

fn change(reason: &Reason, now: i64) -> Option<Change> {
    match reason {
        Reason::TeamMax { team, resource, used, max, wanted } => {
            Some(Change::TeamMax { team: team.clone(), resource: resource.clone(), by: used + wanted - max })
        }
        Reason::TeamRunning { team, running, max } => {
            Some(Change::TeamRunning { team: team.clone(), by: running + 1 - max })
        }
        Reason::Short { resource, free, wanted } => {
            Some(Change::Free { resource: resource.clone(), by: wanted - free })
        }
        Reason::NoFit { group, unplaced } => Some(Change::Room { group: *group, pods: *unplaced }),
        // A job that is over by the holder's time delays nobody.
        Reason::Behind { at, .. } => {
            u64::try_from(at - now).ok().filter(|&seconds| seconds > 0).map(|seconds| Change::Deadline { seconds })
        }
        Reason::Nothing => None,
    }
}
