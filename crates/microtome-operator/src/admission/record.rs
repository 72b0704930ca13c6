//! Passes as records in the log, from which `replay` derives every decision again: types, and how they are made and read.
//!
//! A record holds what is new since the last one that was written, and what the pass decided. The first of a leader, and each
//! [`SNAPSHOT_EVERY`]th, holds everything, so that a log may begin anywhere. A pass in which nothing is new but the time is not
//! written. Jobs are named by namespace and name, as everywhere in the operator's log; of slides nothing is known here.
//!
//! One record is one event of the target [`TARGET`], its JSON in the field `record`; a large one is several, each with a part
//! of the change, and the decisions in the last.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use microtome_queue::{Decisions, Ledger, Node, Pool, Refusal, Reservation, Settings, Team};
use serde::{Deserialize, Serialize};

use super::scene::{Asked, Place, Played, Scene};

/// The target of records in the log.
pub(crate) const TARGET: &str = "microtome_operator::admission::record";
/// The version of the types below. Another one is refused by `replay`.
pub(crate) const VERSION: u32 = 1;
/// After so many records everything is said again: logs rotate.
const SNAPSHOT_EVERY: u64 = 1000;
/// So many jobs, places or nodes are in one line at most, which keeps lines below some hundred KiB.
const MOST_A_LINE: usize = 200;

/// A pass, or a part of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) version: u32,
    /// Counts the records of one leader; parts of one have the same.
    pub(crate) pass: u64,
    /// Whether what earlier records said is void.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_snapshot: bool,
    /// The time, in seconds.
    pub(crate) now: i64,
    #[serde(default, skip_serializing_if = "Change::is_empty")]
    pub(crate) change: Change,
    /// Of the last part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) decided: Option<Decided>,
}

/// What a pass decided.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Decided {
    /// Who can never start, where that is new.
    #[serde(default, skip_serializing_if = "Edit::is_empty")]
    pub(crate) refused: Edit<Refusal>,
    pub(crate) decisions: Decisions,
}

/// What is new in a scene. The ledger is said only where it is not what the last pass made of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Change {
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger: Option<Ledger>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<Settings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pools: Option<Vec<Pool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reservations: Option<Vec<Reservation>>,
    #[serde(skip_serializing_if = "Edit::is_empty")]
    teams: Edit<Team>,
    #[serde(skip_serializing_if = "Edit::is_empty")]
    nodes: Edit<Node>,
    #[serde(skip_serializing_if = "Edit::is_empty")]
    jobs: Edit<Asked>,
    #[serde(skip_serializing_if = "Edit::is_empty")]
    places: Edit<Place>,
}

/// What is new in a map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit<V> {
    #[serde(default = "BTreeMap::new", skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) set: BTreeMap<String, V>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    gone: Vec<String>,
}

impl<V> Default for Edit<V> {
    fn default() -> Self {
        Self { set: BTreeMap::new(), gone: Vec::new() }
    }
}

impl<V: Clone + PartialEq> Edit<V> {
    pub(crate) fn between(before: &BTreeMap<String, V>, after: &BTreeMap<String, V>) -> Self {
        let is_new = |(name, value): &(&String, &V)| before.get(*name) != Some(*value);
        let set = after.iter().filter(is_new).map(|(name, value)| (name.clone(), value.clone())).collect();
        Self { set, gone: before.keys().filter(|name| !after.contains_key(*name)).cloned().collect() }
    }

    pub(crate) fn apply(&self, to: &mut BTreeMap<String, V>) {
        for name in &self.gone {
            to.remove(name);
        }
        to.extend(self.set.iter().map(|(name, value)| (name.clone(), value.clone())));
    }

    /// Takes all but the first so many out, in lines of so many.
    fn split(&mut self) -> Vec<Self> {
        let mut lines = Vec::new();
        let mut rest = std::mem::take(&mut self.set).into_iter().peekable();
        self.set = rest.by_ref().take(MOST_A_LINE).collect();
        while rest.peek().is_some() {
            lines.push(Self { set: rest.by_ref().take(MOST_A_LINE).collect(), gone: Vec::new() });
        }
        lines
    }
}

impl<V> Edit<V> {
    fn is_empty(&self) -> bool {
        self.set.is_empty() && self.gone.is_empty()
    }
}

impl Change {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn between(before: &Scene, after: &Scene) -> Self {
        fn new<T: Clone + PartialEq>(before: &T, after: &T) -> Option<T> {
            (before != after).then(|| after.clone())
        }
        let aged = |ledger: &Ledger| {
            let mut ledger = ledger.clone();
            ledger.advance(after.now);
            ledger
        };
        Self {
            // A ledger that was not written since says at this time what the one that was says.
            ledger: (aged(&before.ledger) != aged(&after.ledger)).then(|| after.ledger.clone()),
            settings: new(&before.settings, &after.settings),
            pools: new(&before.pools, &after.pools),
            reservations: new(&before.reservations, &after.reservations),
            teams: Edit::between(&before.teams, &after.teams),
            nodes: Edit::between(&before.nodes, &after.nodes),
            jobs: Edit::between(&before.jobs, &after.jobs),
            places: Edit::between(&before.places, &after.places),
        }
    }

    pub(crate) fn apply(&self, scene: &mut Scene) {
        fn set<T: Clone>(to: &mut T, new: Option<&T>) {
            if let Some(new) = new {
                to.clone_from(new);
            }
        }
        set(&mut scene.ledger, self.ledger.as_ref());
        set(&mut scene.settings, self.settings.as_ref());
        set(&mut scene.pools, self.pools.as_ref());
        set(&mut scene.reservations, self.reservations.as_ref());
        self.teams.apply(&mut scene.teams);
        self.nodes.apply(&mut scene.nodes);
        self.jobs.apply(&mut scene.jobs);
        self.places.apply(&mut scene.places);
    }

    /// In lines of a bounded size.
    fn lines(mut self) -> Vec<Self> {
        let nodes = self.nodes.split().into_iter().map(|nodes| Self { nodes, ..Self::default() });
        let jobs = self.jobs.split().into_iter().map(|jobs| Self { jobs, ..Self::default() });
        let places = self.places.split().into_iter().map(|places| Self { places, ..Self::default() });
        let rest: Vec<Self> = nodes.chain(jobs).chain(places).collect();
        std::iter::once(self).chain(rest).collect()
    }
}

/// What the log says so far.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Option<Said>>);

#[derive(Debug)]
struct Said {
    pass: u64,
    /// As the next pass finds it, if nothing happens in between.
    scene: Scene,
    refused: BTreeMap<String, Refusal>,
}

impl Recorder {
    /// What is to be said of a pass that was carried out.
    pub(crate) fn note(&self, scene: &Scene, played: &Played) -> Vec<Record> {
        // Whoever panicked while it held this had not changed it.
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pass = said.as_ref().map_or(0, |said| said.pass + 1);
        let is_snapshot = pass.is_multiple_of(SNAPSHOT_EVERY);
        if let Some(said) = said.as_ref() {
            let is_idle = Change::between(&said.scene, scene).is_empty() && said.refused == played.refused;
            if is_idle && is_quiet(&played.decisions, scene) {
                return Vec::new();
            }
        }
        let (empty, nobody) = (Scene::empty(), BTreeMap::new());
        let base = said.as_ref().filter(|_| !is_snapshot);
        let (before, refused) = base.map_or((&empty, &nobody), |said| (&said.scene, &said.refused));
        let change = Change::between(before, scene);
        let decided = Decided { refused: Edit::between(refused, &played.refused), decisions: played.decisions.clone() };
        let mut after = scene.clone();
        after.after(played);
        *said = Some(Said { pass, scene: after, refused: played.refused.clone() });
        let record =
            |change| Record { version: VERSION, pass, is_snapshot: false, now: scene.now, change, decided: None };
        let mut records: Vec<Record> = change.lines().into_iter().map(record).collect();
        if let Some(first) = records.first_mut() {
            first.is_snapshot = is_snapshot;
        }
        if let Some(last) = records.last_mut() {
            last.decided = Some(decided);
        }
        records
    }
}

/// Whether nothing was decided.
fn is_quiet(decisions: &Decisions, scene: &Scene) -> bool {
    decisions.actions.is_empty() && decisions.promoted.is_empty() && decisions.reservations == scene.reservations
}

/// Says them in the log.
pub(crate) fn log(records: &[Record]) {
    for record in records {
        match serde_json::to_string(record) {
            Ok(record) => tracing::info!(target: TARGET, record, "pass recorded"),
            Err(error) => tracing::error!(%error, "a pass cannot be recorded; the log cannot be replayed from here"),
        }
    }
}
