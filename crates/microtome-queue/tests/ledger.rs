//! The ledger is exact (I1, I2, I13, I14), and says what the closed form says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

mod support;

use std::collections::BTreeMap;

use microtome_queue::{Amounts, Ledger};
use support::for_each_seed;
use support::oracle::{self, Interval};
use support::random::Random;

fn amounts(amount: i128) -> Amounts {
    Amounts::from([("gpu".to_owned(), amount)])
}

/// Rates that change at times: who, when, to what.
fn changes(random: &mut Random, half_life: u64) -> Vec<(i64, String, i128)> {
    let mut at = i64::try_from(random.below(1000)).unwrap() - 500;
    (0..random.between(1, 12))
        .map(|_| {
            let longest = *random.pick(&[3, half_life, half_life.saturating_mul(40)]);
            at += i64::try_from(random.below(longest.clamp(1, 1 << 40))).unwrap();
            (at, format!("t{}", random.below(3)), i128::from(random.below(5)) * 1000)
        })
        .collect()
}

fn play(half_life: u64, changes: &[(i64, String, i128)], end: i64, mut between: impl FnMut() -> u64) -> Ledger {
    let mut ledger = Ledger::new(half_life, changes[0].0);
    ledger.set_capacity(&amounts(8000));
    for (at, team, rate) in changes.iter().chain([&(end, String::new(), 0)]) {
        // In as many steps as somebody likes: a pause, a hold and a restart are nothing else.
        for _ in 0..between() {
            let step = i64::try_from(between()).unwrap() * (at - ledger.at()) / 9;
            ledger.advance(ledger.at() + step.min(at - ledger.at()));
            ledger = serde_json::from_str(&serde_json::to_string(&ledger).unwrap()).unwrap();
        }
        ledger.advance(*at);
        if !team.is_empty() {
            ledger.set_rates(team, &amounts(*rate));
        }
    }
    ledger
}

#[test]
fn advancing_in_one_step_is_advancing_in_many() {
    for_each_seed(2_000, |seed| {
        let mut random = Random::new(seed);
        let half_life = *random.pick(&[1, 2, 7, 60, 3600, 604_800, 1 << 50]);
        let changes = changes(&mut random, half_life);
        let end = changes.last().unwrap().0 + i64::try_from(random.below(half_life.min(1 << 40) * 3 + 3)).unwrap();
        let whole = play(half_life, &changes, end, || 0);
        assert_eq!(whole, play(half_life, &changes, end, || random.below(6)));
    });
}

#[test]
fn usage_is_what_the_closed_form_says_and_children_sum_to_parents() {
    for_each_seed(2_000, |seed| {
        let mut random = Random::new(seed);
        let half_life = *random.pick(&[7, 60, 3600, 604_800]);
        let changes = changes(&mut random, half_life);
        let end = changes.last().unwrap().0 + i64::try_from(random.below(half_life * 3 + 3)).unwrap();
        let ledger = play(half_life, &changes, end, || 0);
        let offered = [Interval { amounts: amounts(8000), from: changes[0].0, to: None }];
        let mut used: BTreeMap<&str, Vec<Interval>> = BTreeMap::new();
        for (at, team, rate) in &changes {
            let intervals = used.entry(team).or_default();
            if let Some(last) = intervals.last_mut() {
                last.to = last.to.or(Some(*at));
            }
            intervals.push(Interval { amounts: amounts(*rate), from: *at, to: None });
        }
        let share = |teams: &[&str]| ledger.share(teams.iter().copied()) as f64 / (1_u64 << 60) as f64;
        let mut sum = 0.0;
        for (team, intervals) in &used {
            let wanted = oracle::share(intervals, &offered, half_life as f64, end as f64);
            assert!((share(&[team]) - wanted).abs() <= 1e-9 * wanted + 1e-12, "{team}: {} {wanted}", share(&[team]));
            sum += share(&[team]);
        }
        let all: Vec<&str> = used.keys().copied().collect();
        assert!((share(&all) - sum.min(4.0)).abs() < 1e-15, "{} {sum}", share(&all));
    });
}

#[test]
fn changes_of_one_instant_commute() {
    let mut one = Ledger::new(60, 0);
    let mut other = one.clone();
    for (ledger, order) in [(&mut one, ["a", "b"]), (&mut other, ["b", "a"])] {
        ledger.advance(10);
        for team in order {
            ledger.set_rates(team, &amounts(if team == "a" { 1000 } else { 2000 }));
        }
        ledger.advance(100);
    }
    assert_eq!(one, other);
}

#[test]
fn another_half_life_leaves_what_was_measured_as_it_is() {
    let mut ledger = Ledger::new(3600, 0);
    ledger.set_capacity(&amounts(8000));
    ledger.set_rates("a", &amounts(2000));
    ledger.advance(5000);
    let before = ledger.share(["a"].into_iter());
    ledger.set_half_life(600);
    let after = ledger.share(["a"].into_iter());
    assert!(before.abs_diff(after) < 1 << 8, "{before} {after}");
    // Twenty new half-lives later next to nothing is left of it; the capacity of so short a memory is 3.7 times smaller.
    ledger.set_rates("a", &Amounts::new());
    ledger.advance(17_000);
    assert!(ledger.share(["a"].into_iter()) < before >> 18);
}
