//! Plays a scenario, instant by instant: ends, then events in the order of the file, then one pass.

use std::collections::{BTreeMap, BTreeSet};

use microtome_queue::{Action, Amounts, Job, Ledger, News, Previous, Snapshot, Start};

use super::line::{Decision, Line, Outcome};
use super::scenario::{Event, Scenario, Submit, What};
use super::teams::Teams;

/// What the queue makes of a scenario.
pub(crate) fn run(scenario: Scenario) -> Outcome {
    let events = scenario.events.clone();
    let mut world = World::new(scenario);
    let mut next = 0;
    loop {
        let event = events.get(next).map(|event| event.at);
        let end = world.ends.first().map(|&(at, _)| at);
        let Some(at) = [event, end, world.snapshot.next_evictable()].into_iter().flatten().min() else { break };
        world.snapshot.advance(at);
        world.end(at);
        while let Some(Event { what, .. }) = events.get(next).filter(|event| event.at == at) {
            world.happen(what);
            next += 1;
        }
        world.pass();
    }
    world.outcome()
}

struct World {
    snapshot: Snapshot,
    previous: Previous,
    teams: Teams,
    /// Jobs in the order of their submission in the file, and which is which.
    jobs: Vec<Known>,
    names: BTreeMap<String, usize>,
    /// When running jobs end.
    ends: BTreeSet<(i64, usize)>,
    outcome: Outcome,
}

struct Known {
    submit: Submit,
    /// How often it was started.
    attempts: u64,
    /// When the present attempt was started, and when it will end.
    running: Option<(i64, i64)>,
    is_over: bool,
}

impl World {
    fn new(scenario: Scenario) -> Self {
        let start = scenario.events.first().map_or(0, |event| event.at);
        let mut snapshot = Snapshot::new(Ledger::new(scenario.half_life_seconds, start), scenario.settings, start);
        snapshot.set_nodes(scenario.nodes, scenario.pools);
        let teams = Teams::new(scenario.teams);
        snapshot.set_teams(teams.specs());
        Self {
            snapshot,
            previous: Previous::default(),
            teams,
            jobs: Vec::new(),
            names: BTreeMap::new(),
            ends: BTreeSet::new(),
            outcome: Outcome::default(),
        }
    }

    fn say(&mut self, job: usize, decision: Decision, reason: impl Into<String>, eta: Option<i64>) {
        let (at, submit) = (self.snapshot.now(), &self.jobs[job].submit);
        let (job, team, reason) = (submit.name.clone(), submit.team.clone(), reason.into());
        self.outcome.lines.push(Line { at, job, team, decision, reason, eta });
    }

    /// Jobs whose time has come, in the order of the file.
    fn end(&mut self, at: i64) {
        let mut due: Vec<usize> = self.ends.iter().take_while(|(ends, _)| *ends <= at).map(|&(_, job)| job).collect();
        due.sort_unstable();
        for job in due {
            let submit = &self.jobs[job].submit;
            let by_itself = submit.runtime_seconds <= submit.deadline_seconds;
            self.leave(job);
            self.jobs[job].is_over = true;
            self.say(job, Decision::End, if by_itself { "completed" } else { "deadlineSeconds reached" }, None);
        }
    }

    /// A job waits or runs no more: what it used is summed up.
    fn leave(&mut self, job: usize) {
        let known = &mut self.jobs[job];
        if let Some((started, ends)) = known.running.take() {
            self.ends.remove(&(ends, job));
            let seconds = i128::from(self.snapshot.now() - started);
            let used = self.outcome.usage.entry(known.submit.team.clone()).or_default();
            for group in &known.submit.pods {
                for (resource, amount) in &group.requests {
                    let sum = used.entry(resource.clone()).or_default();
                    let held = amount.saturating_mul(i128::from(group.count));
                    *sum = sum.saturating_add(held.saturating_mul(seconds));
                }
            }
        }
        let name = self.jobs[job].submit.name.clone();
        self.snapshot.remove(&name);
    }

    fn happen(&mut self, what: &What) {
        match what {
            What::Submit(submit) => self.submit(submit),
            What::Cancel(name) => {
                if let Some(&job) = self.names.get(name).filter(|&&job| !self.jobs[job].is_over) {
                    self.leave(job);
                    self.jobs[job].is_over = true;
                    self.say(job, Decision::End, "cancelled", None);
                }
            }
            What::NodeDown(node) => {
                for name in self.snapshot.set_node_down(node, true) {
                    self.wait_again(&name, &format!("node {node} is down"));
                }
            }
            What::NodeUp(node) => drop(self.snapshot.set_node_down(node, false)),
            What::Team(team) => {
                self.teams.set(team.clone());
                self.snapshot.set_teams(self.teams.specs());
            }
        }
    }

    fn submit(&mut self, submit: &Submit) {
        let job = self.jobs.len();
        self.names.insert(submit.name.clone(), job);
        self.jobs.push(Known { submit: submit.clone(), attempts: 0, running: None, is_over: false });
        let asked = self.job(job, self.snapshot.now());
        match self.snapshot.refusal(&asked) {
            Some(refusal) => {
                self.jobs[job].is_over = true;
                self.say(job, Decision::Reject, refusal.to_string(), None);
            }
            None => {
                self.snapshot.accept(asked.deadline_seconds);
                self.snapshot.submit(asked);
            }
        }
    }

    fn job(&self, job: usize, submitted: i64) -> Job {
        let submit = &self.jobs[job].submit;
        Job {
            id: submit.name.clone(),
            team: submit.team.clone(),
            priority: submit.priority,
            submitted,
            order: u64::try_from(job).unwrap_or(u64::MAX),
            deadline_seconds: submit.deadline_seconds,
            pods: submit.pods.clone(),
        }
    }

    /// An attempt is lost: the job waits again, where it stood before.
    fn wait_again(&mut self, name: &str, why: &str) {
        let Some(&job) = self.names.get(name) else { return };
        let submitted = self.snapshot.run_of(name).map_or(self.snapshot.now(), |(job, _)| job.submitted);
        self.leave(job);
        let again = self.job(job, submitted);
        self.snapshot.submit(again);
        let attempt = self.jobs[job].attempts + 1;
        self.say(job, Decision::Evict, format!("{why}; waits for attempt {attempt}"), None);
    }

    /// Lets the queue decide. Who gave way may fit elsewhere, so after an eviction it decides once more.
    fn pass(&mut self) {
        loop {
            let decisions = microtome_queue::decide(&self.snapshot, &self.previous);
            let (evicts, others): (Vec<_>, Vec<_>) =
                decisions.actions.iter().partition(|action| matches!(action, Action::Evict { .. }));
            for action in &decisions.actions {
                self.tell(action);
            }
            // Evicted jobs wait again already, with what they used summed up.
            let carried_out =
                microtome_queue::Decisions { actions: others.into_iter().cloned().collect(), ..decisions.clone() };
            self.snapshot.apply(&carried_out);
            self.previous = Previous::from(&decisions);
            if evicts.is_empty() {
                break;
            }
        }
        let shares = self.snapshot.standings().values().map(|standing| standing.share).collect();
        self.outcome.course.push((self.snapshot.now(), shares));
    }

    fn tell(&mut self, action: &Action) {
        match action {
            Action::Reject { job, refusal } => {
                let Some(&job) = self.names.get(job) else { return };
                self.jobs[job].is_over = true;
                self.say(job, Decision::Reject, refusal.to_string(), None);
            }
            Action::Evict { job, gives_way_to } => {
                self.wait_again(job, &format!("gives way to {gives_way_to}, which is inside its guarantee"));
            }
            Action::Start(start) => self.start(start),
            Action::Reserve { job, at, news, reason } => {
                let Some(&job) = self.names.get(job) else { return };
                let reason = match news {
                    News::New => reason.to_string(),
                    News::Earlier => format!("earlier than said; {reason}"),
                    News::Displaced { by } => format!("displaced by {by}, which is inside its guarantee; {reason}"),
                };
                self.say(job, Decision::Reserve, reason, Some(*at));
            }
        }
    }

    fn start(&mut self, start: &Start) {
        let Some(&job) = self.names.get(&start.job) else { return };
        let (now, known) = (self.snapshot.now(), &mut self.jobs[job]);
        let lasts = known.submit.runtime_seconds.min(known.submit.deadline_seconds);
        let ends = now.saturating_add(i64::try_from(lasts).unwrap_or(i64::MAX));
        known.attempts += 1;
        known.running = Some((now, ends));
        let attempt = if known.attempts > 1 { format!("; attempt {}", known.attempts) } else { String::new() };
        self.ends.insert((ends, job));
        let how = if start.within { "within guarantee" } else { "borrowed" };
        self.say(job, Decision::Start, format!("{how}{attempt}"), Some(start.ends));
    }

    /// How teams stand at the last instant: every team, and every resource that there is or that was used.
    fn outcome(self) -> Outcome {
        let mut outcome = self.outcome;
        let standings = self.snapshot.standings();
        let offered: Amounts = self.snapshot.capacity();
        let mut used = BTreeMap::new();
        for (team, path) in self.teams.paths() {
            used.entry(team.clone()).or_insert_with(|| offered.keys().map(|resource| (resource.clone(), 0)).collect());
            for (resource, amount) in outcome.usage.get(&team).into_iter().flatten() {
                for above in &path {
                    let sums: &mut BTreeMap<String, i128> = used
                        .entry(above.clone())
                        .or_insert_with(|| offered.keys().map(|resource| (resource.clone(), 0)).collect());
                    let sum = sums.entry(resource.clone()).or_default();
                    *sum = sum.saturating_add(*amount);
                }
            }
        }
        outcome.usage = used;
        outcome.shares = standings.into_iter().map(|(team, standing)| (team, standing.share)).collect();
        outcome
    }
}
