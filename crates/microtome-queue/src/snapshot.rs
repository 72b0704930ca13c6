//! What a decision is made from: teams, nodes, jobs and the ledger, kept in the shape in which a pass reads them.
//!
//! A snapshot is a value. It can be made anew for every pass, or kept and told what changed; both give the same decisions.

mod floor;
mod jobs;
mod queue;
mod read;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::amounts::{Columns, Matrix};
use crate::decay;
use crate::job::{Job, Turn};
use crate::node::{Node, Pool, Slots};
use crate::shape::Shapes;
use crate::team::Team;
use crate::tree::Tree;
use crate::{Amounts, Ledger};

pub(crate) use floor::Floor;
pub(crate) use queue::Queue;
pub use read::Standing;

/// How the queue works, for all teams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whether a job inside its guarantee may evict borrowed ones, and which; none: no job is ever evicted.
    pub reclaim: Option<Reclaim>,
}

/// Who may be evicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reclaim {
    /// A borrowed job is safe for so long after its start.
    pub min_runtime_seconds: u64,
}

/// All that a pass looks at.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) now: i64,
    pub(crate) settings: Settings,
    pub(crate) ledger: Ledger,
    pub(crate) columns: Columns,
    pub(crate) specs: BTreeMap<String, Team>,
    pub(crate) tree: Tree,
    pub(crate) guarantee: Matrix,
    pub(crate) max: Matrix,
    nodes: Vec<Node>,
    pools: Vec<Pool>,
    down: BTreeSet<String>,
    pub(crate) slots: Slots,
    pub(crate) shapes: Shapes,
    pub(crate) jobs: Vec<Option<Entry>>,
    vacant: Vec<usize>,
    pub(crate) ids: HashMap<String, usize>,
    /// By team: what waits, by class.
    pub(crate) queues: Vec<Queue>,
    /// By team: the least that anybody in its queue asks for; none where nobody waits.
    pub(crate) floors: Vec<Option<Floor>>,
    /// What running jobs of a team and of all below hold.
    pub(crate) held: Matrix,
    /// The part of that which is within guarantees.
    pub(crate) within: Matrix,
    /// What running jobs of the team itself hold.
    pub(crate) own: Matrix,
    /// Jobs of a team and of all below that run, and that wait.
    pub(crate) running: Vec<u64>,
    pub(crate) waiting: Vec<u64>,
    /// Waiting jobs whose team is not there.
    pub(crate) strays: BTreeSet<usize>,
    /// Running jobs by the time at which they are over.
    pub(crate) ends: BTreeSet<(i64, usize)>,
    /// Teams whose rates the ledger does not know yet.
    stale: BTreeSet<usize>,
    is_capacity_stale: bool,
}

/// Jobs of one team that ask for the same and declare the same deadline: what holds for one holds for all.
pub(crate) type Class = (usize, u64);

/// A job that waits or runs.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) job: Job,
    pub(crate) shape: usize,
    /// None where there is no such team.
    pub(crate) team: Option<usize>,
    pub(crate) running: Option<Running>,
}

/// What a running job holds.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) started: i64,
    pub(crate) ends: i64,
    pub(crate) within: bool,
    pub(crate) is_leaving: bool,
    pub(crate) checkpoint: Option<i64>,
    pub(crate) charge: Vec<i128>,
    /// By slot.
    pub(crate) rows: Vec<(usize, Vec<i128>)>,
    pub(crate) holds: Vec<crate::job::Hold>,
}

impl Snapshot {
    /// Nothing but a ledger, which goes on to `now` with the rates it knows.
    pub fn new(mut ledger: Ledger, settings: Settings, now: i64) -> Self {
        ledger.advance(now);
        let mut columns = Columns::new();
        columns.learn(ledger.capacity().keys());
        let mut snapshot = Self {
            now: decay::clamp(now).max(ledger.at()),
            settings,
            ledger,
            slots: Slots::new(&[], &[], &columns),
            columns,
            specs: BTreeMap::new(),
            tree: Tree::default(),
            guarantee: Matrix::default(),
            max: Matrix::default(),
            nodes: Vec::new(),
            pools: Vec::new(),
            down: BTreeSet::new(),
            shapes: Shapes::default(),
            jobs: Vec::new(),
            vacant: Vec::new(),
            ids: HashMap::new(),
            queues: Vec::new(),
            floors: Vec::new(),
            held: Matrix::default(),
            within: Matrix::default(),
            own: Matrix::default(),
            running: Vec::new(),
            waiting: Vec::new(),
            strays: BTreeSet::new(),
            ends: BTreeSet::new(),
            stale: BTreeSet::new(),
            is_capacity_stale: true,
        };
        snapshot.rebuild_nodes();
        snapshot
    }

    /// Time goes on. It never goes back.
    pub fn advance(&mut self, now: i64) {
        self.settle();
        self.ledger.advance(now);
        self.now = self.now.max(decay::clamp(now));
    }

    /// The time, in seconds.
    pub fn now(&self) -> i64 {
        self.now
    }

    /// Replaces all teams. Jobs keep waiting and running; those whose team is gone or out are rejected by the next pass.
    pub fn set_teams(&mut self, teams: BTreeMap<String, Team>) {
        self.settle();
        let names = teams.values().flat_map(|team| team.guarantee.keys().chain(team.max.keys()));
        let is_new = self.columns.learn(names);
        self.tree = Tree::new(&teams);
        self.specs = teams;
        if is_new {
            self.rebuild_nodes();
        } else {
            self.rebuild_teams();
        }
    }

    /// Replaces all nodes and pools. Running jobs keep what they hold on nodes that are still there.
    pub fn set_nodes(&mut self, nodes: Vec<Node>, pools: Vec<Pool>) {
        self.settle();
        (self.nodes, self.pools) = (nodes, pools);
        let nodes = self.nodes.iter().flat_map(|node| node.allocatable.keys().chain(node.taken.keys()));
        self.columns.learn(nodes.chain(self.pools.iter().flat_map(|pool| pool.node.keys())));
        self.rebuild_nodes();
    }

    /// A node goes down or comes up. The jobs that hold anything on one that goes down are told: the caller takes them off.
    pub fn set_node_down(&mut self, node: &str, is_down: bool) -> Vec<String> {
        let Some(slot) = self.slots.find(node).filter(|&slot| self.slots.is_down(slot) != is_down) else {
            return Vec::new();
        };
        if is_down {
            self.down.insert(node.to_owned())
        } else {
            self.down.remove(node)
        };
        self.slots.set_down(slot, is_down);
        self.is_capacity_stale = true;
        let on_it = self.jobs.iter().flatten().filter(|entry| {
            entry.running.as_ref().is_some_and(|running| running.rows.iter().any(|(on, _)| *on == slot))
        });
        let mut lost: Vec<(Turn, String)> = on_it.map(|entry| (Turn::of(&entry.job), entry.job.id.clone())).collect();
        lost.sort();
        lost.into_iter().map(|(_, id)| id).collect()
    }

    /// Tells the ledger what is held and offered now.
    pub(crate) fn settle(&mut self) {
        for team in std::mem::take(&mut self.stale) {
            self.ledger.set_rates(&self.tree.names[team], &self.columns.amounts(self.own.row(team)));
        }
        if std::mem::take(&mut self.is_capacity_stale) {
            self.ledger.set_capacity(&self.columns.amounts(&self.slots.capacity()));
        }
    }

    /// New resources, or other nodes: every row is made anew.
    fn rebuild_nodes(&mut self) {
        self.slots = Slots::new(&self.nodes, &self.pools, &self.columns);
        self.down.retain(|name| self.slots.find(name).is_some());
        for name in &self.down {
            if let Some(slot) = self.slots.find(name) {
                self.slots.set_down(slot, true);
            }
        }
        self.shapes.rebuild(&self.columns, &self.slots);
        self.is_capacity_stale = true;
        for index in 0..self.jobs.len() {
            if let Some(mut entry) = self.jobs[index].take() {
                if let Some(running) = &mut entry.running {
                    (running.charge, running.rows) = self.charge(&running.holds);
                    for (slot, row) in &running.rows {
                        self.slots.free.subtract(*slot, row);
                    }
                }
                self.jobs[index] = Some(entry);
            }
        }
        self.rebuild_teams();
    }

    /// Other teams: every sum over teams is made anew from the jobs.
    fn rebuild_teams(&mut self) {
        let (teams, columns) = (self.tree.names.len(), self.columns.len());
        self.guarantee = Matrix::new(0, columns);
        self.max = Matrix::new(0, columns);
        for team in &self.tree.teams {
            self.guarantee.push(&self.columns.row(&team.guarantee, 0));
            self.max.push(&self.columns.row(&team.max, i128::MAX));
        }
        [self.held, self.within, self.own] = std::array::from_fn(|_| Matrix::new(teams, columns));
        (self.running, self.waiting) = (vec![0; teams], vec![0; teams]);
        self.queues = vec![Queue::default(); teams];
        self.floors = vec![None; teams];
        // What a team that is gone held is charged to nobody from now on; its past decays in the ledger.
        let gone: Vec<String> =
            self.ledger.teams().keys().filter(|name| self.tree.find(name).is_none()).cloned().collect();
        for name in gone {
            self.ledger.set_rates(&name, &Amounts::new());
        }
        self.stale = (0..teams).collect();
        self.strays.clear();
        for index in 0..self.jobs.len() {
            if let Some(mut entry) = self.jobs[index].take() {
                entry.team = self.tree.find(&entry.job.team);
                self.count(index, &entry, 1);
                self.jobs[index] = Some(entry);
            }
        }
    }
}
