//! What is known of clusters between reports and decisions. Memory only: a restart begins with the workers that there are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::decide::{Decision, Memory};
use super::observation::Observation;
use crate::bell::Bell;

/// Between two decisions for a cluster; a little less than between two reports.
const EVERY_MS: u64 = 900;
/// Runs that are remembered for the next one of the same name. More are rather forgotten than kept for ever.
const RUNS: usize = 4096;

/// Which cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
}

/// Shared by the server, which reports, by the pass, which decides, and by whoever wants to tell.
#[derive(Clone)]
pub(crate) struct Board {
    shared: Arc<Mutex<Shared>>,
    bell: Bell,
    began: Instant,
}

#[derive(Default)]
struct Shared {
    /// By uid.
    clusters: BTreeMap<String, Entry>,
    /// The workers that a run of this namespace and name ended with.
    runs: BTreeMap<(String, String), u32>,
}

#[derive(Default)]
struct Entry {
    cluster: Option<Cluster>,
    seen: Option<Observation>,
    memory: Option<Memory>,
    decision: Option<Decision>,
    decided_ms: Option<u64>,
    allowed: Option<u32>,
}

/// A cluster for which it is time to decide.
#[derive(Debug)]
pub(crate) struct Due {
    pub(crate) cluster: Cluster,
    pub(crate) seen: Observation,
    pub(crate) memory: Memory,
    /// What the team's quota allows; nothing where admission has not said.
    pub(crate) allowed: Option<u32>,
    pub(crate) is_first: bool,
    pub(crate) now_ms: u64,
}

impl Board {
    pub(crate) fn new() -> Self {
        Self { shared: Arc::default(), bell: Bell::default(), began: Instant::now() }
    }

    /// Rung when there is something to decide.
    pub(crate) fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// Notes a head's report.
    pub(crate) fn report(&self, cluster: &Cluster, seen: Observation) {
        {
            let mut shared = self.lock();
            let entry = shared.clusters.entry(cluster.uid.clone()).or_default();
            entry.cluster = Some(cluster.clone());
            match &mut entry.seen {
                Some(earlier) => earlier.follow(seen),
                None => entry.seen = Some(seen),
            }
        }
        self.bell.ring();
    }

    /// Notes how many workers the teams' quotas allow each running cluster, those that it has included; without a word it is the
    /// number that was admitted with the head. What was known of any other cluster is forgotten.
    pub(crate) fn allow(&self, allowed: &BTreeMap<String, u32>) {
        let mut shared = self.lock();
        shared.clusters.retain(|uid, _| allowed.contains_key(uid));
        for (uid, &workers) in allowed {
            shared.clusters.entry(uid.clone()).or_default().allowed = Some(workers);
        }
    }

    /// What was last decided for the cluster with this uid.
    pub(crate) fn decision(&self, uid: &str) -> Option<Decision> {
        self.lock().clusters.get(uid)?.decision.clone()
    }

    /// How many workers the last run of this name ended with: what the next one begins with.
    #[cfg(test)]
    pub(crate) fn last_run(&self, namespace: &str, name: &str) -> Option<u32> {
        self.lock().runs.get(&(namespace.to_owned(), name.to_owned())).copied()
    }

    /// The cluster is gone.
    pub(crate) fn forget(&self, uid: &str) {
        self.lock().clusters.remove(uid);
    }

    /// Takes what is to be decided now. Where nobody reads no report comes, but time goes on.
    pub(super) fn due(&self) -> Vec<Due> {
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.due_at(now_ms)
    }

    fn due_at(&self, now_ms: u64) -> Vec<Due> {
        let mut shared = self.lock();
        let Shared { clusters, runs } = &mut *shared;
        let due = |entry: &mut Entry| {
            let cluster = entry.cluster.clone()?;
            if entry.decided_ms.is_some_and(|decided_ms| now_ms.saturating_sub(decided_ms) < EVERY_MS) {
                return None;
            }
            let seen = entry.seen.take()?;
            if !seen.active {
                entry.seen = Some(Observation { interval_ms: 0, delivered: 0, waited_us: 0, ..seen.clone() });
            }
            let (allowed, is_first) = (entry.allowed, entry.memory.is_none());
            let warm = || runs.get(&(cluster.namespace.clone(), cluster.name.clone())).map(|run| Memory::warm(*run));
            let memory = entry.memory.clone().or_else(warm).unwrap_or_default();
            Some(Due { cluster, seen, memory, allowed, is_first, now_ms })
        };
        clusters.values_mut().filter_map(due).collect()
    }

    /// Notes what was decided, and done.
    pub(super) fn settle(&self, due: &Due, memory: Memory, decision: Decision) {
        let mut shared = self.lock();
        let run = (due.cluster.namespace.clone(), due.cluster.name.clone());
        if shared.runs.len() >= RUNS && !shared.runs.contains_key(&run) {
            shared.runs.pop_first();
        }
        if due.seen.active {
            shared.runs.insert(run, decision.wanted);
        }
        let Some(entry) = shared.clusters.get_mut(&due.cluster.uid) else { return };
        entry.memory = Some(memory);
        entry.decision = Some(decision);
        entry.decided_ms = Some(due.now_ms);
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Every change is whole before the next one begins, so a panic elsewhere leaves nothing half done.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::decide::decide;
    use super::super::observation::Limits;
    use super::*;

    fn cluster(uid: &str) -> Cluster {
        Cluster { namespace: "x".into(), name: "a".into(), uid: uid.into() }
    }

    fn seen(active: bool, delivered: u64) -> Observation {
        let limits = Limits { least: 1, most: 9, quota: 9 };
        Observation { limits, active, asked_for: 4, interval_ms: 1000, delivered, ..Observation::default() }
    }

    fn decide_all(board: &Board, now_ms: u64) -> usize {
        let due = board.due_at(now_ms);
        for due in &due {
            let (memory, decision) = decide(&due.memory, &due.seen, due.now_ms);
            board.settle(due, memory, decision);
        }
        due.len()
    }

    #[test]
    fn reports_between_two_decisions_are_one() {
        let board = Board::new();
        board.report(&cluster("u"), seen(true, 10));
        assert!(board.due_at(0)[0].is_first);
        assert_eq!(decide_all(&board, 0), 0, "it was taken");
        board.report(&cluster("u"), seen(true, 20));
        assert_eq!(decide_all(&board, 1000), 1);
        board.report(&cluster("u"), seen(true, 30));
        assert_eq!(decide_all(&board, 1500), 0, "not more often than every second");
        board.report(&cluster("u"), seen(true, 40));
        let due = board.due_at(2000);
        assert_eq!((due[0].seen.delivered, due[0].seen.interval_ms, due[0].is_first), (70, 2000, false));
        assert_eq!(board.decision("u").map(|decision| decision.wanted), Some(4));
    }

    #[test]
    fn a_cluster_without_a_job_is_decided_for_without_reports() {
        let board = Board::new();
        board.report(&cluster("u"), seen(false, 0));
        assert_eq!((decide_all(&board, 0), decide_all(&board, 61_000)), (1, 1));
        assert_eq!(board.decision("u").map(|decision| decision.wanted), Some(1));
        board.forget("u");
        assert_eq!(decide_all(&board, 99_000), 0);
    }

    #[test]
    fn the_next_run_of_a_name_begins_with_the_last_ones_workers() {
        let board = Board::new();
        board.report(&cluster("u"), seen(true, 10));
        decide_all(&board, 0);
        assert_eq!(board.last_run("x", "a"), Some(4));
        board.allow(&BTreeMap::from([("v".to_owned(), 7)]));
        assert_eq!(board.decision("u"), None, "forgotten");
        board.report(&cluster("v"), Observation { asked_for: 1, ..seen(true, 10) });
        let due = board.due_at(5000);
        assert_eq!((&due[0].memory, due[0].allowed), (&Memory::warm(4), Some(7)));
    }
}
