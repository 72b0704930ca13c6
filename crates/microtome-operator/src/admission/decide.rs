//! What becomes of each cluster, and of the ledger: pure. The queue decides; this asks it about every one.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use microtome_api::PatchCluster;
use microtome_api::condition::{self, ADMITTED};
use microtome_queue::{Action, Explainer, Explanation, Previous, Refusal, Standing};

use super::book::{Backoff, Book, Entry};
use super::observe::Observed;
use super::place;
use super::scene::{Played, Scene};
use super::snapshot::{Cluster, Key, State, has_ended, is_admitted, is_told_accepted, scene};
use crate::backoff;

/// A verdict on one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub(crate) key: Key,
    pub(crate) verdict: Verdict,
}

/// What becomes of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may start, or goes on.
    Admit { team: String },
    /// It stays in the queue.
    Wait(Explanation),
    /// Its pods found no node; it asks again at this time, in seconds.
    BacksOff { until: i64 },
    /// It can never start.
    Reject(Refusal),
    /// It has to give way to another.
    Evict { gives_way_to: String },
    /// Its pods found no node in time.
    NotProvisioned { seconds: u32 },
    /// No team holds its namespace.
    NoTeam,
}

/// A pass: what to say of clusters and teams, and what to remember.
pub(crate) struct Outcome {
    pub(crate) decisions: Vec<Decision>,
    /// When waiting clusters start, as far as anybody is to be told; in seconds, by uid.
    pub(crate) expected: BTreeMap<String, i64>,
    pub(crate) book: Book,
    pub(crate) standings: BTreeMap<String, Standing>,
    /// What is wrong with teams, by name: each begins with its field, and whether its jobs are refused for it.
    pub(crate) faults: BTreeMap<String, Vec<(String, bool)>>,
    /// How many workers a running cluster may have, by uid.
    pub(crate) allowed: BTreeMap<String, u32>,
    /// What the queue decided by, and what it decided.
    pub(crate) scene: Scene,
    pub(crate) played: Played,
}

/// Decides.
pub(crate) fn decide(observed: &Observed, clusters: &[Cluster], now: i64) -> Outcome {
    let mut book = prune(observed, clusters, now);
    let mut decisions = not_provisioned(observed, clusters, &mut book, now);
    let rests = |book: &Book, uid: &str| book.backoffs.get(uid).is_some_and(|backoff| backoff.until > now);
    let scene = scene(observed, clusters, |uid| !rests(&book, uid), now);
    let played = scene.play();
    book.accepted.extend(played.accepted.iter().cloned());
    let started = note(&played.decisions, &mut book, now);
    book.reservations.clone_from(&played.decisions.reservations);
    book.ledger = Some(played.ledger.clone());
    let (queue, previous) = (&played.queue, Previous::from(&played.decisions));
    let waiting = clusters.iter().filter(|cluster| cluster.state == State::Waiting);
    let expected = place::expected(observed, clusters, queue, &previous);
    let mut explainer = Explainer::new(queue, &previous);
    for cluster in waiting {
        let uid = &cluster.key.uid;
        let verdict = match (played.refused.get(uid).cloned(), book.backoffs.get(uid)) {
            (Some(Refusal::NoTeam(_)), _) => Verdict::NoTeam,
            (Some(refusal), _) => Verdict::Reject(refusal),
            _ if started.contains(uid) => Verdict::Admit { team: cluster.job.team.clone() },
            (None, Some(backoff)) if backoff.until > now => Verdict::BacksOff { until: backoff.until },
            (None, _) => match explainer.explain(uid) {
                Some(told) => Verdict::Wait(told),
                None => continue,
            },
        };
        decisions.push(Decision { key: cluster.key.clone(), verdict });
    }
    decisions.extend(running(observed, clusters, &played.decisions, &book));
    decisions.extend(told_again(observed, clusters, &book, now));
    let faults = observed.teams.iter().map(|team| {
        let faults = queue.faults(&team.name_any());
        (team.name_any(), faults.iter().map(|fault| (fault.to_string(), fault.is_fatal())).collect())
    });
    let standings = queue.standings();
    let allowed = super::headroom::allowed(observed, clusters, &standings, queue.capacity());
    let faults = faults.collect();
    Outcome { decisions, expected, faults, standings, allowed, book, scene, played }
}

/// What is remembered of clusters that are still there; of one that was suspended or is over, nothing once its pods are gone.
fn prune(observed: &Observed, clusters: &[Cluster], now: i64) -> Book {
    let mut book = observed.kept.book.clone();
    let there: BTreeSet<String> = observed.clusters.iter().filter(|c| !has_ended(c)).filter_map(|c| c.uid()).collect();
    let told: BTreeSet<String> =
        observed.clusters.iter().filter(|c| is_told_accepted(c)).filter_map(|c| c.uid()).collect();
    let held = clusters.iter().filter(|cluster| matches!(cluster.state, State::Holds { .. }));
    let held: BTreeSet<&str> = held.map(|cluster| cluster.key.uid.as_str()).collect();
    let holds = |uid: &String| held.contains(uid.as_str());
    book.runs.retain(|uid, _| holds(uid));
    book.accepted.retain(|uid| there.contains(uid) && !told.contains(uid));
    book.backoffs.retain(|uid, _| there.contains(uid));
    // Admitted before there was a ledger.
    for cluster in observed.clusters.iter().filter(|cluster| is_admitted(cluster, observed)) {
        if let Some(uid) = cluster.uid().filter(holds) {
            book.runs.entry(uid).or_insert(Entry { started: now, ..Entry::default() });
        }
    }
    book
}

/// Takes note of starts, evictions and promotions; tells which clusters start now.
fn note(passed: &microtome_queue::Decisions, book: &mut Book, now: i64) -> BTreeSet<String> {
    let mut started = BTreeSet::new();
    for uid in &passed.promoted {
        if let Some(entry) = book.runs.get_mut(uid) {
            entry.within = true;
        }
    }
    for action in &passed.actions {
        match action {
            // Whose place is not yet free starts when it is.
            Action::Start(start) if start.evicts.is_empty() => {
                book.runs.insert(start.job.clone(), Entry { started: now, within: start.within, is_leaving: false });
                started.insert(start.job.clone());
            }
            Action::Evict { job, .. } => {
                if let Some(entry) = book.runs.get_mut(job) {
                    entry.is_leaving = true;
                }
            }
            _ => {}
        }
    }
    started
}

/// Running clusters of which something is to be said.
fn running(
    observed: &Observed,
    clusters: &[Cluster],
    passed: &microtome_queue::Decisions,
    book: &Book,
) -> Vec<Decision> {
    let evicted = |uid: &str| {
        passed.actions.iter().find_map(|action| match action {
            Action::Evict { job, gives_way_to } if job == uid => Some(gives_way_to.clone()),
            _ => None,
        })
    };
    let mut decisions = Vec::new();
    for cluster in clusters {
        let State::Holds { is_leaving: false, .. } = cluster.state else { continue };
        let verdict = match evicted(&cluster.key.uid) {
            Some(gives_way_to) => Verdict::Evict { gives_way_to: observed.title(&gives_way_to) },
            // Told already.
            None if book.runs.get(&cluster.key.uid).is_some_and(|entry| entry.is_leaving) => continue,
            // Said again: the last operator may have died before it could.
            None => Verdict::Admit { team: cluster.job.team.clone() },
        };
        decisions.push(Decision { key: cluster.key.clone(), verdict });
    }
    decisions
}

/// Clusters that have to give way, and whose condition does not say so: the last operator died before it could.
fn told_again(observed: &Observed, clusters: &[Cluster], book: &Book, now: i64) -> Vec<Decision> {
    let seconds = observed.provisioning_timeout_seconds;
    let before = &observed.kept.book.runs;
    let leaves = |cluster: &&Cluster| before.get(&cluster.key.uid).is_some_and(|entry| entry.is_leaving);
    let objects = observed.clusters.iter().filter_map(|object| Some((object.uid()?, object)));
    let objects: BTreeMap<String, &PatchCluster> = objects.collect();
    let is_said = |uid: &str| {
        let object = objects.get(uid);
        let status = object.filter(|object| !object.spec.suspend).and_then(|object| object.status.as_ref());
        status.is_none_or(|status| !condition::is_true(&status.conditions, ADMITTED))
    };
    let unsaid = clusters.iter().filter(leaves).filter(|cluster| !is_said(&cluster.key.uid));
    let verdict = |cluster: &Cluster| match book.backoffs.get(&cluster.key.uid) {
        Some(backoff) if backoff.until > now => Verdict::NotProvisioned { seconds },
        _ => Verdict::Evict { gives_way_to: "another job".to_owned() },
    };
    unsaid.map(|cluster| Decision { key: cluster.key.clone(), verdict: verdict(cluster) }).collect()
}

/// Takes the quota back from clusters whose heads have looked for a node for too long.
fn not_provisioned(observed: &Observed, clusters: &[Cluster], book: &mut Book, now: i64) -> Vec<Decision> {
    let (seconds, unplaced) = (observed.provisioning_timeout_seconds, observed.unplaced());
    let mut decisions = Vec::new();
    for cluster in clusters {
        let uid = &cluster.key.uid;
        let Some(entry) = book.runs.get_mut(uid).filter(|entry| !entry.is_leaving) else { continue };
        if unplaced.get(uid.as_str()).is_none_or(|since| now - since < i64::from(seconds)) {
            continue;
        }
        entry.is_leaving = true;
        let times = book.backoffs.get(uid).map_or(0, |backoff| backoff.times);
        let wait = backoff::NOT_PROVISIONED.after(i32::try_from(times).unwrap_or(i32::MAX));
        book.backoffs.insert(uid.clone(), Backoff { times: times + 1, until: now + wait.as_secs() });
        decisions.push(Decision { key: cluster.key.clone(), verdict: Verdict::NotProvisioned { seconds } });
    }
    decisions
}
