//! What is asked for and what a worker supplies, by loader; a loader that nobody reads from holds both.

use std::collections::BTreeMap;

use super::observation::Loader;

/// Supply is this much more than demand: step times and rates vary, and a queue that is filled as fast as it is emptied is
/// empty half of the time.
pub(super) const HEADROOM: f64 = 1.10;

/// Loaders that are told apart; a job has a handful, and what a head says is a tenant's word.
const MOST: usize = 64;

/// The newest that is known of each loader.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Loaders(BTreeMap<String, Known>);

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Known {
    demand: f64,
    rate: f64,
}

/// Demand and supply of all loaders together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Demand {
    /// Patches a second that the program would take.
    pub(crate) demand: f64,
    /// Patches a second of a busy worker, for this mixture of loaders.
    pub(crate) rate: f64,
}

impl Loaders {
    /// Takes over what is known now; what is not, stays as it was.
    pub(super) fn note(&mut self, loaders: &[Loader]) {
        let known = |value: f64| (value.is_finite() && value > 0.0).then_some(value);
        for loader in loaders {
            if self.0.len() >= MOST && !self.0.contains_key(&loader.name) {
                continue;
            }
            let entry = self.0.entry(loader.name.clone()).or_default();
            entry.demand = known(loader.demand).unwrap_or(entry.demand);
            entry.rate = known(loader.rate).unwrap_or(entry.rate);
        }
    }

    /// The sum; nothing where no loader is known well enough.
    pub(super) fn demand(&self) -> Option<Demand> {
        let known = || self.0.values().filter(|known| known.demand > 0.0 && known.rate > 0.0);
        let demand: f64 = known().map(|known| known.demand).sum();
        let workers: f64 = known().map(|known| known.demand / known.rate).sum();
        (workers > 0.0).then(|| Demand { demand, rate: demand / workers })
    }
}

impl Demand {
    /// The workers that supply it, with headroom; not rounded.
    pub(super) fn workers(self) -> f64 {
        HEADROOM * self.demand / self.rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loader(name: &str, demand: f64, rate: f64) -> Loader {
        Loader { name: name.to_owned(), demand, rate }
    }

    #[test]
    fn workers_are_demand_over_rate_and_a_tenth() {
        let mut loaders = Loaders::default();
        loaders.note(&[loader("train", 9600.0, 960.0)]);
        assert!((loaders.demand().unwrap().workers() - 11.0).abs() < 1e-9);
    }

    #[test]
    fn each_loader_counts_with_its_own_rate_and_holds_it() {
        let mut loaders = Loaders::default();
        loaders.note(&[loader("train", 4000.0, 1000.0), loader("val", 100.0, 100.0)]);
        loaders.note(&[loader("train", 2000.0, 1000.0), loader("val", 0.0, f64::NAN)]);
        let demand = loaders.demand().unwrap();
        assert!((demand.workers() - 3.3).abs() < 1e-9, "{demand:?}");
        assert!((demand.rate - 700.0).abs() < 1e-9);
    }

    #[test]
    fn a_loader_of_which_half_is_known_is_not_counted() {
        let mut loaders = Loaders::default();
        loaders.note(&[loader("train", 4000.0, 0.0), loader("val", 0.0, 10.0)]);
        assert_eq!(loaders.demand(), None);
    }
}
