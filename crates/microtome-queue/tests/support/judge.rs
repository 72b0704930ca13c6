//! Judges one pass by the model: what it did, and what it left.

use std::collections::{BTreeMap, BTreeSet};

use microtome_queue::{Action, Amounts, Decisions, Job, News, Placed, PodGroup, Previous, Refusal};

use super::model::{Model, get, total};

type Room = Vec<(String, Option<String>, Amounts)>;

/// First fit as the README says it, once more and simply.
pub fn first_fit(pods: &[PodGroup], room: &Room) -> Option<Vec<Placed>> {
    let mut room = room.clone();
    let mut placed = Vec::new();
    for (group, pod) in pods.iter().enumerate() {
        for _ in 0..pod.count {
            let may = |pool: &Option<String>| {
                pod.pools.is_empty() || pool.as_ref().is_some_and(|pool| pod.pools.contains(pool))
            };
            let fits = |free: &Amounts| {
                pod.requests.iter().all(|(resource, &amount)| amount == 0 || get(free, resource) >= amount)
            };
            // Bound pods take their pools in order; no test binds to more than one.
            let (name, _, free) = room.iter_mut().find(|(_, pool, free)| may(pool) && fits(free))?;
            for (resource, amount) in &pod.requests {
                *free.entry(resource.clone()).or_default() -= amount;
            }
            placed.push(Placed { node: name.clone(), group, count: 1 });
        }
    }
    Some(placed)
}

fn take(room: &mut Room, job: &Job, pods: &[Placed]) {
    for placed in pods {
        if let Some((_, _, free)) = room.iter_mut().find(|(name, ..)| *name == placed.node) {
            for (resource, amount) in &job.pods[placed.group].requests {
                *free.entry(resource.clone()).or_default() -= amount * i128::from(placed.count);
            }
        }
    }
}

/// Everything that one pass must keep to, given the world before it. Returns the world after it.
pub fn judge(before: &Model, previous: &Previous, decisions: &Decisions) -> Model {
    rejections(before, decisions);
    evictions(before, decisions);
    order(before, previous, decisions);
    let mut after = before.clone();
    after.apply(decisions);
    limits(before, &after);
    gangs(&after, decisions);
    tags(&after, decisions);
    reservations(&after, previous, decisions);
    if !decisions.actions.iter().any(|action| matches!(action, Action::Evict { .. })) {
        leaves_nothing(&after, decisions);
    }
    after
}

fn rejections(before: &Model, decisions: &Decisions) {
    let rejected: BTreeSet<&String> = decisions
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Reject { job, refusal } => {
                let takes = before.takes_jobs(&before.waiting[job].team);
                assert!(!takes, "{job} rejected though its team takes jobs: {refusal}");
                assert!(matches!(refusal, Refusal::NoTeam(_) | Refusal::NotALeaf(_) | Refusal::Faulty(..)));
                Some(job)
            }
            _ => None,
        })
        .collect();
    for (id, job) in &before.waiting {
        assert_eq!(rejected.contains(id), !before.takes_jobs(&job.team), "{id} of {}", job.team);
    }
}

/// I11: nobody inside a guarantee gives way, nobody too young, nobody of the same team; and each time more run inside.
fn evictions(before: &Model, decisions: &Decisions) {
    let promoted: BTreeSet<&String> = decisions.promoted.iter().collect();
    let mut victims = 0;
    for action in &decisions.actions {
        match action {
            Action::Evict { job, gives_way_to } => {
                let least = before.settings.reclaim.expect("reclaim is off").min_runtime_seconds;
                let (victim, running) = &before.running[job];
                assert!(!running.within && !promoted.contains(job), "{job} is inside its guarantee");
                assert!(before.now - running.started >= i64::try_from(least).unwrap(), "{job} is too young");
                assert_ne!(victim.team, before.waiting[gives_way_to].team, "{job} gives way to its own team");
                victims += 1;
            }
            Action::Start(start) => {
                assert_eq!(start.evicts.len(), victims, "evictions stand before the start they are for");
                assert!(victims == 0 || start.within, "{} evicts, and is not inside its guarantee", start.job);
                victims = 0;
            }
            _ => {}
        }
    }
    assert_eq!(victims, 0, "evicted for nobody");
}

/// I7: where no reservation plays a part, nobody of a better rank who could start is passed by.
fn order(before: &Model, previous: &Previous, decisions: &Decisions) {
    if !previous.reservations.is_empty() || !decisions.reservations.is_empty() {
        return;
    }
    let mut world = before.clone();
    world.waiting.retain(|_, job| before.takes_jobs(&job.team));
    let decisions = &Decisions {
        actions: decisions.actions.iter().filter(|action| !matches!(action, Action::Reject { .. })).cloned().collect(),
        ..decisions.clone()
    };
    // Nor one that came and went: its holder was stopped by a limit that somebody else then reached.
    let mut after = world.clone();
    after.apply(decisions);
    let newly = |job: &Job| after.takes_jobs(&job.team) && after.is_limited(job) && !world.is_limited(job);
    if after.waiting.values().any(newly) {
        return;
    }
    world.apply(&Decisions { promoted: decisions.promoted.clone(), ..Decisions::default() });
    for action in &decisions.actions {
        match action {
            Action::Evict { .. } => return,
            Action::Start(start) => {
                let started = world.waiting[&start.job].clone();
                for other in world.waiting.values().filter(|other| other.id != start.job) {
                    if is_before(&world, other, &started) && !world.is_limited(other) {
                        let fits = first_fit(&other.pods, &world.free(None));
                        assert!(fits.is_none(), "{other:?} was passed by for {started:?}: {:?}", decisions.actions);
                    }
                }
                world.start(start);
            }
            _ => {}
        }
    }
}

/// Whether one is clearly to be seen before another: in the same team by its turn; else by the rank of the teams in which their
/// ways part, where each is the first of its team.
fn is_before(world: &Model, one: &Job, other: &Job) -> bool {
    let turn = |job: &Job| (-job.priority, job.submitted, job.order, job.id.clone());
    if one.team == other.team {
        return turn(one) < turn(other);
    }
    // Who is not the first of its team, or stands beside several of them, may have been seen in another order.
    let is_first = |job: &Job| !world.waiting.values().any(|rival| rival.team == job.team && turn(rival) < turn(job));
    if !is_first(one) || !is_first(other) {
        return false;
    }
    let (mut mine, mut theirs) = (world.path(&one.team).unwrap(), world.path(&other.team).unwrap());
    while mine.last() == theirs.last() && mine.len() > 1 && theirs.len() > 1 {
        mine.pop();
        theirs.pop();
    }
    let (Some(mine), Some(theirs)) = (mine.last(), theirs.last()) else { return false };
    let alone =
        |team: &String| world.waiting.values().filter(|job| world.path(&job.team).unwrap().contains(team)).count() == 1;
    if !alone(mine) || !alone(theirs) {
        return false;
    }
    let at = world.now + world.lookahead();
    let rank = |job: &Job, team: &String| {
        let weight = world.teams[team].weight;
        let share = world.share(team, at);
        (world.tier(job), weight == 0, if weight == 0 { share } else { share / weight as f64 })
    };
    let (mine, theirs) = (rank(one, mine), rank(other, theirs));
    (mine.0, mine.1) < (theirs.0, theirs.1)
        || ((mine.0, mine.1) == (theirs.0, theirs.1) && mine.2 < theirs.2 * (1.0 - 1e-9) - 1e-12)
}

/// I3: nothing grows above a limit.
fn limits(before: &Model, after: &Model) {
    for (team, spec) in &after.teams {
        let (was, is) = (before.held(team), after.held(team));
        for (resource, &max) in &spec.max {
            let (was, is) = (get(&was, resource), get(&is, resource));
            assert!(is <= max || is <= was, "{team} holds {is} of {max} {resource}");
        }
        let (was, is) = (before.running_of(team), after.running_of(team));
        assert!(spec.limits.max_running.is_none_or(|max| is <= max || is <= was), "{team} runs {is} jobs");
    }
    for (node, _, free) in after.free(None) {
        assert!(free.values().all(|&amount| amount >= 0), "{node} holds more than it has: {free:?}");
    }
}

/// I4: all pods of a gang have a place, on nodes that are up and where they may be.
fn gangs(after: &Model, decisions: &Decisions) {
    let slots = after.slots();
    for action in &decisions.actions {
        let Action::Start(start) = action else { continue };
        let Some((job, _)) = after.running.get(&start.job) else { continue };
        let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
        for placed in &start.pods {
            *counts.entry(placed.group).or_default() += placed.count;
            let (_, pool, _) = slots.iter().find(|(name, ..)| *name == placed.node).expect("a node that is there");
            assert!(!after.down.contains(&placed.node), "{} starts on a node that is down", start.job);
            let bound = &job.pods[placed.group].pools;
            assert!(bound.is_empty() || pool.as_ref().is_some_and(|pool| bound.contains(pool)), "{}", start.job);
        }
        for (group, pods) in job.pods.iter().enumerate() {
            assert_eq!(counts.get(&group).copied().unwrap_or(0), pods.count, "{} group {group}", start.job);
        }
        let deadline = i64::try_from(job.deadline_seconds).unwrap();
        assert_eq!(start.ends, after.now + deadline);
    }
}

/// Who starts within guarantees stays inside them together with all that are.
fn tags(after: &Model, decisions: &Decisions) {
    for action in &decisions.actions {
        let Action::Start(start) = action else { continue };
        let Some((job, _)) = after.running.get(&start.job).filter(|_| start.within) else { continue };
        for team in after.path(&job.team).unwrap() {
            let mut within = Amounts::new();
            for (other, running) in after.running.values() {
                if running.within && after.path(&other.team).is_some_and(|path| path.contains(&team)) {
                    for (resource, amount) in total(other) {
                        *within.entry(resource).or_default() += amount;
                    }
                }
            }
            for (resource, amount) in total(job).into_iter().filter(|(_, amount)| *amount > 0) {
                let (sum, guarantee) = (get(&within, &resource), get(&after.teams[&team].guarantee, &resource));
                assert!(sum <= guarantee, "{}: {team} {resource} {amount}: {sum} of {guarantee}", job.id);
            }
        }
    }
}

/// Reservations are held by jobs that wait and are not stopped by their own limits, and each is told when it is new or nearer.
fn reservations(after: &Model, previous: &Previous, decisions: &Decisions) {
    for reservation in &decisions.reservations {
        let job = after.waiting.get(&reservation.job).unwrap_or_else(|| panic!("{} does not wait", reservation.job));
        assert!(!after.is_limited(job), "{} is stopped by a limit and holds a reservation", job.id);
        assert!(reservation.at >= after.now);
        let room = after.free(Some(reservation.at));
        let mut reversed = job.pods.clone();
        reversed.reverse();
        assert!(
            first_fit(&job.pods, &room).is_some() || job.pods.len() > 1,
            "{} does not fit at {}",
            job.id,
            reservation.at
        );
        let before = previous.reservations.iter().find(|before| before.job == reservation.job);
        let told = decisions.actions.iter().find_map(|action| match action {
            Action::Reserve { job, at, news, .. } if *job == reservation.job => Some((*at, news)),
            _ => None,
        });
        match (before, told) {
            (None, Some((at, News::New))) => assert_eq!(at, reservation.at),
            (Some(before), Some((at, News::Earlier))) => assert!(at == reservation.at && at < before.at),
            (Some(before), Some((at, News::Displaced { .. }))) => assert!(at == reservation.at && at > before.at),
            (Some(before), None) => assert!(reservation.at >= before.at),
            (before, told) => panic!("{}: was {before:?}, told {told:?}", reservation.job),
        }
    }
}

/// I5: who could start was kept back by a reservation that it would have broken.
fn leaves_nothing(after: &Model, decisions: &Decisions) {
    let room = after.free(None);
    for job in after.waiting.values().filter(|job| !after.is_limited(job)) {
        let Some(pods) = first_fit(&job.pods, &room) else { continue };
        let ends = after.now + i64::try_from(job.deadline_seconds).unwrap();
        let tier = after.tier(job);
        let breaks = decisions.reservations.iter().filter(|held| held.job != job.id && ends > held.at).any(|held| {
            let holder = &after.waiting[&held.job];
            if tier == 0 && after.tier(holder) == 1 {
                return false;
            }
            let mut then = after.free(Some(held.at));
            take(&mut then, job, &pods);
            first_fit(&holder.pods, &then).is_none() || shares_a_limit(after, job, holder)
        });
        assert!(
            breaks,
            "{} of tier {tier} could have started at {}: {job:?}\nreservations {:?}\nfree {room:?}",
            job.id, after.now, decisions.reservations
        );
    }
}

/// Whether two jobs have an ancestor with any limit: then one may stand in the other's way there.
fn shares_a_limit(world: &Model, one: &Job, other: &Job) -> bool {
    let (mine, theirs) = (world.path(&one.team).unwrap(), world.path(&other.team).unwrap());
    mine.iter().filter(|team| theirs.contains(team)).any(|team| {
        let spec = &world.teams[team];
        !spec.max.is_empty() || spec.limits.max_running.is_some()
    })
}
