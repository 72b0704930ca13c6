//! Usage and shares as the closed form says, in floating point, from the intervals in which anything was held. Slow and simple.

use std::collections::BTreeMap;

/// Something was held, or offered, for a while.
#[derive(Clone, Debug)]
pub struct Interval {
    pub amounts: BTreeMap<String, i128>,
    pub from: i64,
    /// None: still.
    pub to: Option<i64>,
}

/// Decayed usage at a time: Σ a·(H/ln 2)·(2^(−(t−e)/H) − 2^(−(t−s)/H)); what still runs goes on until then.
pub fn usage(intervals: &[Interval], resource: &str, half_life: f64, at: f64) -> f64 {
    let mut sum = 0.0;
    for interval in intervals {
        let amount = interval.amounts.get(resource).copied().unwrap_or(0) as f64;
        let (from, to) = (interval.from as f64, interval.to.map_or(at, |to| to as f64));
        // 2^x − 2^y for x near y, without losing what they differ by.
        let ago = (to - at) / half_life * std::f64::consts::LN_2;
        let length = (to - from) / half_life * std::f64::consts::LN_2;
        sum += amount * half_life / std::f64::consts::LN_2 * ago.exp() * -(-length).exp_m1();
    }
    sum
}

/// The greatest part of any resource's capacity.
pub fn share(used: &[Interval], offered: &[Interval], half_life: f64, at: f64) -> f64 {
    let mut resources: Vec<&String> = used.iter().flat_map(|interval| interval.amounts.keys()).collect();
    resources.sort();
    resources.dedup();
    let part = |resource: &&String| {
        let (used, all) = (usage(used, resource, half_life, at), usage(offered, resource, half_life, at));
        if used == 0.0 {
            0.0
        } else if all == 0.0 {
            4.0
        } else {
            (used / all).min(4.0)
        }
    };
    resources.iter().map(part).fold(0.0, f64::max)
}
