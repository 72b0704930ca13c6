//! Teams as the administrator writes them, and what can be wrong with them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Amounts;

/// Weights above this are told: beside one, every usual weight is nothing.
pub(crate) const USUAL_WEIGHT: u64 = 1_000_000_000;

/// A team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Team {
    /// The team above; none at the top.
    pub parent: Option<String>,
    /// Its part among its siblings; 0 runs only what no sibling of its tier wants.
    pub weight: u64,
    /// What it gets first. What is not named is not guaranteed.
    pub guarantee: Amounts,
    /// The most that its running jobs and those of all teams below hold together. What is not named is not limited.
    pub max: Amounts,
    /// Limits that count jobs.
    pub limits: JobLimits,
    /// What the caller found wrong with it, such as a namespace that another team holds: its jobs are refused.
    pub fault: Option<TeamFault>,
}

impl Default for Team {
    fn default() -> Self {
        let (guarantee, max) = (Amounts::new(), Amounts::new());
        Self { parent: None, weight: 1, guarantee, max, limits: JobLimits::default(), fault: None }
    }
}

/// Limits that count jobs of a team and of all teams below; none is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobLimits {
    /// Jobs that run at once.
    pub max_running: Option<u64>,
    /// Jobs that wait at once.
    pub max_queued: Option<u64>,
    /// The longest deadline that a job may declare, in seconds.
    pub max_deadline_seconds: Option<u64>,
}

/// What is wrong with a team's spec. `Display` begins with the field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TeamFault {
    /// The team is above itself. From the team around to itself.
    Cycle(Vec<String>),
    /// There is no team of the parent's name.
    UnknownParent(String),
    /// The parent, or one above it, is itself out.
    FaultyParent(String),
    /// Another team holds a namespace.
    NamespaceClaimed {
        /// The namespace.
        namespace: String,
        /// The team that holds it.
        holder: String,
    },
    /// More is guaranteed than the parent guarantees.
    GuaranteeAboveParent {
        /// The resource.
        resource: String,
        /// This team's guarantee, in thousandths.
        guarantee: i128,
        /// The parent.
        parent: String,
        /// The parent's guarantee, in thousandths.
        parents: i128,
    },
    /// More runs than a lowered max allows: nothing starts until that has ended.
    MaxBelowUse {
        /// The resource.
        resource: String,
        /// What running jobs hold, in thousandths.
        used: i128,
        /// The max, in thousandths.
        max: i128,
    },
    /// More jobs run than allowed.
    RunningAboveMax {
        /// Jobs that run.
        running: u64,
        /// The limit.
        max: u64,
    },
    /// Weight 0.
    NoWeight,
    /// A weight beside which all usual ones are nothing.
    HugeWeight(u64),
}

impl TeamFault {
    /// Whether the team takes no jobs because of it; of other faults it is only told.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Cycle(_) | Self::UnknownParent(_) | Self::FaultyParent(_) | Self::NamespaceClaimed { .. })
    }

    /// The field of the spec that is wrong.
    pub fn field(&self) -> String {
        match self {
            Self::Cycle(_) | Self::UnknownParent(_) | Self::FaultyParent(_) => "parentName".into(),
            Self::NamespaceClaimed { .. } => "namespaces".into(),
            Self::GuaranteeAboveParent { resource, .. } => format!("guarantee.{resource}"),
            Self::MaxBelowUse { resource, .. } => format!("max.{resource}"),
            Self::RunningAboveMax { .. } => "jobLimits.maxRunning".into(),
            Self::NoWeight | Self::HugeWeight(_) => "weight".into(),
        }
    }
}

impl fmt::Display for TeamFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "spec.{}: ", self.field())?;
        match self {
            Self::Cycle(around) => write!(formatter, "cycle {}", around.join(" → ")),
            Self::UnknownParent(parent) => write!(formatter, "no team {parent}"),
            Self::FaultyParent(parent) => write!(formatter, "team {parent} above is invalid itself"),
            Self::NamespaceClaimed { namespace, holder } => write!(formatter, "{namespace} is held by team {holder}"),
            Self::GuaranteeAboveParent { guarantee, parent, parents, .. } => {
                let (guarantee, parents) = (Thousandths(*guarantee), Thousandths(*parents));
                write!(formatter, "{guarantee} is above the {parents} of team {parent}, which counts")
            }
            Self::MaxBelowUse { used, max, .. } => {
                write!(formatter, "{} is below the {} that run", Thousandths(*max), Thousandths(*used))
            }
            Self::RunningAboveMax { running, max } => write!(formatter, "{max} is below the {running} that run"),
            Self::NoWeight => formatter.write_str("0 runs only what no other team beside it wants"),
            Self::HugeWeight(weight) => write!(formatter, "{weight} leaves nothing to teams of usual weights"),
        }
    }
}

/// An amount in thousandths as Kubernetes writes it: `2`, `1500m`, `64Gi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thousandths(pub i128);

/// Binary suffixes are written from a mebi on: nobody says `1Ki` of processors.
const SUFFIXES: [(&str, u32); 3] = [("Ti", 40), ("Gi", 30), ("Mi", 20)];

impl fmt::Display for Thousandths {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 % 1000 != 0 {
            return write!(formatter, "{}m", self.0);
        }
        let units = self.0 / 1000;
        match SUFFIXES.iter().find(|(_, bits)| units != 0 && units % (1 << bits) == 0) {
            Some((suffix, bits)) => write!(formatter, "{}{suffix}", units >> bits),
            None => write!(formatter, "{units}"),
        }
    }
}
