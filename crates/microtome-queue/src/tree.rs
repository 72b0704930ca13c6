//! The forest of teams, checked: who is above whom, and who is out.
//!
//! A team's index is its rank by name, so an index settles ties. What is wrong with one team leaves the others as they are.

use std::collections::BTreeMap;

use crate::Team;
use crate::team::{TeamFault, USUAL_WEIGHT};

/// No team: the parent of those at the top.
pub(crate) const TOP: usize = usize::MAX;

/// Teams by index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) names: Vec<String>,
    pub(crate) teams: Vec<Team>,
    /// [`TOP`] of those at the top, and of those from which no way leads up.
    pub(crate) parents: Vec<usize>,
    pub(crate) children: Vec<Vec<usize>>,
    /// Those at the top.
    pub(crate) tops: Vec<usize>,
    /// Why a team takes no jobs.
    pub(crate) fatal: Vec<Option<TeamFault>>,
    /// Whether any team names it as its parent.
    pub(crate) is_parent: Vec<bool>,
    /// Parents before children; without those from which no way leads up.
    pub(crate) order: Vec<usize>,
    /// The greatest weight among a team and its siblings.
    pub(crate) greatest: Vec<u64>,
}

impl Tree {
    pub(crate) fn new(teams: &BTreeMap<String, Team>) -> Self {
        let names: Vec<String> = teams.keys().cloned().collect();
        let teams: Vec<Team> = teams.values().cloned().collect();
        let find = |name: &String| names.binary_search(name).ok();
        let named: Vec<Option<usize>> = teams.iter().map(|team| team.parent.as_ref().and_then(find)).collect();
        let mut tree = Self {
            fatal: faults(&names, &teams, &named),
            is_parent: vec![false; teams.len()],
            children: vec![Vec::new(); teams.len()],
            parents: vec![TOP; teams.len()],
            greatest: vec![0; teams.len()],
            ..Self::default()
        };
        for (team, parent) in named.into_iter().enumerate() {
            if let Some(parent) = parent {
                tree.is_parent[parent] = true;
            }
            match parent {
                _ if tree.fatal[team].as_ref().is_some_and(is_rootless) => {}
                None => tree.tops.push(team),
                Some(parent) => {
                    tree.parents[team] = parent;
                    tree.children[parent].push(team);
                }
            }
        }
        (tree.names, tree.teams) = (names, teams);
        tree.arrange();
        tree
    }

    fn arrange(&mut self) {
        let mut next = 0;
        self.order.clone_from(&self.tops);
        while let Some(&team) = self.order.get(next) {
            self.order.extend(&self.children[team]);
            next += 1;
        }
        for siblings in self.children.iter().chain([&self.tops]) {
            let greatest = siblings.iter().map(|&team| self.teams[team].weight).max().unwrap_or(0);
            for &team in siblings {
                self.greatest[team] = greatest;
            }
        }
    }

    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.names.binary_search_by(|known| known.as_str().cmp(name)).ok()
    }

    /// The team and all above it.
    pub(crate) fn path(&self, team: usize) -> impl Iterator<Item = usize> + '_ {
        std::iter::successors(Some(team), |&team| Some(self.parents[team]).filter(|&parent| parent != TOP))
    }

    /// A leaf that takes jobs, or why not.
    pub(crate) fn takes_jobs(&self, team: usize) -> bool {
        self.fatal[team].is_none() && !self.is_parent[team]
    }

    /// What is wrong with specs as they stand, whatever runs.
    pub(crate) fn faults(&self, team: usize) -> Vec<TeamFault> {
        let spec = &self.teams[team];
        let mut faults: Vec<TeamFault> = self.fatal[team].iter().cloned().collect();
        if let Some(parent) = self.parents.get(team).and_then(|&parent| self.teams.get(parent)) {
            let name = spec.parent.clone().unwrap_or_default();
            let above = spec.guarantee.iter().filter_map(|(resource, &guarantee)| {
                // What the parent does not name it does not guarantee either; that is no contradiction, only no use.
                let &parents = parent.guarantee.get(resource)?;
                let (resource, parent) = (resource.clone(), name.clone());
                (guarantee > parents).then_some(TeamFault::GuaranteeAboveParent {
                    resource,
                    guarantee,
                    parent,
                    parents,
                })
            });
            faults.extend(above);
        }
        match spec.weight {
            0 => faults.push(TeamFault::NoWeight),
            weight if weight > USUAL_WEIGHT => faults.push(TeamFault::HugeWeight(weight)),
            _ => {}
        }
        faults
    }
}

/// Whether no way leads up from the team. A namespace that another team holds is its own trouble: its children stand.
fn is_rootless(fault: &TeamFault) -> bool {
    !matches!(fault, TeamFault::NamespaceClaimed { .. })
}

/// What takes each team out.
fn faults(names: &[String], teams: &[Team], named: &[Option<usize>]) -> Vec<Option<TeamFault>> {
    let mut faults: Vec<Option<TeamFault>> =
        teams.iter().map(|team| team.fault.clone().filter(TeamFault::is_fatal)).collect();
    // 0 not seen, 1 on the way up from the team being looked at, 2 known.
    let mut seen = vec![0_u8; teams.len()];
    for team in 0..teams.len() {
        let mut way = Vec::new();
        let mut at = Some(team);
        while let Some(above) = at.filter(|&above| seen[above] == 0) {
            seen[above] = 1;
            way.push(above);
            at = named[above];
        }
        if let Some(start) =
            at.filter(|&above| seen[above] == 1).and_then(|above| way.iter().position(|&on| on == above))
        {
            let around = &way[start..];
            for (i, &member) in around.iter().enumerate() {
                let rest = around[i..].iter().chain(&around[..i]).chain([&member]);
                faults[member] = Some(TeamFault::Cycle(rest.map(|&on| names[on].clone()).collect()));
            }
        }
        for &below in way.iter().rev() {
            seen[below] = 2;
            if matches!(faults[below], Some(TeamFault::Cycle(_))) {
                continue;
            }
            let missing = teams[below].parent.as_ref().filter(|_| named[below].is_none());
            let above = named[below].filter(|&above| faults[above].as_ref().is_some_and(is_rootless));
            let fault = missing.map(|parent| TeamFault::UnknownParent(parent.clone()));
            let fault = fault.or_else(|| above.map(|above| TeamFault::FaultyParent(names[above].clone())));
            faults[below] = fault.or_else(|| faults[below].take());
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(teams: &[(&str, Option<&str>)]) -> Tree {
        let team = |parent: Option<&str>| Team { parent: parent.map(str::to_owned), ..Team::default() };
        Tree::new(&teams.iter().map(|&(name, parent)| (name.to_owned(), team(parent))).collect())
    }

    fn told(tree: &Tree) -> Vec<String> {
        tree.fatal.iter().map(|fault| fault.as_ref().map(ToString::to_string).unwrap_or_default()).collect()
    }

    #[test]
    fn a_cycle_takes_its_teams_and_those_below_out_and_nobody_else() {
        let tree = tree(&[("a", Some("b")), ("b", Some("c")), ("c", Some("a")), ("d", Some("a")), ("e", None)]);
        let wanted = [
            "spec.parentName: cycle a → b → c → a",
            "spec.parentName: cycle b → c → a → b",
            "spec.parentName: cycle c → a → b → c",
            "spec.parentName: team a above is invalid itself",
            "",
        ];
        assert_eq!(told(&tree), wanted);
        assert_eq!((tree.order.as_slice(), tree.takes_jobs(4)), ([4].as_slice(), true));
    }

    #[test]
    fn an_unknown_parent_takes_a_team_out() {
        let tree = tree(&[("a", Some("x")), ("b", Some("b"))]);
        assert_eq!(told(&tree), ["spec.parentName: no team x", "spec.parentName: cycle b → b"]);
    }

    #[test]
    fn a_guarantee_above_the_parents_is_told_and_goes_on() {
        let amounts = |number| crate::Amounts::from([("gpu".to_owned(), number)]);
        let parent = Team { guarantee: amounts(2000), weight: 0, ..Team::default() };
        let child = Team { parent: Some("a".into()), guarantee: amounts(2500), ..Team::default() };
        let tree = Tree::new(&[("a".to_owned(), parent), ("b".to_owned(), child)].into());
        let told: Vec<_> = tree.faults(1).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["spec.guarantee.gpu: 2500m is above the 2 of team a, which counts"]);
        assert_eq!(tree.faults(0), [TeamFault::NoWeight]);
        assert!(tree.takes_jobs(1) && !tree.takes_jobs(0));
    }
}
