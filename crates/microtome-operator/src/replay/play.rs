//! Plays records one after the other, and tells what was decided as `simulate` does.

use std::collections::BTreeMap;

use microtome_queue::{Action, Amounts, News, Reason as Why, Refusal};

use super::{Error, compare::compare};
use crate::admission::record::{Decided, Record};
use crate::admission::scene::{Place, Played, Scene};
use crate::simulate::line::{Decision, Line, Outcome};

/// The world as the log tells it.
pub(super) struct Replay {
    scene: Scene,
    refused: BTreeMap<String, Refusal>,
    /// The pass of the last record, once one told everything.
    pass: Option<u64>,
    /// Whether more of that pass is to come.
    is_open: bool,
    compared: u64,
    /// Who ran before this pass, with its team's and its own name.
    ran: BTreeMap<String, (String, String)>,
    /// When usage was last summed up, and what teams held since.
    held: Option<(i64, BTreeMap<String, Amounts>)>,
    outcome: Outcome,
}

impl Default for Replay {
    fn default() -> Self {
        Self {
            scene: Scene::empty(),
            refused: BTreeMap::new(),
            pass: None,
            is_open: false,
            compared: 0,
            ran: BTreeMap::new(),
            held: None,
            outcome: Outcome::default(),
        }
    }
}

impl Replay {
    /// Takes a record over; if it is the last of its pass, decides and compares.
    pub(super) fn take(&mut self, line: usize, record: &Record) -> Result<(), Error> {
        match self.pass {
            _ if record.is_snapshot => self.scene = Scene::empty(),
            // The log begins in the middle: what is before the first whole record cannot be derived.
            None => return Ok(()),
            Some(after) if record.pass != if self.is_open { after } else { after + 1 } => {
                return Err(Error::Gap { line, pass: record.pass, after });
            }
            Some(_) => {}
        }
        (self.pass, self.is_open) = (Some(record.pass), record.decided.is_none());
        record.change.apply(&mut self.scene);
        self.scene.now = record.now;
        match &record.decided {
            Some(decided) => self.pass(line, record, decided),
            None => Ok(()),
        }
    }

    fn pass(&mut self, line: usize, record: &Record, decided: &Decided) -> Result<(), Error> {
        let played = self.scene.play();
        let mut refused = if record.is_snapshot { BTreeMap::new() } else { self.refused.clone() };
        decided.refused.apply(&mut refused);
        if let Some(other) = compare((&refused, &decided.decisions), (&played.refused, &played.decisions)) {
            let (pass, job) = (record.pass, self.scene.title(&other.uid));
            return Err(Error::Differs { line, pass, job, recorded: other.recorded, derived: other.derived });
        }
        self.compared += 1;
        self.tell(&played);
        self.sum_up(&played);
        self.scene.after(&played);
        self.refused = played.refused;
        Ok(())
    }

    /// How many passes came out as recorded.
    pub(super) fn passes(&self) -> Result<u64, Error> {
        if self.compared == 0 { Err(Error::NoSnapshot) } else { Ok(self.compared) }
    }

    pub(super) fn outcome(self) -> Outcome {
        self.outcome
    }

    fn tell(&mut self, played: &Played) {
        let runs = |(uid, place): (&String, &Place)| {
            let asked = self.scene.jobs.get(uid).filter(|_| matches!(place, Place::Runs(_)))?;
            Some((uid.clone(), (asked.job.team.clone(), asked.title.clone())))
        };
        let running: BTreeMap<_, _> = self.scene.places.iter().filter_map(runs).collect();
        let ended = std::mem::replace(&mut self.ran, running);
        for (_, (team, job)) in ended.into_iter().filter(|(uid, _)| !self.scene.places.contains_key(uid)) {
            let reason = "its pods are gone".to_owned();
            self.outcome.lines.push(Line { at: self.scene.now, job, team, decision: Decision::End, reason, eta: None });
        }
        let mut told: Vec<(String, Decision, String, Option<i64>)> = Vec::new();
        for (uid, refusal) in played.refused.iter().filter(|(uid, why)| self.refused.get(*uid) != Some(*why)) {
            told.push((uid.clone(), Decision::Reject, refusal.to_string(), None));
        }
        told.extend(played.decisions.actions.iter().map(|action| self.told(action)));
        for (uid, decision, reason, eta) in told {
            self.say(&uid, decision, reason, eta);
        }
    }

    fn told(&self, action: &Action) -> (String, Decision, String, Option<i64>) {
        match action {
            Action::Reject { job, refusal } => (job.clone(), Decision::Reject, refusal.to_string(), None),
            Action::Evict { job, gives_way_to } => {
                let reason = format!("gives way to {}, which is inside its guarantee", self.scene.title(gives_way_to));
                (job.clone(), Decision::Evict, reason, None)
            }
            Action::Start(start) => {
                let how = if start.within { "within guarantee" } else { "borrowed" };
                let waits = if start.evicts.is_empty() { "" } else { "; once those are gone that give way" };
                (start.job.clone(), Decision::Start, format!("{how}{waits}"), Some(start.ends))
            }
            Action::Reserve { job, at, news, reason } => {
                let reason = match reason {
                    Why::Behind { holder, at } => Why::Behind { holder: self.scene.title(holder), at: *at }.to_string(),
                    other => other.to_string(),
                };
                let reason = match news {
                    News::New => reason,
                    News::Earlier => format!("earlier than said; {reason}"),
                    News::Displaced { by } => {
                        format!("displaced by {}, which is inside its guarantee; {reason}", self.scene.title(by))
                    }
                };
                (job.clone(), Decision::Reserve, reason, Some(*at))
            }
        }
    }

    fn say(&mut self, uid: &str, decision: Decision, reason: String, eta: Option<i64>) {
        let team = self.scene.jobs.get(uid).map(|asked| asked.job.team.clone()).unwrap_or_default();
        let (at, job) = (self.scene.now, self.scene.title(uid));
        self.outcome.lines.push(Line { at, job, team, decision, reason, eta });
    }

    /// Usage as it was charged, and shares.
    fn sum_up(&mut self, played: &Played) {
        if let Some((since, held)) = self.held.take() {
            let seconds = i128::from(self.scene.now.saturating_sub(since));
            for (team, amounts) in held {
                let used = self.outcome.usage.entry(team).or_default();
                for (resource, amount) in amounts {
                    let sum = used.entry(resource).or_default();
                    *sum = sum.saturating_add(amount.saturating_mul(seconds));
                }
            }
        }
        let standings = played.queue.standings();
        for team in standings.keys() {
            self.outcome.usage.entry(team.clone()).or_default();
        }
        self.outcome.shares = standings.iter().map(|(team, standing)| (team.clone(), standing.share)).collect();
        let held = standings.into_iter().map(|(team, standing)| (team, standing.used)).collect();
        self.held = Some((self.scene.now, held));
    }
}
