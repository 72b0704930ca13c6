//! Which namespaces get the role, and which lose it: pure and total.

use std::collections::BTreeSet;

use microtome_api::Team;

/// What a pass decides by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observed {
    pub(crate) teams: Vec<Team>,
    /// Namespaces that there are and that are not going.
    pub(crate) namespaces: BTreeSet<String>,
    /// Namespaces in which workers still are: to remove them, the operator needs its role.
    pub(crate) busy: BTreeSet<String>,
    /// Namespaces in which the operator has its role.
    pub(crate) bound: BTreeSet<String>,
}

/// What a pass does.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Decision {
    pub(crate) bind: BTreeSet<String>,
    pub(crate) unbind: BTreeSet<String>,
}

/// Decides. Which of several teams holds a namespace does not matter here.
pub(crate) fn decide(observed: &Observed) -> Decision {
    let held: BTreeSet<String> = observed.teams.iter().flat_map(|team| team.spec.namespaces.iter().cloned()).collect();
    Decision {
        bind: held.intersection(&observed.namespaces).filter(|&n| !observed.bound.contains(n)).cloned().collect(),
        unbind: observed.bound.difference(&held).filter(|&n| !observed.busy.contains(n)).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::fixtures;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn the_role_is_where_teams_are_and_while_their_workers_are() {
        let observed = |namespaces, bound, busy| Observed {
            teams: vec![fixtures::team()],
            namespaces: set(namespaces),
            bound: set(bound),
            busy: set(busy),
        };
        let cases = [
            (observed(&["x", "y"], &[], &[]), set(&["x"]), set(&[])),
            (observed(&["y"], &[], &[]), set(&[]), set(&[])),
            (observed(&["x", "y"], &["x", "y"], &[]), set(&[]), set(&["y"])),
            (observed(&["x", "y"], &["x", "y"], &["y"]), set(&[]), set(&[])),
        ];
        for (observed, bind, unbind) in cases {
            assert_eq!(decide(&observed), Decision { bind, unbind });
        }
    }
}
