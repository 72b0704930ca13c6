//! Random histories: jobs come, end, are cancelled, nodes go and come, teams are edited, time passes, decisions get lost. Every
//! pass is judged by a model of its own (I3–I7, I11, I13–I15, I18).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use microtome_queue::{Action, Ledger, Previous, Snapshot};
use support::judge::judge;
use support::model::Model;
use support::random::Random;
use support::{for_each_seed, worlds};

const STEPS: usize = 40;

struct History {
    random: Random,
    model: Model,
    snapshot: Snapshot,
    previous: Previous,
    number: u64,
    runtimes: BTreeMap<String, i64>,
    over: BTreeSet<String>,
    /// What was promised, since nothing but jobs came and went.
    promised: BTreeMap<String, i64>,
    /// Something happened that no pass was carried out after: time does not go on before.
    is_due: bool,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let now = *random.pick(&[0, -50, 1_000_000]);
        let half_life = *random.pick(&[1, 50, 1000, 100_000]);
        let mut model = Model::new(half_life, worlds::settings(&mut random), now);
        let mut snapshot = Snapshot::new(Ledger::new(half_life, now), model.settings, now);
        (model.nodes, model.pools) = worlds::nodes(&mut random);
        model.set_nodes(&mut snapshot);
        model.teams = worlds::teams(&mut random);
        snapshot.set_teams(model.teams.clone());
        let (runtimes, over, promised) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        Self {
            random,
            model,
            snapshot,
            previous: Previous::default(),
            number: 0,
            runtimes,
            over,
            promised,
            is_due: true,
        }
    }

    /// Time goes on to the next end or a little; who is due ends first.
    fn time(&mut self) {
        let due =
            |(job, running): &(microtome_queue::Job, support::model::Running)| running.started + self.runtimes[&job.id];
        let next = self.model.running.values().map(due).min();
        let step = i64::try_from(self.random.between(0, 15)).unwrap();
        let now = next.unwrap_or(i64::MAX).min(self.model.now + step).max(self.model.now);
        self.snapshot.advance(now);
        self.model.now = now;
        let ended: Vec<String> =
            self.model.running.iter().filter(|(_, entry)| due(entry) <= now).map(|(id, _)| id.clone()).collect();
        for id in ended {
            self.model.end(&id, &mut self.snapshot);
            assert!(self.over.insert(id), "a job ended twice");
        }
    }

    fn submit(&mut self) {
        let (number, teams) = (self.number, self.model.teams.len() as u64);
        let job = worlds::job(&mut self.random, number, self.model.now, teams, &self.model.pools);
        self.number += 1;
        let runtime = match self.random.below(3) {
            0 => job.deadline_seconds,
            _ => self.random.between(0, job.deadline_seconds),
        };
        self.runtimes.insert(job.id.clone(), i64::try_from(runtime).unwrap());
        match self.snapshot.refusal(&job) {
            Some(_) => drop(self.over.insert(job.id)),
            None => self.model.submit(job, &mut self.snapshot),
        }
    }

    fn event(&mut self) {
        match self.random.below(20) {
            0..=9 => self.submit(),
            10 => {
                let waiting: Vec<String> = self.model.waiting.keys().cloned().collect();
                if !waiting.is_empty() {
                    let id = self.random.pick(&waiting).clone();
                    self.model.waiting.remove(&id);
                    self.snapshot.remove(&id);
                    assert!(self.over.insert(id));
                }
            }
            11 => {
                let running: Vec<String> = self.model.running.keys().cloned().collect();
                if !running.is_empty() {
                    let id = self.random.pick(&running).clone();
                    self.model.end(&id, &mut self.snapshot);
                    assert!(self.over.insert(id));
                }
            }
            12 | 13 if !self.model.nodes.is_empty() => {
                let node = self.random.pick(&self.model.nodes).name.clone();
                let is_down = !self.model.down.contains(&node);
                self.model.set_down(&node, is_down, &mut self.snapshot);
                self.promised.clear();
            }
            14 => {
                let index = self.random.below(self.model.teams.len() as u64);
                let mut team = worlds::team(&mut self.random, index);
                if self.random.one_in(8) {
                    team.parent = Some(format!("t{}", self.random.below(7)));
                }
                self.model.teams.insert(format!("t{index}"), team);
                self.snapshot.set_teams(self.model.teams.clone());
                self.promised.clear();
            }
            _ if self.is_due => return self.pass(),
            _ => self.time(),
        }
        self.is_due = true;
    }

    fn pass(&mut self) {
        let decisions = microtome_queue::decide(&self.snapshot, &self.previous);
        assert_eq!(decisions, microtome_queue::decide(&self.snapshot, &self.previous), "I15: twice the same");
        if self.random.one_in(4) {
            // I14: made anew from what is stored, in any order.
            let ledger = self.snapshot.ledger().clone();
            let stored: Ledger = serde_json::from_str(&serde_json::to_string(&ledger).unwrap()).unwrap();
            assert_eq!(ledger, stored);
            let anew = self.model.rebuilt(stored, &mut self.random);
            assert_eq!(decisions, microtome_queue::decide(&anew, &self.previous), "I14: made anew");
            if self.random.one_in(2) {
                self.snapshot = anew;
            }
        }
        let after = judge(&self.model, &self.previous, &decisions);
        if self.random.one_in(10) {
            // A crash between decision and write: nothing of it happened.
            return;
        }
        self.keep_promises(&decisions, &after);
        self.snapshot.apply(&decisions);
        for action in &decisions.actions {
            if let Action::Reject { job, .. } = action {
                assert!(self.over.insert(job.clone()));
            }
        }
        self.model = after;
        self.is_due = false;
        self.previous = Previous::from(&decisions);
        if decisions.actions.iter().any(|action| matches!(action, Action::Evict { .. })) {
            self.pass();
        }
    }

    /// I6, I17: while no node is lost, no team edited and nobody passes inside a guarantee, nobody waits beyond a promise.
    fn keep_promises(&mut self, decisions: &microtome_queue::Decisions, after: &Model) {
        for action in &decisions.actions {
            match action {
                // Who starts inside a guarantee may pass over those that do not, and who is evicted frees space for others only.
                Action::Start(start) if start.within => self.promised.clear(),
                Action::Evict { .. } => self.promised.clear(),
                _ => {}
            }
        }
        for action in &decisions.actions {
            if let Action::Start(start) = action
                && let Some(at) = self.promised.remove(&start.job)
            {
                assert!(after.now <= at, "{} started at {}, and {at} was promised", start.job, after.now);
            }
        }
        self.promised.retain(|id, _| after.waiting.contains_key(id));
        for (id, &at) in &self.promised {
            let held = decisions.reservations.iter().find(|held| held.job == *id);
            // Stopped by a limit of its own team it holds nothing, and gets a new promise later.
            if after.is_limited(&after.waiting[id]) {
                continue;
            }
            // A tier-0 holder took it, which is said.
            let displaced = decisions.actions.iter().any(|action| {
                matches!(action, Action::Reserve { job, news: microtome_queue::News::Displaced { .. }, .. } if job == id)
            });
            assert!(displaced || held.is_some_and(|held| held.at <= at), "{id}: {at} was promised, now {held:?}");
        }
        self.promised = decisions.reservations.iter().map(|held| (held.job.clone(), held.at)).collect();
    }

    /// I1: the ledger says what the closed form says.
    fn check_shares(&mut self) {
        self.snapshot.ledger();
        // Of a resource that was gone for dozens of half-lives nothing is left to compare.
        let (half_life, now) = (self.model.half_life as f64, self.model.now as f64);
        let offered = |resource: &&str| support::oracle::usage(&self.model.offered, resource, half_life, now);
        if worlds::RESOURCES.iter().any(|resource| (f64::MIN_POSITIVE..1.0).contains(&offered(resource))) {
            return;
        }
        for (team, standing) in self.snapshot.standings() {
            if self.model.path(&team).is_none() {
                continue;
            }
            let (got, wanted) = (standing.share as f64 / (1_u64 << 60) as f64, self.model.share(&team, self.model.now));
            assert!((got - wanted).abs() <= 1e-6 * wanted + 1e-12, "{team}: {got}, and the closed form says {wanted}");
        }
    }
}

#[test]
fn every_pass_of_every_history_keeps_the_rules() {
    for_each_seed(10_000, |seed| {
        let mut history = History::new(seed);
        for _ in 0..STEPS {
            history.event();
            if !history.random.one_in(3) {
                history.pass();
            }
        }
        history.check_shares();
        // I18: everybody is over, waits, or runs; and nobody twice.
        let known = history.over.len() + history.model.waiting.len() + history.model.running.len();
        assert_eq!(known as u64, history.number);
    });
}
