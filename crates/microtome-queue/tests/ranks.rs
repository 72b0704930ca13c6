//! Who is before whom (I8–I10), and what is published of others' orders.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

mod support;

use std::collections::BTreeMap;

use microtome_queue::{Action, Amounts, Decisions, Job, Ledger, Node, PodGroup, Previous, Settings, Snapshot, Team};
use support::for_each_seed;
use support::random::Random;

const HALF_LIFE: u64 = 10_000;
const NOW: i64 = 50_000;

/// Teams with a parent, a weight, and what they used: an amount from a time to a time.
#[derive(Clone, Debug)]
struct Past {
    name: String,
    parent: Option<String>,
    weight: u64,
    used: Vec<(i64, i64, i128)>,
}

fn past(name: &str, parent: Option<&str>, weight: u64, used: i128) -> Past {
    let used = if used > 0 { vec![(0, NOW, used)] } else { Vec::new() };
    Past { name: name.to_owned(), parent: parent.map(str::to_owned), weight, used }
}

/// The order in which one unit job of each leaf starts when places come one by one, by their pasts alone.
fn ranking(pasts: &[Past], scale: i128) -> Vec<String> {
    let gpu = |amount: i128| Amounts::from([("gpu".to_owned(), amount * 1000 * scale)]);
    let mut times: Vec<i64> = pasts.iter().flat_map(|past| &past.used).flat_map(|&(from, to, _)| [from, to]).collect();
    times.sort_unstable();
    let mut ledger = Ledger::new(HALF_LIFE, 0);
    ledger.set_capacity(&gpu(1000));
    for at in times {
        ledger.advance(at);
        for past in pasts {
            let rate =
                past.used.iter().filter(|(from, to, _)| *from <= at && at < *to).map(|(_, _, amount)| amount).sum();
            ledger.set_rates(&past.name, &gpu(rate));
        }
    }
    ledger.advance(NOW);
    let team =
        |past: &Past| (past.name.clone(), Team { parent: past.parent.clone(), weight: past.weight, ..Team::default() });
    let teams: BTreeMap<String, Team> = pasts.iter().map(team).collect();
    let leaves = pasts.iter().filter(|past| !pasts.iter().any(|other| other.parent.as_ref() == Some(&past.name)));
    let mut waiting: Vec<String> = leaves.map(|past| past.name.clone()).collect();
    let mut order = Vec::new();
    while !waiting.is_empty() {
        let mut snapshot = Snapshot::new(ledger.clone(), Settings::default(), NOW);
        snapshot.set_teams(teams.clone());
        snapshot.set_nodes(vec![Node { name: "n".into(), allocatable: gpu(1), ..Node::default() }], Vec::new());
        for team in &waiting {
            let pods = vec![PodGroup { count: 1, requests: gpu(1), pools: Vec::new() }];
            let (id, team) = (team.clone(), team.clone());
            snapshot.submit(Job { id, team, priority: 0, submitted: 0, order: 0, deadline_seconds: 10, pods });
        }
        let first = started(&microtome_queue::decide(&snapshot, &Previous::default())).remove(0);
        waiting.retain(|team| *team != first);
        order.push(first);
    }
    order
}

fn started(decisions: &Decisions) -> Vec<String> {
    decisions
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Start(start) => Some(start.job.clone()),
            _ => None,
        })
        .collect()
}

fn pasts(random: &mut Random) -> Vec<Past> {
    let count = random.between(2, 6);
    (0..count)
        .map(|i| {
            let parent = (i > 1 && random.one_in(2)).then(|| format!("t{}", random.below(2)));
            let used = (0..random.below(3)).map(|_| {
                let from = i64::try_from(random.below(40_000)).unwrap();
                (from, from + i64::try_from(random.between(1, 10_000)).unwrap(), i128::from(random.between(1, 50)))
            });
            Past { name: format!("t{i}"), parent, used: used.collect(), weight: *random.pick(&[0, 1, 1, 2, 3, 10]) }
        })
        .collect()
}

fn place(order: &[String], pasts: &[Past], team: &str) -> Option<usize> {
    // Of an inner team: the best of its leaves; siblings keep together, so that is its place.
    let is_below = |leaf: &String| {
        leaf == team || pasts.iter().any(|past| past.name == *leaf && past.parent.as_deref() == Some(team))
    };
    order.iter().position(is_below)
}

#[test]
fn more_weight_or_less_past_never_worsens_a_rank() {
    for_each_seed(1_000, |seed| {
        let mut random = Random::new(seed);
        let pasts = pasts(&mut random);
        let before = ranking(&pasts, 1);
        let one = usize::try_from(random.below(pasts.len() as u64)).unwrap();
        let name = pasts[one].name.clone();
        let mut better = pasts.clone();
        if random.one_in(2) {
            better[one].weight = better[one].weight * 2 + 1;
        } else {
            better[one].used.pop();
        }
        let after = ranking(&better, 1);
        assert!(place(&after, &better, &name) <= place(&before, &pasts, &name), "{name}: {before:?} {after:?}");
        let mut worse = pasts.clone();
        worse[one].used.push((0, NOW, 7));
        assert!(place(&ranking(&worse, 1), &worse, &name) >= place(&before, &pasts, &name), "{name} used more");
    });
}

#[test]
fn units_and_scales_do_not_matter() {
    for_each_seed(1_000, |seed| {
        let mut random = Random::new(seed);
        let pasts = pasts(&mut random);
        let before = ranking(&pasts, 1);
        assert_eq!(before, ranking(&pasts, 1 << 30), "bytes for gibibytes");
        let factor = *random.pick(&[3, 1000, 1_000_000_000_000]);
        let scaled = pasts.iter().map(|past| Past { weight: past.weight * factor, ..past.clone() }).collect::<Vec<_>>();
        assert_eq!(before, ranking(&scaled, 1), "all weights times {factor}");
    });
}

#[test]
fn equal_histories_but_for_the_weight_tie_and_the_name_decides() {
    // Twice the weight and twice the use: the same key to the last bit, whatever was rounded on the way.
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let used: Vec<(i64, i64, i128)> = (0..random.between(1, 6))
            .map(|_| {
                let from = i64::try_from(random.below(40_000)).unwrap();
                (from, from + i64::try_from(random.between(1, 9_000)).unwrap(), i128::from(random.between(1, 50)))
            })
            .collect();
        let times =
            |factor: i128| used.iter().map(|&(from, to, amount)| (from, to, amount * factor)).collect::<Vec<_>>();
        let team = |name: &str, weight, used| Past { name: name.to_owned(), parent: None, weight, used };
        for (a, b) in [(1, 3), (3, 1), (1, 7)] {
            let pasts =
                [team("a", u64::try_from(a).unwrap(), times(a)), team("b", u64::try_from(b).unwrap(), times(b))];
            assert_eq!(ranking(&pasts, 1), ["a", "b"]);
        }
    }
}

/// Slurm's documentation of Fair Tree (slurm.schedmd.com/fair_tree.html, "Overview for End Users"): UserA in Acct12 and UserB in
/// Acct16, both accounts in Acct1. UserB is before UserA if and only if Acct16 has the higher level fair share, whatever the
/// users themselves used. Level FS = S/U, shares over usage among siblings: our key is its inverse.
#[test]
fn slurms_fair_tree_example_gives_slurms_order() {
    let tree = |acct12: (u64, i128), acct16: (u64, i128)| {
        let mut pasts = vec![past("acct1", None, 1, 0), past("acct2", None, 1, 0)];
        for (account, (weight, used), user, other) in
            [("acct12", acct12, "user-a", "user-c"), ("acct16", acct16, "user-b", "user-d")]
        {
            pasts.push(past(account, Some("acct1"), weight, 0));
            // UserA has used nothing and UserB everything of its account.
            let mine = if user == "user-a" { 0 } else { used };
            pasts.push(past(user, Some(account), 1, mine));
            pasts.push(past(other, Some(account), 1, used - mine));
        }
        pasts.push(past("user-e", Some("acct2"), 1, 50));
        ranking(&pasts, 1)
    };
    // Acct12: LF = (1/2)/(30/40) = 0.67; Acct16: (1/2)/(10/40) = 2: all of Acct16 is before all of Acct12, though UserA used nothing.
    assert_eq!(tree((1, 30), (1, 10)), ["user-d", "user-b", "user-a", "user-c", "user-e"]);
    // With four times the shares Acct12 has LF = (4/5)/(30/40) = 1.07, Acct16 (1/5)/(10/40) = 0.8: it turns round.
    assert_eq!(tree((4, 30), (1, 10)), ["user-a", "user-c", "user-d", "user-b", "user-e"]);
    // Ties: Slurm gives tied users one rank; here the name decides, so that a rank is one job's.
    assert_eq!(tree((1, 20), (1, 20)), ["user-a", "user-c", "user-d", "user-b", "user-e"]);
}
