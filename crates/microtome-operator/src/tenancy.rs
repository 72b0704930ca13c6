//! Whose a namespace is: pure. Tenants never name a team; the team is the one that holds their namespace.

use kube::ResourceExt;
use microtome_api::Team;

/// The team that holds a namespace: of several, the oldest.
pub(crate) fn team_of<'a>(teams: &'a [Team], namespace: &str) -> Option<&'a Team> {
    teams.iter().filter(|team| claims(team, namespace)).min_by_key(|team| age(team))
}

/// The namespaces that a team claims and an older one holds, with the older one's name.
pub(crate) fn conflicts(teams: &[Team], team: &Team) -> Vec<(String, String)> {
    let holder = |namespace: &String| team_of(teams, namespace).map(ResourceExt::name_any);
    let claimed = team.spec.namespaces.iter().filter_map(|namespace| Some((namespace.clone(), holder(namespace)?)));
    claimed.filter(|(_, holder)| *holder != team.name_any()).collect()
}

fn claims(team: &Team, namespace: &str) -> bool {
    team.spec.namespaces.iter().any(|claimed| claimed == namespace)
}

fn age(team: &Team) -> (Option<jiff::Timestamp>, String) {
    (team.metadata.creation_timestamp.as_ref().map(|time| time.0), team.name_any())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use microtome_api::TeamSpec;

    use super::*;

    fn team(name: &str, created: i64, namespaces: &[&str]) -> Team {
        let namespaces = namespaces.iter().map(|&namespace| namespace.to_owned()).collect();
        let mut team = Team::new(name, TeamSpec { namespaces, ..TeamSpec::default() });
        team.metadata.creation_timestamp = Some(Time(jiff::Timestamp::from_second(created).unwrap()));
        team
    }

    #[test]
    fn the_older_team_holds_a_namespace_that_two_claim() {
        let teams = [team("young", 20, &["x", "y"]), team("old", 10, &["x"])];
        assert_eq!(team_of(&teams, "x").unwrap().name_any(), "old");
        assert_eq!(team_of(&teams, "y").unwrap().name_any(), "young");
        assert!(team_of(&teams, "z").is_none());
        assert_eq!(conflicts(&teams, &teams[0]), [("x".to_owned(), "old".to_owned())]);
        assert!(conflicts(&teams, &teams[1]).is_empty());
    }
}
