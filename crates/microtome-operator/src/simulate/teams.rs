//! Teams as events make and change them: who holds a namespace, and who is above whom.

use std::collections::{BTreeMap, BTreeSet};

use microtome_queue::{Team, TeamFault};

use super::scenario::NamedTeam;

/// All teams, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Teams(Vec<NamedTeam>);

impl Teams {
    pub(super) fn new(teams: Vec<NamedTeam>) -> Self {
        Self(teams)
    }

    /// A new team, or another spec of one; it keeps its age.
    pub(super) fn set(&mut self, team: NamedTeam) {
        match self.0.iter_mut().find(|known| known.name == team.name) {
            Some(known) => *known = team,
            None => self.0.push(team),
        }
    }

    /// As the queue takes them.
    pub(super) fn specs(&self) -> BTreeMap<String, Team> {
        let mut holders: BTreeMap<&str, &str> = BTreeMap::new();
        let mut specs = BTreeMap::new();
        for one in &self.0 {
            let mut team = one.team.clone();
            for namespace in &one.namespaces {
                let holder = *holders.entry(namespace).or_insert(&one.name);
                if holder != one.name && team.fault.is_none() {
                    let (namespace, holder) = (namespace.clone(), holder.to_owned());
                    team.fault = Some(TeamFault::NamespaceClaimed { namespace, holder });
                }
            }
            specs.insert(one.name.clone(), team);
        }
        specs
    }

    /// Each team with all that stand above it, itself first; a cycle is followed once.
    pub(super) fn paths(&self) -> BTreeMap<String, Vec<String>> {
        let parents: BTreeMap<&str, Option<&String>> =
            self.0.iter().map(|one| (one.name.as_str(), one.team.parent.as_ref())).collect();
        let path = |name: &str| {
            let mut seen = BTreeSet::new();
            let mut path = Vec::new();
            let mut at = Some(name);
            while let Some(team) = at.filter(|team| parents.contains_key(team) && seen.insert(*team)) {
                path.push(team.to_owned());
                at = parents.get(team).copied().flatten().map(String::as_str);
            }
            path
        };
        self.0.iter().map(|one| (one.name.clone(), path(&one.name))).collect()
    }
}
