//! What teams have used, decayed: plain data that survives a restart. `README.md` has the arithmetic.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Amounts;
use crate::amounts::LARGEST_SUM;
use crate::decay::{Decay, EPOCH, clamp};
use crate::wide::Wide;

/// Binary places of a share.
pub(crate) const SHARE_PLACES: u32 = 60;

/// The usage of all teams and the cluster's capacity up to one instant, and how they go on from there.
///
/// Advancing is exact: in one step or in many, with the rates of all intervals in whatever order they became known at an instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ledger {
    half_life_seconds: u64,
    /// The instant that the sums reach.
    at: i64,
    /// By team: what it used itself; what its children used is theirs.
    teams: BTreeMap<String, BTreeMap<String, Sum>>,
    capacity: BTreeMap<String, Sum>,
    /// How many jobs were ever accepted.
    accepted: u64,
    /// The sum of their deadlines, in seconds.
    deadlines: u64,
}

/// One team's or the cluster's use of one resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Σ rate · (G(end) − G(start)) over all intervals: usage in the weight of the present epoch.
    pub(crate) grown: Wide,
    /// What is held now, in thousandths.
    pub(crate) rate: i128,
}

impl Sum {
    /// The sum as it will be when G has grown so much more.
    pub(crate) fn after(&self, growth: u128) -> Wide {
        self.grown.plus(Wide::product(self.rate.unsigned_abs(), growth))
    }

    fn is_over(&self) -> bool {
        self.rate == 0 && self.grown == Wide::ZERO
    }
}

impl Ledger {
    /// An empty ledger. A half-life of 0 is taken as one second, one above 2⁴⁰ as that; callers refuse 0.
    pub fn new(half_life_seconds: u64, at: i64) -> Self {
        Self {
            half_life_seconds,
            at: clamp(at),
            teams: BTreeMap::new(),
            capacity: BTreeMap::new(),
            accepted: 0,
            deadlines: 0,
        }
    }

    /// The half-life, in seconds.
    pub fn half_life_seconds(&self) -> u64 {
        self.half_life_seconds
    }

    /// The instant that the ledger has reached.
    pub fn at(&self) -> i64 {
        self.at
    }

    pub(crate) fn decay(&self) -> Decay {
        Decay::new(self.half_life_seconds)
    }

    /// Goes on to an instant with the present rates. Time never goes back: an earlier instant changes nothing.
    pub fn advance(&mut self, to: i64) {
        let (decay, to) = (self.decay(), clamp(to));
        if to <= self.at {
            return;
        }
        let (mut epoch, last) = (decay.epoch(self.at), decay.epoch(to));
        let mut from = self.at;
        while epoch < last {
            let end = decay.growth(epoch, decay.start(epoch + 1));
            let whole = from == decay.start(epoch);
            let changed = self.grow(end - decay.growth(epoch, from), EPOCH);
            // Once a whole epoch leaves every sum as it was, so does each one after it.
            epoch = if whole && !changed { last } else { epoch + 1 };
            from = decay.start(epoch);
            self.forget();
        }
        self.grow(decay.growth(epoch, to) - decay.growth(epoch, from), 0);
        self.at = to;
    }

    /// Adds what the rates make of so much growth, then shifts; true if any sum changed.
    fn grow(&mut self, growth: u128, shift: u32) -> bool {
        let mut changed = false;
        let teams = self.teams.values_mut().flat_map(BTreeMap::values_mut);
        for sum in teams.chain(self.capacity.values_mut()) {
            let grown = sum.after(growth).shifted_down(shift);
            changed |= grown != sum.grown;
            sum.grown = grown;
        }
        changed
    }

    /// Drops what has decayed to nothing.
    fn forget(&mut self) {
        for sums in self.teams.values_mut() {
            sums.retain(|_, sum| !sum.is_over());
        }
        self.teams.retain(|_, sums| !sums.is_empty());
        self.capacity.retain(|_, sum| !sum.is_over());
    }

    /// Sets what a team holds from now on; its children's is set for them.
    pub fn set_rates(&mut self, team: &str, rates: &Amounts) {
        if rates.is_empty() && !self.teams.contains_key(team) {
            return;
        }
        set(self.teams.entry(team.to_owned()).or_default(), rates);
    }

    /// Sets what the cluster offers from now on.
    pub fn set_capacity(&mut self, rates: &Amounts) {
        set(&mut self.capacity, rates);
    }

    /// Takes note of a job's declared deadline, once, when it is accepted.
    pub fn accept(&mut self, deadline_seconds: u64) {
        self.accepted = self.accepted.saturating_add(1);
        self.deadlines = self.deadlines.saturating_add(deadline_seconds);
    }

    /// How far ahead keys look, in seconds: the mean declared deadline of all jobs accepted so far, at most H/8.
    pub fn lookahead_seconds(&self) -> u64 {
        self.deadlines.checked_div(self.accepted).unwrap_or(0).min(self.decay().longest_lookahead())
    }

    pub(crate) fn teams(&self) -> &BTreeMap<String, BTreeMap<String, Sum>> {
        &self.teams
    }

    pub(crate) fn capacity(&self) -> &BTreeMap<String, Sum> {
        &self.capacity
    }

    /// How much G grows from the ledger's instant over so many seconds; at most a half-life of them.
    pub(crate) fn growth(&self, seconds: u64) -> u128 {
        let (decay, epoch) = (self.decay(), self.decay().epoch(self.at));
        let ahead = i64::try_from(seconds).unwrap_or(i64::MAX);
        decay.growth(epoch, self.at.saturating_add(ahead)).saturating_sub(decay.growth(epoch, self.at))
    }

    /// The decayed share of some teams together: of the resource that they used most of, with 60 binary places; at most 4.
    pub fn share<'a>(&self, teams: impl Iterator<Item = &'a str>) -> u128 {
        let mut sums: BTreeMap<&str, Wide> = BTreeMap::new();
        for (resource, sum) in teams.filter_map(|team| self.teams.get(team)).flatten() {
            let total = sums.entry(resource).or_default();
            *total = total.plus(sum.grown);
        }
        let capacity = |resource: &str| self.capacity.get(resource).map_or(Wide::ZERO, |sum| sum.grown);
        sums.iter().map(|(resource, sum)| sum.ratio(capacity(resource), SHARE_PLACES)).max().unwrap_or(0)
    }

    /// Goes over to another half-life: what was measured until now stays as it is, and decays by the new one from here.
    pub fn set_half_life(&mut self, half_life_seconds: u64) {
        let (old, new) = (self.decay(), Decay::new(half_life_seconds));
        self.half_life_seconds = half_life_seconds;
        // U = V / G · H / ln 2 stays: V' = V · (H / H') · (G' / G).
        let (from, to) = (old.growth(old.epoch(self.at), self.at), new.growth(new.epoch(self.at), self.at));
        for sum in self.teams.values_mut().flat_map(BTreeMap::values_mut).chain(self.capacity.values_mut()) {
            sum.grown = sum.grown.scaled(to, from).scaled(old.seconds(), new.seconds());
        }
    }
}

fn set(sums: &mut BTreeMap<String, Sum>, rates: &Amounts) {
    for (resource, sum) in sums.iter_mut() {
        sum.rate = rates.get(resource).map_or(0, |&rate| rate.clamp(0, LARGEST_SUM));
    }
    for (resource, &rate) in rates {
        if !sums.contains_key(resource) {
            sums.insert(resource.clone(), Sum { grown: Wide::ZERO, rate: rate.clamp(0, LARGEST_SUM) });
        }
    }
}
