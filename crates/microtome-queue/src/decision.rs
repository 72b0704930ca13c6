//! What a pass says of each waiting cluster.

use crate::Key;

/// A verdict on one waiting cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The cluster.
    pub key: Key,
    /// The verdict.
    pub verdict: Verdict,
}

/// What becomes of a waiting cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may start.
    Admit,
    /// It stays in the queue.
    Wait {
        /// Its place among its team's waiting clusters; counts from 1.
        position: usize,
        /// Why.
        reason: Waiting,
    },
    /// It can never start under the team's max.
    Reject(Shortage),
    /// Its team is not in the snapshot.
    NoTeam,
}

/// Why a cluster waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// The team has too little left of a resource.
    Short(Shortage),
    /// It would fit, but another cluster of its team came first.
    Behind(Key),
}

/// The first resource, by name, of which there is not enough; amounts in thousandths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// The resource.
    pub resource: String,
    /// What the team's clusters hold now.
    pub used: i128,
    /// The team's max.
    pub max: i128,
    /// What the cluster wants.
    pub wanted: i128,
}

impl Shortage {
    /// How much would have to be given back before the cluster fits.
    pub fn short_by(&self) -> i128 {
        self.used + self.wanted - self.max
    }
}
