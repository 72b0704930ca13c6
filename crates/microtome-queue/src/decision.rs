//! What a pass says.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::team::{TeamFault, Thousandths};

/// What a pass decided, in the order in which it did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decisions {
    /// Borrowed jobs that now count as within their guarantees.
    pub promoted: Vec<String>,
    /// Rejections, then evictions and starts as they came, then reservations worth telling.
    pub actions: Vec<Action>,
    /// All reservations that stand: what the next pass is given as [`Previous`].
    pub reservations: Vec<Reservation>,
}

/// What earlier passes promised.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// The reservations that stood at the end of the last pass.
    pub reservations: Vec<Reservation>,
}

impl From<&Decisions> for Previous {
    fn from(decisions: &Decisions) -> Self {
        Self { reservations: decisions.reservations.clone() }
    }
}

/// A promise: the job starts at this time at the latest, if running jobs keep their deadlines and no node is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The job.
    pub job: String,
    /// The time, in seconds.
    pub at: i64,
}

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// A waiting job's team is gone, invalid, or no leaf any more.
    Reject {
        /// The job.
        job: String,
        /// Why.
        refusal: Refusal,
    },
    /// A running job gives way. It waits again once its pods are gone.
    Evict {
        /// The job.
        job: String,
        /// The job that needs its place.
        gives_way_to: String,
    },
    /// A waiting job starts.
    Start(Start),
    /// A job holds a reservation that was not told yet, or is another now.
    Reserve {
        /// The job.
        job: String,
        /// The time, in seconds.
        at: i64,
        /// What is new.
        news: News,
        /// Why the job waits.
        reason: Reason,
    },
}

/// A job starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The job.
    pub job: String,
    /// When its deadline ends it, in seconds.
    pub ends: i64,
    /// Whether it runs inside its team's guarantee.
    pub within: bool,
    /// Where its pods go.
    pub pods: Vec<Placed>,
    /// Jobs whose pods have to be gone first; their evictions stand before this.
    pub evicts: Vec<String>,
}

/// So many pods of a group on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    /// The node; `POOL#NUMBER` is one that the pool has to add.
    pub node: String,
    /// Which group of the job's pods.
    pub group: usize,
    /// How many.
    pub count: u64,
}

/// What is new about a reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum News {
    /// It was not held before.
    New,
    /// Its time came nearer.
    Earlier,
    /// A job inside its guarantee passed it over; the time is what is expected now.
    Displaced {
        /// That job.
        by: String,
    },
}

/// Why a job waits: the first constraint that fails. Amounts are thousandths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// A max of its team, or of one above.
    TeamMax {
        /// Whose max.
        team: String,
        /// The resource.
        resource: String,
        /// What running jobs hold.
        used: i128,
        /// The max.
        max: i128,
        /// What the job wants.
        wanted: i128,
    },
    /// As many jobs of its team, or of one above, run as may.
    TeamRunning {
        /// Whose limit.
        team: String,
        /// Jobs that run.
        running: u64,
        /// The limit.
        max: u64,
    },
    /// All nodes together have too little left of a resource.
    Short {
        /// The resource.
        resource: String,
        /// What is free in all.
        free: i128,
        /// What the job wants in all.
        wanted: i128,
    },
    /// Enough is free in all, but not where its pods could be.
    NoFit {
        /// The group of pods, counted from 0, of which some find no node.
        group: usize,
        /// How many of its pods find none.
        unplaced: u64,
    },
    /// It fits now, but would delay another's reservation.
    Behind {
        /// The job that holds it.
        holder: String,
        /// Its time, in seconds.
        at: i64,
    },
    /// Nothing is in its way: the next pass starts it.
    Nothing,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TeamMax { team, resource, used, max, wanted } => {
                let [used, max, wanted] = [used, max, wanted].map(|&amount| Thousandths(amount));
                write!(formatter, "team {team} uses {used} of its max {max} {resource}, and this wants {wanted}")
            }
            Self::TeamRunning { team, running, max } => {
                write!(formatter, "{running} jobs of team {team} run, and its jobLimits.maxRunning is {max}")
            }
            Self::Short { resource, free, wanted } => {
                let [free, wanted] = [free, wanted].map(|&amount| Thousandths(amount));
                write!(formatter, "{free} {resource} free, and this wants {wanted}")
            }
            Self::NoFit { group, unplaced } => {
                write!(formatter, "no node has room for {unplaced} of pods[{group}]")
            }
            Self::Behind { holder, at } => write!(formatter, "would delay {holder}, which is to start at {at}"),
            Self::Nothing => formatter.write_str("starts with the next pass"),
        }
    }
}

/// Why a job can never start. Amounts are thousandths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// There is no such team.
    NoTeam(String),
    /// Other teams name its team as their parent.
    NotALeaf(String),
    /// Its team's spec is wrong.
    Faulty(String, TeamFault),
    /// It wants more than a max of its team, or of one above.
    AboveMax {
        /// Whose max.
        team: String,
        /// The resource.
        resource: String,
        /// The max.
        max: i128,
        /// What the job wants.
        wanted: i128,
    },
    /// Its deadline is longer than its team allows, or one above.
    DeadlineTooLong {
        /// Whose limit.
        team: String,
        /// The limit, in seconds.
        max: u64,
        /// What the job declares, in seconds.
        wanted: u64,
    },
    /// As many jobs of its team wait, or of one above, as may.
    QueueFull {
        /// Whose limit.
        team: String,
        /// The limit.
        max: u64,
    },
    /// All nodes and pools together have too little of a resource.
    AboveCapacity {
        /// The resource.
        resource: String,
        /// What they have.
        capacity: i128,
        /// What the job wants.
        wanted: i128,
    },
    /// Its pods do not fit even when nobody else runs.
    NeverFits {
        /// The group of pods, counted from 0, of which some find no node.
        group: usize,
        /// How many of its pods find none.
        unplaced: u64,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTeam(team) => write!(formatter, "no such team: {team}"),
            Self::NotALeaf(team) => write!(formatter, "team {team} is a parent; only leaf teams take jobs"),
            Self::Faulty(team, fault) => write!(formatter, "team {team} is invalid: {fault}"),
            Self::AboveMax { team, resource, max, wanted } => {
                let [max, wanted] = [max, wanted].map(|&amount| Thousandths(amount));
                write!(formatter, "wants {wanted} {resource}, and the max of team {team} is {max}")
            }
            Self::DeadlineTooLong { team, max, wanted } => write!(
                formatter,
                "deadline of {wanted} s is above the jobLimits.maxActiveDeadlineSeconds {max} of team {team}"
            ),
            Self::QueueFull { team, max } => write!(formatter, "jobLimits.maxQueued {max} of team {team} is reached"),
            Self::AboveCapacity { resource, capacity, wanted } => {
                let [capacity, wanted] = [capacity, wanted].map(|&amount| Thousandths(amount));
                write!(formatter, "wants {wanted} {resource}, and all nodes and pools have {capacity}")
            }
            Self::NeverFits { group, unplaced } => {
                write!(formatter, "larger than all nodes and pools: {unplaced} of pods[{group}] fit nowhere")
            }
        }
    }
}
