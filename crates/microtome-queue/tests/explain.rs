//! What a waiting job is told is true: relaxing exactly that helps (I16), and it starts when it was said (I17).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

mod support;

use std::collections::BTreeMap;

use microtome_queue::{
    Action, Amounts, Change, Explainer, Ledger, News, Node, Previous, Reason, Snapshot, Team, forecast,
};
use support::model::Model;
use support::random::Random;
use support::{for_each_seed, worlds};

/// A world some way into its life, all decided.
fn world(random: &mut Random) -> (Model, Snapshot, Previous) {
    let mut model = Model::new(1000, worlds::settings(random), 0);
    let mut snapshot = Snapshot::new(Ledger::new(1000, 0), model.settings, 0);
    (model.nodes, model.pools) = worlds::nodes(random);
    model.set_nodes(&mut snapshot);
    model.teams = worlds::teams(random);
    snapshot.set_teams(model.teams.clone());
    let mut previous = Previous::default();
    for number in 0..random.between(4, 16) {
        if random.one_in(3) {
            model.now += i64::try_from(random.between(1, 4)).unwrap();
            snapshot.advance(model.now);
        }
        let job = worlds::job(random, number, model.now, model.teams.len() as u64, &model.pools);
        if snapshot.refusal(&job).is_none() {
            model.submit(job, &mut snapshot);
        }
        settle(&mut model, &mut snapshot, &mut previous);
    }
    (model, snapshot, previous)
}

/// Ends what is due by its deadline and decides until nothing more is to be decided. Says who started.
fn settle(model: &mut Model, snapshot: &mut Snapshot, previous: &mut Previous) -> Vec<String> {
    let due: Vec<String> =
        model.running.iter().filter(|(_, (_, running))| running.ends <= model.now).map(|(id, _)| id.clone()).collect();
    for id in due {
        model.end(&id, snapshot);
    }
    let mut started = Vec::new();
    loop {
        let decisions = microtome_queue::decide(snapshot, previous);
        snapshot.apply(&decisions);
        model.apply(&decisions);
        *previous = Previous::from(&decisions);
        started.extend(decisions.actions.iter().filter_map(|action| match action {
            Action::Start(start) => Some(start.job.clone()),
            _ => None,
        }));
        if !decisions.actions.iter().any(|action| matches!(action, Action::Evict { .. })) {
            return started;
        }
    }
}

#[test]
fn relaxing_what_was_told_gives_another_reason_or_none() {
    for_each_seed(1_500, |seed| {
        let mut random = Random::new(seed);
        let (model, snapshot, previous) = world(&mut random);
        let mut explainer = Explainer::new(&snapshot, &previous);
        for (id, job) in &model.waiting {
            let told = explainer.explain(id).unwrap();
            assert_ne!(told.reason, Reason::Nothing, "{id} waits for nothing");
            let queue = snapshot.queue(&job.team);
            assert_eq!((queue[told.position - 1], queue.len()), (id.as_str(), told.waiting));
            let mut other = snapshot.clone();
            match told.change.clone() {
                Some(Change::TeamMax { team, resource, by }) => {
                    let mut teams = model.teams.clone();
                    *teams.get_mut(&team).unwrap().max.get_mut(&resource).unwrap() += by;
                    other.set_teams(teams);
                }
                Some(Change::TeamRunning { team, by }) => {
                    let mut teams: BTreeMap<String, Team> = model.teams.clone();
                    *teams.get_mut(&team).unwrap().limits.max_running.as_mut().unwrap() += by;
                    other.set_teams(teams);
                }
                Some(Change::Free { resource, by }) => {
                    add_nodes(&mut other, &model, vec![Amounts::from([(resource, by)])]);
                }
                Some(Change::Room { group, pods }) => {
                    let nodes = (0..pods).map(|_| job.pods[group].requests.clone()).collect();
                    if !job.pods[group].pools.is_empty() {
                        continue;
                    }
                    add_nodes(&mut other, &model, nodes);
                }
                Some(Change::Deadline { seconds }) => {
                    let mut shorter = job.clone();
                    assert!(seconds < shorter.deadline_seconds);
                    shorter.deadline_seconds = seconds;
                    other.submit(shorter);
                }
                None => assert!(matches!(told.reason, Reason::Behind { at, .. } if at <= snapshot.now()), "{told:?}"),
            }
            if told.change.is_some() {
                let after = Explainer::new(&other, &previous).explain(id).unwrap();
                assert!(!is_same(&told.reason, &after.reason), "{id}: {told:?}, then {after:?}");
            }
        }
    });
}

fn add_nodes(snapshot: &mut Snapshot, model: &Model, new: Vec<Amounts>) {
    let mut nodes = model.nodes.clone();
    let new = new.into_iter().enumerate();
    nodes.extend(new.map(|(i, allocatable)| Node { name: format!("new{i}"), allocatable, ..Node::default() }));
    snapshot.set_nodes(nodes, model.pools.clone());
}

/// The same constraint, whatever the numbers.
fn is_same(one: &Reason, other: &Reason) -> bool {
    match (one, other) {
        (Reason::TeamMax { team: a, resource: r, .. }, Reason::TeamMax { team: b, resource: s, .. }) => {
            a == b && r == s
        }
        (Reason::TeamRunning { team: a, .. }, Reason::TeamRunning { team: b, .. }) => a == b,
        (Reason::Short { resource: a, .. }, Reason::Short { resource: b, .. }) => a == b,
        (Reason::NoFit { group: a, .. }, Reason::NoFit { group: b, .. }) => a == b,
        (Reason::Behind { holder: a, .. }, Reason::Behind { holder: b, .. }) => a == b,
        _ => false,
    }
}

#[test]
fn with_exact_deadlines_and_no_arrivals_everybody_starts_when_it_was_forecast() {
    for_each_seed(1_500, |seed| {
        let mut random = Random::new(seed);
        let (mut model, mut snapshot, mut previous) = world(&mut random);
        let expected = forecast(&snapshot, &previous, usize::MAX, usize::MAX);
        let mut seen: BTreeMap<String, i64> = BTreeMap::new();
        loop {
            for id in settle(&mut model, &mut snapshot, &mut previous) {
                seen.entry(id).or_insert(model.now);
            }
            let end = model.running.values().map(|(_, running)| running.ends).min();
            let Some(next) = end else { break };
            let look = snapshot.next_evictable().map_or(next, |look| look.min(next));
            model.now = look.max(model.now + 1);
            snapshot.advance(model.now);
        }
        let first: BTreeMap<&String, i64> = expected.iter().map(|(id, at)| (id, *at)).collect();
        assert_eq!(first, seen.iter().filter(|(id, _)| expected.contains_key(*id)).map(|(id, at)| (id, *at)).collect());
        assert!(seen.keys().all(|id| expected.contains_key(id) || !model.waiting.contains_key(id)));
    });
}

/// A job in no tier-0 team that is told a time starts by then, though declared deadlines are upper bounds only and others come.
#[test]
fn a_reservation_is_kept_when_others_end_early_and_more_arrive() {
    for_each_seed(1_500, |seed| {
        let mut random = Random::new(seed);
        let (mut model, mut snapshot, mut previous) = world(&mut random);
        // Without guarantees nobody passes anybody over; without limits nobody is stopped.
        for team in model.teams.values_mut() {
            (team.guarantee, team.max, team.limits.max_running) = (Amounts::new(), Amounts::new(), None);
        }
        snapshot.set_teams(model.teams.clone());
        let mut promised: BTreeMap<String, i64> = BTreeMap::new();
        for number in 100..130 {
            for id in settle(&mut model, &mut snapshot, &mut previous) {
                if let Some(at) = promised.remove(&id) {
                    assert!(model.now <= at, "{id} started at {}, {at} was promised", model.now);
                }
            }
            for held in &previous.reservations {
                let at = promised.entry(held.job.clone()).or_insert(held.at);
                assert!(held.at <= *at, "{}: {at} was promised, now {}", held.job, held.at);
                *at = held.at;
            }
            assert!(promised.iter().all(|(_, at)| *at >= model.now), "{promised:?} at {}", model.now);
            let ends: Vec<i64> = model.running.values().map(|(_, running)| running.ends).collect();
            let ids: Vec<String> = model.running.keys().cloned().collect();
            if !ids.is_empty() && random.one_in(3) {
                let id = random.pick(&ids).clone();
                model.end(&id, &mut snapshot);
            } else if let (Some(end), true) = (ends.iter().min(), random.one_in(2)) {
                model.now = *end;
                snapshot.advance(model.now);
            }
            let job = worlds::job(&mut random, number, model.now, model.teams.len() as u64, &model.pools);
            if snapshot.refusal(&job).is_none() {
                model.submit(job, &mut snapshot);
            }
        }
    });
}

#[test]
fn a_new_reservation_is_told_once() {
    let mut random = Random::new(7);
    let (_, snapshot, previous) = world(&mut random);
    let again = microtome_queue::decide(&snapshot, &previous);
    let told = again.actions.iter().filter(|action| matches!(action, Action::Reserve { news: News::New, .. }));
    assert_eq!(told.count(), 0);
}
