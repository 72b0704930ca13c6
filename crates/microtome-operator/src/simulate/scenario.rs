//! A scenario, checked.

use microtome_queue::{Node, PodGroup, Pool, Settings, Team};

/// A cluster, its teams, and what happens.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) half_life_seconds: u64,
    pub(crate) settings: Settings,
    pub(crate) nodes: Vec<Node>,
    pub(crate) pools: Vec<Pool>,
    /// In the order of the file: of two that claim a namespace the first holds it.
    pub(crate) teams: Vec<NamedTeam>,
    /// By time; those of one instant in the order of the file.
    pub(crate) events: Vec<Event>,
}

/// A team and the namespaces that it claims.
#[derive(Clone, Debug)]
pub(crate) struct NamedTeam {
    pub(crate) name: String,
    pub(crate) namespaces: Vec<String>,
    pub(crate) team: Team,
}

/// Something happens at a second.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) at: i64,
    pub(crate) what: What,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Submit(Submit),
    Cancel(String),
    NodeDown(String),
    NodeUp(String),
    Team(NamedTeam),
}

/// A job as it is submitted.
#[derive(Clone, Debug)]
pub(crate) struct Submit {
    pub(crate) name: String,
    pub(crate) team: String,
    pub(crate) pods: Vec<PodGroup>,
    pub(crate) deadline_seconds: u64,
    /// When it ends by itself; its deadline may come first.
    pub(crate) runtime_seconds: u64,
    pub(crate) priority: i64,
}
