//! How teams stand, as the last pass of admission saw them: gauges that are written all at once, so that none is left over of a
//! team that is gone. An operator that does not lead has none.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use microtome_queue::Standing;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// Of so many teams it is told, the first by name: each is some ten series.
const MOST_TEAMS: usize = 1000;

/// A team's numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Stand {
    /// What running jobs hold, in the resource's own unit.
    used: BTreeMap<String, f64>,
    share: f64,
    fair_share: f64,
    running: f64,
    pending: f64,
    /// Of the job of the team itself that has waited longest.
    oldest_wait_seconds: f64,
}

impl Stand {
    pub(crate) fn new(standing: &Standing, oldest_wait_seconds: i64) -> Self {
        // Binary places that a double has no room for are no matter here.
        let part = |part: u128| part as f64 / (1_u64 << 60) as f64;
        Self {
            used: standing.used.iter().map(|(name, milli)| (name.clone(), *milli as f64 / 1000.0)).collect(),
            share: part(standing.share),
            fair_share: part(standing.target),
            running: standing.running as f64,
            pending: standing.waiting as f64,
            oldest_wait_seconds: oldest_wait_seconds.max(0) as f64,
        }
    }
}

/// All teams. Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Teams(Arc<Mutex<BTreeMap<String, Stand>>>);

impl Teams {
    /// How teams stand from now on.
    pub(crate) fn stand(&self, teams: BTreeMap<String, Stand>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = teams;
    }
}

/// A gauge of which each team has one.
type Gauge = (&'static str, &'static str, fn(&Stand) -> f64);

const GAUGES: [Gauge; 5] = [
    ("microtome_team_share_ratio", "Decayed share of the cluster", |team| team.share),
    ("microtome_team_fair_share_ratio", "Part of the cluster by weights alone", |team| team.fair_share),
    ("microtome_team_running_jobs", "Jobs that run, those of teams below included", |team| team.running),
    ("microtome_team_pending_jobs", "Jobs that wait, those of teams below included", |team| team.pending),
    ("microtome_team_oldest_wait_seconds", "How long a job of the team has waited at most", |team| {
        team.oldest_wait_seconds
    }),
];

impl Collector for Teams {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let teams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = || teams.iter().take(MOST_TEAMS);
        for (name, help, value) in GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (team, stand) in told() {
                ConstGauge::new(value(stand)).encode(metric.encode_family(&[("team", team.as_str())])?)?;
            }
        }
        let help = "What running jobs hold, those of teams below included: in cores, bytes, or pieces";
        let mut metric = encoder.encode_descriptor("microtome_team_used", help, None, MetricType::Gauge)?;
        for (team, stand) in told() {
            for (resource, used) in &stand.used {
                let labels = [("team", team.as_str()), ("resource", resource.as_str())];
                ConstGauge::new(*used).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use microtome_queue::Amounts;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_team_that_is_gone_is_told_no_more() {
        let (teams, mut registry) = (Teams::default(), Registry::default());
        registry.register_collector(Box::new(teams.clone()));
        let used = Amounts::from([("cpu".to_owned(), 1500)]);
        let standing = Standing { used, share: 1 << 59, target: 1 << 58, running: 2, waiting: 3 };
        teams.stand(BTreeMap::from([("a".to_owned(), Stand::new(&standing, 40))]));
        let text = crate::metrics::encode(&registry);
        for line in [
            r#"microtome_team_share_ratio{team="a"} 0.5"#,
            r#"microtome_team_fair_share_ratio{team="a"} 0.25"#,
            r#"microtome_team_running_jobs{team="a"} 2"#,
            r#"microtome_team_pending_jobs{team="a"} 3"#,
            r#"microtome_team_oldest_wait_seconds{team="a"} 40"#,
            r#"microtome_team_used{team="a",resource="cpu"} 1.5"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        teams.stand(BTreeMap::new());
        assert!(!crate::metrics::encode(&registry).contains("team=\"a\""));
    }

    #[test]
    fn no_more_teams_than_a_bound_are_told() {
        let (teams, mut registry) = (Teams::default(), Registry::default());
        registry.register_collector(Box::new(teams.clone()));
        teams.stand((0..1500).map(|i| (format!("t{i:04}"), Stand::default())).collect());
        let text = crate::metrics::encode(&registry);
        assert_eq!(text.matches("microtome_team_pending_jobs{").count(), MOST_TEAMS);
    }
}
