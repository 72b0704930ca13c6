//! What is true of a world, kept apart from the queue: who waits, who runs where, who held what when.

use std::collections::{BTreeMap, BTreeSet};

use microtome_queue::{
    Action, Amounts, Decisions, Hold, Job, Ledger, Node, Placed, Pool, Previous, Run, Settings, Snapshot, Start, Team,
};

use super::oracle::{self, Interval};

#[derive(Clone, Debug)]
pub struct Running {
    pub started: i64,
    pub ends: i64,
    pub within: bool,
    pub pods: Vec<Placed>,
    pub interval: usize,
}

#[derive(Clone, Debug)]
pub struct Model {
    pub now: i64,
    pub half_life: u64,
    pub settings: Settings,
    pub teams: BTreeMap<String, Team>,
    pub nodes: Vec<Node>,
    pub pools: Vec<Pool>,
    pub down: BTreeSet<String>,
    pub waiting: BTreeMap<String, Job>,
    pub running: BTreeMap<String, (Job, Running)>,
    /// By team: who held what when.
    pub used: BTreeMap<String, Vec<Interval>>,
    pub offered: Vec<Interval>,
    pub accepted: Vec<u64>,
    pub starts: BTreeMap<String, u64>,
}

pub fn total(job: &Job) -> Amounts {
    let mut sum = Amounts::new();
    for group in &job.pods {
        for (resource, amount) in &group.requests {
            *sum.entry(resource.clone()).or_default() += amount * i128::from(group.count);
        }
    }
    sum
}

pub fn get(amounts: &Amounts, resource: &str) -> i128 {
    amounts.get(resource).copied().unwrap_or(0)
}

impl Model {
    pub fn new(half_life: u64, settings: Settings, now: i64) -> Self {
        Self {
            now,
            half_life,
            settings,
            teams: BTreeMap::new(),
            nodes: Vec::new(),
            pools: Vec::new(),
            down: BTreeSet::new(),
            waiting: BTreeMap::new(),
            running: BTreeMap::new(),
            used: BTreeMap::new(),
            offered: Vec::new(),
            accepted: Vec::new(),
            starts: BTreeMap::new(),
        }
    }

    /// The team and all above it; none where its spec leads nowhere.
    pub fn path(&self, team: &str) -> Option<Vec<String>> {
        let mut path = vec![team.to_owned()];
        let mut at = self.teams.get(team)?;
        while let Some(parent) = &at.parent {
            if path.contains(parent) {
                return None;
            }
            path.push(parent.clone());
            at = self.teams.get(parent)?;
        }
        Some(path)
    }

    pub fn takes_jobs(&self, team: &str) -> bool {
        self.path(team).is_some() && !self.teams.values().any(|other| other.parent.as_deref() == Some(team))
    }

    fn is_below(&self, team: &str, above: &str) -> bool {
        self.path(team).is_some_and(|path| path.iter().any(|on| on == above))
    }

    /// What running jobs of a team and of all below hold.
    pub fn held(&self, team: &str) -> Amounts {
        let mut sum = Amounts::new();
        for (job, _) in self.running.values().filter(|(job, _)| self.is_below(&job.team, team)) {
            for (resource, amount) in total(job) {
                *sum.entry(resource).or_default() += amount;
            }
        }
        sum
    }

    pub fn running_of(&self, team: &str) -> u64 {
        self.running.values().filter(|(job, _)| self.is_below(&job.team, team)).count() as u64
    }

    /// Names of all nodes that there are and may be, in the order of first fit, and their pools.
    pub fn slots(&self) -> Vec<(String, Option<String>, Amounts)> {
        let mut slots: Vec<_> = self
            .nodes
            .iter()
            .filter(|node| node.pool.is_none())
            .map(|node| (node.name.clone(), None, node.allocatable.clone()))
            .collect();
        for pool in &self.pools {
            let there = self.nodes.iter().filter(|node| node.pool.as_ref() == Some(&pool.name));
            let before = slots.len();
            slots.extend(there.map(|node| (node.name.clone(), node.pool.clone(), node.allocatable.clone())));
            let missing = pool.max_nodes.saturating_sub((slots.len() - before) as u64);
            slots.extend(
                (0..missing).map(|i| (format!("{}#{i}", pool.name), Some(pool.name.clone()), pool.node.clone())),
            );
        }
        slots
    }

    /// What is free by node; nodes that are down have no entry. Jobs that end by `until` have ended, if one is given.
    pub fn free(&self, until: Option<i64>) -> Vec<(String, Option<String>, Amounts)> {
        let mut slots = self.slots();
        slots.retain(|(name, ..)| !self.down.contains(name));
        for (job, running) in self.running.values() {
            if until.is_some_and(|until| running.ends.max(self.now + 1) <= until) {
                continue;
            }
            for placed in &running.pods {
                let Some((_, _, free)) = slots.iter_mut().find(|(name, ..)| *name == placed.node) else { continue };
                for (resource, amount) in &job.pods[placed.group].requests {
                    *free.entry(resource.clone()).or_default() -= amount * i128::from(placed.count);
                }
            }
        }
        slots
    }

    pub fn capacity(&self) -> Amounts {
        let mut sum = Amounts::new();
        for (_, _, offers) in self.slots().into_iter().filter(|(name, ..)| !self.down.contains(name)) {
            for (resource, amount) in offers {
                *sum.entry(resource).or_default() += amount;
            }
        }
        sum
    }

    /// 0 if everybody above stays inside the guarantee with the job.
    pub fn tier(&self, job: &Job) -> u8 {
        let wanted = total(job);
        let path = self.path(&job.team).unwrap();
        let inside = path.iter().all(|team| {
            let held = self.held(team);
            wanted.iter().all(|(resource, &amount)| {
                amount == 0 || get(&held, resource) + amount <= get(&self.teams[team].guarantee, resource)
            })
        });
        u8::from(!inside)
    }

    /// Whether a limit of its team or one above is in the job's way.
    pub fn is_limited(&self, job: &Job) -> bool {
        let wanted = total(job);
        self.path(&job.team).unwrap().iter().any(|team| {
            let (spec, held) = (&self.teams[team], self.held(team));
            spec.limits.max_running.is_some_and(|max| self.running_of(team) >= max)
                || wanted.iter().any(|(resource, &amount)| {
                    amount > 0 && spec.max.get(resource).is_some_and(|&max| get(&held, resource) + amount > max)
                })
        })
    }

    pub fn lookahead(&self) -> i64 {
        if self.accepted.is_empty() {
            return 0;
        }
        let mean = self.accepted.iter().sum::<u64>() / self.accepted.len() as u64;
        i64::try_from(mean.min(self.half_life / 8)).unwrap()
    }

    /// The decayed share of a team and all below at a time not before now.
    pub fn share(&self, team: &str, at: i64) -> f64 {
        let below: Vec<Interval> = self
            .used
            .iter()
            .filter(|(name, _)| self.is_below(name, team))
            .flat_map(|(_, intervals)| intervals.iter().cloned())
            .collect();
        oracle::share(&below, &self.offered, self.half_life as f64, at as f64)
    }

    fn offer(&mut self) {
        if let Some(last) = self.offered.last_mut() {
            last.to = Some(self.now);
        }
        self.offered.push(Interval { amounts: self.capacity(), from: self.now, to: None });
    }

    pub fn set_nodes(&mut self, snapshot: &mut Snapshot) {
        snapshot.set_nodes(self.nodes.clone(), self.pools.clone());
        self.offer();
    }

    pub fn set_down(&mut self, node: &str, is_down: bool, snapshot: &mut Snapshot) {
        if is_down {
            self.down.insert(node.to_owned())
        } else {
            self.down.remove(node)
        };
        let lost = snapshot.set_node_down(node, is_down);
        let on_it: BTreeSet<String> = self
            .running
            .iter()
            .filter(|(_, (_, running))| running.pods.iter().any(|placed| placed.node == node))
            .map(|(id, _)| id.clone())
            .collect();
        assert_eq!(lost.iter().cloned().collect::<BTreeSet<_>>(), on_it, "jobs of a lost node");
        for id in lost {
            let job = self.end(&id, snapshot);
            snapshot.submit(job.clone());
            self.waiting.insert(id, job);
        }
        self.offer();
    }

    pub fn submit(&mut self, job: Job, snapshot: &mut Snapshot) {
        snapshot.accept(job.deadline_seconds);
        self.accepted.push(job.deadline_seconds);
        snapshot.submit(job.clone());
        self.waiting.insert(job.id.clone(), job);
    }

    /// A running job is over.
    pub fn end(&mut self, id: &str, snapshot: &mut Snapshot) -> Job {
        let (job, running) = self.running.remove(id).expect("only running jobs end");
        self.used.get_mut(&job.team).unwrap()[running.interval].to = Some(self.now);
        snapshot.remove(id);
        job
    }

    /// Carries decisions out here; the snapshot carries them out itself.
    pub fn apply(&mut self, decisions: &Decisions) {
        for id in &decisions.promoted {
            let (_, running) = self.running.get_mut(id).expect("only running jobs are promoted");
            assert!(!running.within, "{id} was within already");
            running.within = true;
        }
        for action in &decisions.actions {
            match action {
                Action::Reject { job, .. } => assert!(self.waiting.remove(job).is_some(), "{job} did not wait"),
                Action::Evict { job, .. } => {
                    let (entry, running) = self.running.remove(job).expect("only running jobs are evicted");
                    self.used.get_mut(&entry.team).unwrap()[running.interval].to = Some(self.now);
                    self.waiting.insert(job.clone(), entry);
                }
                Action::Start(start) => self.start(start),
                Action::Reserve { job, .. } => assert!(self.waiting.contains_key(job), "{job} does not wait"),
            }
        }
    }

    pub fn start(&mut self, start: &Start) {
        let job = self.waiting.remove(&start.job).unwrap_or_else(|| panic!("{} did not wait", start.job));
        let intervals = self.used.entry(job.team.clone()).or_default();
        intervals.push(Interval { amounts: total(&job), from: self.now, to: None });
        *self.starts.entry(job.id.clone()).or_default() += 1;
        let running = Running {
            started: self.now,
            ends: start.ends,
            within: start.within,
            pods: start.pods.clone(),
            interval: intervals.len() - 1,
        };
        self.running.insert(start.job.clone(), (job, running));
    }

    /// A snapshot made from nothing but what is true now and a stored ledger, in some other order.
    pub fn rebuilt(&self, ledger: Ledger, random: &mut super::random::Random) -> Snapshot {
        let mut snapshot = Snapshot::new(ledger, self.settings, self.now);
        let mut jobs: Vec<(Job, Option<Running>)> = self.waiting.values().map(|job| (job.clone(), None)).collect();
        jobs.extend(self.running.values().map(|(job, running)| (job.clone(), Some(running.clone()))));
        random.shuffle(&mut jobs);
        let teams_first = random.one_in(2);
        if teams_first {
            snapshot.set_teams(self.teams.clone());
        }
        snapshot.set_nodes(self.nodes.clone(), self.pools.clone());
        for node in &self.down {
            snapshot.set_node_down(node, true);
        }
        for (job, running) in jobs {
            let Some(running) = running else {
                snapshot.submit(job);
                continue;
            };
            let hold = |placed: &Placed| Hold {
                node: Some(placed.node.clone()),
                amounts: job.pods[placed.group]
                    .requests
                    .iter()
                    .map(|(resource, amount)| (resource.clone(), amount * i128::from(placed.count)))
                    .collect(),
            };
            let holds = running.pods.iter().map(hold).collect();
            let Running { started, ends, within, .. } = running;
            snapshot.run(job, Run { started, ends, within, holds, ..Run::default() });
        }
        if !teams_first {
            snapshot.set_teams(self.teams.clone());
        }
        snapshot
    }

    pub fn decide(&self, snapshot: &Snapshot, previous: &Previous) -> Decisions {
        microtome_queue::decide(snapshot, previous)
    }
}
