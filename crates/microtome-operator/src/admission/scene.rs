//! All that the queue decides by, as plain data in one canonical form, and the pass over it: pure. The operator plays the
//! scene that it observed; `replay` plays the one that the log says it observed. Both get the same.

use std::collections::BTreeMap;

use microtome_queue::{
    Amounts, Decisions, Hold, Job, Ledger, Node, Pool, Previous, Refusal, Reservation, Run, Settings, Snapshot, Team,
};
use serde::{Deserialize, Serialize};

/// So many are taken into the queue in one pass; more wait for the next. The ledger is one object, and an object has its limit.
const MOST_ACCEPTED: usize = 5000;

/// What a pass decides by. Jobs are keyed by their clusters' uids.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scene {
    /// In seconds, never before the ledger.
    pub(crate) now: i64,
    pub(crate) ledger: Ledger,
    pub(crate) settings: Settings,
    /// In the order in which pods try them.
    pub(crate) pools: Vec<Pool>,
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) teams: BTreeMap<String, Team>,
    pub(crate) jobs: BTreeMap<String, Asked>,
    /// Where each of them stands.
    pub(crate) places: BTreeMap<String, Place>,
    /// What the last pass promised.
    pub(crate) reservations: Vec<Reservation>,
}

/// What a cluster asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// `namespace/name`.
    pub(crate) title: String,
    pub(crate) job: Job,
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Place {
    /// It asks to start.
    #[serde(rename_all = "camelCase")]
    Asks {
        /// Whether its deadline was taken note of.
        is_accepted: bool,
    },
    /// It was admitted, or its pods are not yet gone.
    Runs(Running),
}

/// A job that holds something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Running {
    pub(crate) started: i64,
    pub(crate) ends: i64,
    pub(crate) within: bool,
    pub(crate) is_leaving: bool,
    pub(crate) holds: Vec<Held>,
}

/// So many pods that each hold the same where no node is known yet; where one is, all that is held on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    pub(crate) count: u64,
    pub(crate) hold: Hold,
}

/// What came of a pass.
pub(crate) struct Played {
    /// Who can never start.
    pub(crate) refused: BTreeMap<String, Refusal>,
    /// Whose deadline was taken note of now.
    pub(crate) accepted: Vec<String>,
    pub(crate) decisions: Decisions,
    /// After the decisions were carried out.
    pub(crate) queue: Snapshot,
    pub(crate) ledger: Ledger,
}

impl Scene {
    /// A cluster in which there is nothing.
    pub(crate) fn empty() -> Self {
        Self {
            now: 0,
            ledger: Ledger::new(1, 0),
            settings: Settings::default(),
            pools: Vec::new(),
            nodes: BTreeMap::new(),
            teams: BTreeMap::new(),
            jobs: BTreeMap::new(),
            places: BTreeMap::new(),
            reservations: Vec::new(),
        }
    }

    /// Decides.
    pub(crate) fn play(&self) -> Played {
        let mut queue = Snapshot::new(self.ledger.clone(), self.settings, self.now);
        queue.set_nodes(self.nodes.values().cloned().collect(), self.pools.clone());
        queue.set_teams(self.teams.clone());
        for (uid, place) in &self.places {
            if let (Place::Runs(running), Some(asked)) = (place, self.jobs.get(uid)) {
                queue.run(asked.job.clone(), running.run());
            }
        }
        let (mut refused, mut accepted) = (BTreeMap::new(), Vec::new());
        for (is_accepted, asked) in self.asking() {
            let (job, uid) = (&asked.job, &asked.job.id);
            if let Some(refusal) = queue.refusal(job) {
                refused.insert(uid.clone(), refusal);
                continue;
            }
            if !is_accepted && accepted.len() == MOST_ACCEPTED {
                continue;
            }
            if !is_accepted {
                queue.accept(job.deadline_seconds);
                accepted.push(uid.clone());
            }
            queue.submit(job.clone());
        }
        let previous = Previous { reservations: self.reservations.clone() };
        let decisions = microtome_queue::decide(&queue, &previous);
        queue.apply(&decisions);
        let ledger = queue.ledger().clone();
        Played { refused, accepted, decisions, queue, ledger }
    }

    /// Who asks to start. Who was accepted keeps its place in a queue that is full for those that come later.
    fn asking(&self) -> Vec<(bool, &Asked)> {
        let asks = |(uid, place): (&String, &Place)| match place {
            Place::Asks { is_accepted } => Some((*is_accepted, self.jobs.get(uid)?)),
            Place::Runs(_) => None,
        };
        let mut asking: Vec<(bool, &Asked)> = self.places.iter().filter_map(asks).collect();
        asking.sort_by_key(|(is_accepted, asked)| (!is_accepted, asked.job.submitted, asked.job.order, &asked.job.id));
        asking
    }

    /// The scene as the next pass finds it if nothing happens in between.
    pub(crate) fn after(&mut self, played: &Played) {
        self.ledger.clone_from(&played.ledger);
        self.reservations.clone_from(&played.decisions.reservations);
        for uid in &played.accepted {
            if let Some(Place::Asks { is_accepted }) = self.places.get_mut(uid) {
                *is_accepted = true;
            }
        }
    }

    /// What people call a job.
    pub(crate) fn title(&self, uid: &str) -> String {
        self.jobs.get(uid).map_or_else(|| uid.to_owned(), |asked| asked.title.clone())
    }
}

impl Running {
    fn run(&self) -> Run {
        let each = |held: &Held| (0..held.count).map(|_| held.hold.clone()).collect::<Vec<_>>();
        Run {
            started: self.started,
            ends: self.ends,
            within: self.within,
            is_leaving: self.is_leaving,
            checkpoint: None,
            holds: self.holds.iter().flat_map(each).collect(),
        }
    }
}

/// Holds in their canonical form: node by node, then those without one, equal ones counted.
pub(crate) fn gathered(holds: &[Hold]) -> Vec<Held> {
    let mut placed: BTreeMap<&String, Hold> = BTreeMap::new();
    let mut floating: Vec<Held> = Vec::new();
    for hold in holds {
        match &hold.node {
            Some(node) => {
                let all =
                    placed.entry(node).or_insert_with(|| Hold { node: hold.node.clone(), amounts: Amounts::new() });
                super::nodes::add(&mut all.amounts, &hold.amounts);
            }
            None => match floating.last_mut().filter(|last| last.hold == *hold) {
                Some(last) => last.count += 1,
                None => floating.push(Held { count: 1, hold: hold.clone() }),
            },
        }
    }
    placed.into_values().map(|hold| Held { count: 1, hold }).chain(floating).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_are_gathered_by_node_and_counted_without_one() {
        let hold = |node: Option<&str>, cpu| Hold {
            node: node.map(str::to_owned),
            amounts: Amounts::from([("cpu".to_owned(), cpu)]),
        };
        let holds = [hold(None, 1), hold(Some("b"), 2), hold(None, 1), hold(Some("a"), 4), hold(Some("b"), 8)];
        let wanted = [(1, hold(Some("a"), 4)), (1, hold(Some("b"), 10)), (2, hold(None, 1))]
            .map(|(count, hold)| Held { count, hold });
        assert_eq!(gathered(&holds), wanted);
    }
}
