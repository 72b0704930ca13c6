//! What a decision is made from: teams, clusters and what they hold, as plain data.

use std::collections::BTreeMap;

/// Amounts by resource, in thousandths. A resource that is not named is zero of a cluster, and without limit in a max.
pub type Amounts = BTreeMap<String, i128>;

/// All that a pass looks at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Teams by name.
    pub teams: BTreeMap<String, Team>,
    /// Clusters that wait or hold something, in any order.
    pub clusters: Vec<Cluster>,
}

/// What earlier passes promised. First come, first served promises nothing; reservations will stand here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Previous {}

/// A team.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Team {
    /// The most that its clusters hold together.
    pub max: Amounts,
}

/// A cluster that waits or holds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Which one.
    pub key: Key,
    /// The team that is charged.
    pub team: String,
    /// When it was asked for, in seconds of any fixed origin.
    pub submitted: i64,
    /// What the whole gang needs: the head and the workers without which it does not start.
    pub wants: Amounts,
    /// Whether it waits or holds.
    pub state: State,
}

/// Which cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Tells it from an earlier one of the same name.
    pub uid: String,
}

/// Whether a cluster waits or holds something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Asks to start.
    Waiting,
    /// Was admitted, or its pods are not yet gone.
    Admitted {
        /// What it holds. An admitted cluster holds what it wants; an ended one what its remaining pods hold.
        charged: Amounts,
    },
}

impl Cluster {
    /// The order of the queue: first come, first served; the uid settles ties the same way every time.
    pub(crate) fn order(&self) -> (i64, &str) {
        (self.submitted, &self.key.uid)
    }
}
