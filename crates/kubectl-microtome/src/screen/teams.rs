//! Teams as a tree, with what they use: pure.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use microtome_api::Team;
use microtome_api::quantity::Quantity;
use serde::Serialize;

use crate::table::table;
use crate::text::{self, NOTHING};

/// One team.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Share {
    pub(crate) team: String,
    pub(crate) parent: Option<String>,
    /// How many teams are above it.
    pub(crate) depth: usize,
    pub(crate) weight: i64,
    pub(crate) share: Option<String>,
    /// The share forgets half of what was used in this time.
    pub(crate) half_life_seconds: Option<i64>,
    pub(crate) fair_share: Option<String>,
    pub(crate) used: Option<Quantity>,
    pub(crate) guarantee: Option<Quantity>,
    pub(crate) max: Option<Quantity>,
    pub(crate) running: i32,
    pub(crate) queued: i32,
}

/// Each team below its parent, by name. A team whose parents form a cycle, or whose parent is not there, is a root.
pub(crate) fn shares(teams: &[Team], resource: &str) -> Vec<Share> {
    let names: BTreeSet<String> = teams.iter().map(ResourceExt::name_any).collect();
    let mut below: BTreeMap<Option<&str>, Vec<&Team>> = BTreeMap::new();
    for team in teams {
        let parent = team.spec.parent_name.as_deref().filter(|parent| names.contains(*parent));
        below.entry(parent).or_default().push(team);
    }
    below.values_mut().for_each(|teams| teams.sort_by_key(|team| team.name_any()));
    let mut shares = Vec::new();
    descend(None, 0, &below, (resource, &mut shares));
    let told: BTreeSet<String> = shares.iter().map(|share| share.team.clone()).collect();
    let lost = teams.iter().filter(|team| !told.contains(&team.name_any()));
    shares.extend(lost.map(|team| share(team, 0, resource)));
    shares
}

fn descend(
    parent: Option<&str>,
    depth: usize,
    below: &BTreeMap<Option<&str>, Vec<&Team>>,
    (resource, shares): (&str, &mut Vec<Share>),
) {
    for team in below.get(&parent).into_iter().flatten() {
        shares.push(share(team, depth, resource));
        descend(Some(&team.name_any()), depth + 1, below, (resource, &mut *shares));
    }
}

fn share(team: &Team, depth: usize, resource: &str) -> Share {
    let status = team.status.clone().unwrap_or_default();
    Share {
        team: team.name_any(),
        parent: team.spec.parent_name.clone(),
        depth,
        weight: team.spec.weight,
        share: status.share,
        half_life_seconds: status.half_life_seconds,
        fair_share: status.fair_share,
        used: status.used.get(resource).cloned(),
        guarantee: team.spec.guarantee.get(resource).cloned(),
        max: team.spec.max.get(resource).cloned(),
        running: status.running,
        queued: status.queued,
    }
}

/// The table; empty without teams.
pub(crate) fn teams(shares: &[Share], resource: &str) -> String {
    let short = resource.rsplit('/').next().unwrap_or(resource).to_uppercase();
    let amounts = format!("{short} used/guarantee/max");
    // The operator's settings have one for all.
    let half_life = shares.iter().find_map(|share| share.half_life_seconds);
    let share = half_life.map_or_else(|| "SHARE".to_owned(), |seconds| format!("SHARE ({})", text::span(seconds)));
    let header = ["TEAM", "WEIGHT", &share, "FAIR", &amounts, "RUNNING", "QUEUED"];
    let amount = |amount: &Option<Quantity>| amount.as_ref().map_or(NOTHING, |amount| amount.0.as_str()).to_owned();
    let row = |share: &Share| {
        let used = share.used.as_ref().map_or("0", |used| used.0.as_str());
        vec![
            format!("{:indent$}{}", "", share.team, indent = 2 * share.depth),
            share.weight.to_string(),
            share.share.clone().unwrap_or_else(|| NOTHING.to_owned()),
            share.fair_share.clone().unwrap_or_else(|| NOTHING.to_owned()),
            format!("{used}/{}/{}", amount(&share.guarantee), amount(&share.max)),
            share.running.to_string(),
            share.queued.to_string(),
        ]
    };
    table(&header, &shares.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::screen::fixtures::team;

    const GPU: &str = "nvidia.com/gpu";

    #[test]
    fn teams_are_a_tree() {
        let status = |used: u32, share: &str, running: u32, queued: u32| json!({"used": {GPU: used}, "share": share, "halfLifeSeconds": 604_800, "fairShare": "0.50", "running": running, "queued": queued});
        let listed = [
            team(
                "radiology",
                Some("research"),
                &json!({"max": {"cpu": 4}, "guarantee": {GPU: 4}}),
                &status(3, "0.39", 1, 0),
            ),
            team("research", None, &json!({"guarantee": {GPU: 8}}), &status(11, "1.00", 4, 14)),
            team(
                "pathology",
                Some("research"),
                &json!({"weight": 2, "guarantee": {GPU: 4}, "max": {GPU: 8}}),
                &status(8, "0.61", 3, 14),
            ),
            team("new", None, &json!({}), &serde_json::Value::Null),
        ];
        let wanted = "\
TEAM          WEIGHT   SHARE (7 d)   FAIR   GPU used/guarantee/max   RUNNING   QUEUED
new           1        –             –      0/–/–                    0         0
research      1        1.00          0.50   11/8/–                   4         14
  pathology   2        0.61          0.50   8/4/8                    3         14
  radiology   1        0.39          0.50   3/4/–                    1         0
";
        assert_eq!(teams(&shares(&listed, GPU), GPU), wanted);
        assert!(teams(&shares(&listed, "cpu"), "cpu").contains("CPU used/guarantee/max"));
        let new = teams(&shares(&listed[3..], GPU), GPU);
        assert!(new.starts_with("TEAM   WEIGHT   SHARE   FAIR "), "nobody has said it yet: {new}");
    }

    #[test]
    fn no_team_is_lost_in_a_cycle() {
        let circle = [
            team("a", Some("b"), &json!({}), &json!({})),
            team("b", Some("a"), &json!({}), &json!({})),
            team("c", Some("gone"), &json!({}), &json!({})),
        ];
        let names: Vec<_> = shares(&circle, GPU).into_iter().map(|share| (share.team, share.depth)).collect();
        assert_eq!(names, [("c".to_owned(), 0), ("a".to_owned(), 0), ("b".to_owned(), 0)]);
    }
}
