//! Jobs: what they ask for, and what running ones hold.

use std::cmp::Reverse;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Amounts;

/// A gang of pods that start together or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Tells it from every other; the last to settle its place in the queue.
    pub id: String,
    /// The team that is charged.
    pub team: String,
    /// Higher first, inside its team only.
    pub priority: i64,
    /// When it was asked for, in seconds; it keeps this however often it is started.
    pub submitted: i64,
    /// Settles equal submissions before the id does.
    pub order: u64,
    /// How long it may run, in seconds; somebody enforces that.
    pub deadline_seconds: u64,
    /// Its pods; the first group is placed first.
    pub pods: Vec<PodGroup>,
}

/// Equal pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PodGroup {
    /// How many.
    pub count: u64,
    /// What each asks for.
    pub requests: Amounts,
    /// The pools they may run in, the first tried first; empty: any node.
    pub pools: Vec<String>,
}

/// A job that runs, or whose pods are not yet gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When it was started, in seconds.
    pub started: i64,
    /// When it is over at the latest, in seconds.
    pub ends: i64,
    /// Whether it runs inside its team's guarantee; if not, on what others leave.
    pub within: bool,
    /// Whether it was evicted and its pods are not yet gone: nobody needs to be evicted for the same space again.
    pub is_leaving: bool,
    /// When it last saved its work, in seconds; none: nothing since its start.
    pub checkpoint: Option<i64>,
    /// What it is charged for, and where.
    pub holds: Vec<Hold>,
}

/// What a running job holds on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The node; none where no node is known yet: the team is charged, and first fit looks for a place.
    pub node: Option<String>,
    /// How much, in thousandths.
    pub amounts: Amounts,
}

/// A job's place in its team's queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    priority: Reverse<i64>,
    submitted: i64,
    order: u64,
    id: Arc<str>,
}

impl Turn {
    pub(crate) fn of(job: &Job) -> Self {
        Self { priority: Reverse(job.priority), submitted: job.submitted, order: job.order, id: job.id.as_str().into() }
    }
}
