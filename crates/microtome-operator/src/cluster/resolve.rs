//! Who the cluster belongs to and what it may use: pure. Either everything that is needed to build it, or why not.

use kube::ResourceExt;
use microtome_api::condition::Reason;
use microtome_api::{PatchCluster, PatchJob, PatchProfile, Team};

use crate::tenancy;

/// Everything that is needed to build a cluster, checked.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// The job whose work order the head gets.
    pub(crate) job: PatchJob,
    /// What the platform admin chose.
    pub(crate) profile: PatchProfile,
}

/// Why a cluster is not built, for its conditions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

/// What a cluster is judged by.
pub(crate) struct Surroundings<'a> {
    pub(crate) teams: &'a [Team],
    /// The profile that it names.
    pub(crate) profile: Option<PatchProfile>,
    /// The job that owns it.
    pub(crate) job: Option<PatchJob>,
}

/// Checks everything that the cluster refers to.
pub(crate) fn resolve(cluster: &PatchCluster, around: Surroundings<'_>) -> Result<Resolved, Refusal> {
    let namespace = cluster.namespace().unwrap_or_default();
    let team = tenancy::team_of(around.teams, &namespace).ok_or_else(|| {
        let message =
            format!("namespace {namespace:?} belongs to no Team; a platform admin adds it to one's spec.namespaces");
        refusal(Reason::NoTeam, message)
    })?;
    let name = &cluster.spec.profile_name;
    if !team.spec.profiles.contains(name) {
        let team = team.name_any();
        let message =
            format!("team {team} may not use profile {name:?}; a platform admin adds it to the Team's spec.profiles");
        return Err(refusal(Reason::ProfileNotAllowed, message));
    }
    let profile = around
        .profile
        .ok_or_else(|| refusal(Reason::ProfileNotAllowed, format!("there is no PatchProfile {name:?}")))?;
    check_image(cluster, &profile)?;
    let job = around.job.ok_or_else(|| {
        refusal(Reason::NoJob, "no PatchJob owns this PatchCluster; make a PatchJob, which makes its own".to_owned())
    })?;
    check_locations(&job, &profile)?;
    Ok(Resolved { job, profile })
}

fn check_image(cluster: &PatchCluster, profile: &PatchProfile) -> Result<(), Refusal> {
    let (image, allowed) = (&cluster.spec.head.image, &profile.spec.images.allowed);
    if allowed.is_empty() || allowed.iter().any(|prefix| image.starts_with(prefix.as_str())) {
        return Ok(());
    }
    let (profile, allowed) = (profile.name_any(), allowed.join(", "));
    let message = format!("image {image:?} begins with none of what profile {profile:?} allows: {allowed}");
    Err(refusal(Reason::ImageNotAllowed, message))
}

fn check_locations(job: &PatchJob, profile: &PatchProfile) -> Result<(), Refusal> {
    let Some(outside) =
        job.spec.datasets.iter().flat_map(|dataset| dataset.urls()).find(|url| !is_inside(url, profile))
    else {
        return Ok(());
    };
    let profile_name = profile.name_any();
    let locations: Vec<_> = profile.spec.locations.iter().map(|location| location.url.as_str()).collect();
    // What stands behind a question mark may be a key.
    let outside = outside.split('?').next().unwrap_or_default();
    let locations = locations.join(", ");
    let message = format!("{outside} lies outside the locations of profile {profile_name:?}: {locations}");
    Err(refusal(Reason::LocationNotAllowed, message))
}

/// Whether a URL lies under a location. A location ends in `/`, so a prefix is a whole directory, unless the URL climbs
/// out of it again.
fn is_inside(url: &str, profile: &PatchProfile) -> bool {
    let lower = url.to_ascii_lowercase();
    let climbs =
        url.split(['/', '\\']).any(|segment| segment == "..") || lower.contains("%2e") || lower.contains("%2f");
    !climbs && !url.contains('?') && profile.spec.locations.iter().any(|location| url.starts_with(&location.url))
}

fn refusal(reason: Reason, message: String) -> Refusal {
    Refusal { reason, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::observe::fixtures;

    fn verdict(change: impl FnOnce(&mut PatchCluster, &mut Vec<Team>, &mut PatchProfile, &mut PatchJob)) -> String {
        let (mut cluster, mut teams) = (fixtures::cluster(), vec![fixtures::team()]);
        let (mut profile, mut job) = (fixtures::profile(), fixtures::job());
        change(&mut cluster, &mut teams, &mut profile, &mut job);
        let around = Surroundings { teams: &teams, profile: Some(profile), job: Some(job) };
        match resolve(&cluster, around) {
            Ok(_) => "fine".to_owned(),
            Err(refusal) => format!("{}: {}", refusal.reason.as_str(), refusal.message),
        }
    }

    fn with_url(url: &str) -> String {
        verdict(|_, _, _, job| job.spec.datasets[0].urls_mut().for_each(|written| *written = url.to_owned()))
    }

    #[test]
    fn a_cluster_that_may_be_built() {
        assert_eq!(verdict(|_, _, _, _| ()), "fine");
        assert_eq!(verdict(|_, _, profile, _| profile.spec.images.allowed.clear()), "fine");
    }

    #[test]
    fn every_refusal_says_what_to_do() {
        assert_eq!(
            verdict(|_, teams, _, _| teams.clear()),
            "NoTeam: namespace \"x\" belongs to no Team; a platform admin adds it to one's spec.namespaces"
        );
        assert_eq!(
            verdict(|_, teams, _, _| teams[0].spec.profiles.clear()),
            "ProfileNotAllowed: team t may not use profile \"default\"; a platform admin adds it to the Team's spec.profiles"
        );
        assert_eq!(
            verdict(|cluster, _, _, _| cluster.spec.head.image = "evil.io/miner:1".into()),
            "ImageNotAllowed: image \"evil.io/miner:1\" begins with none of what profile \"default\" allows: registry.io/"
        );
        assert_eq!(
            with_url("az://other/a.svs"),
            "LocationNotAllowed: az://other/a.svs lies outside the locations of profile \"default\": az://slides/"
        );
    }

    #[test]
    fn a_url_cannot_climb_out_of_a_location_and_its_key_is_never_shown() {
        for url in
            ["az://slides/../other/a", "az://slides/%2E%2e/a", "az://slides/..%2fa", "az://slidesx/a", "slides/a"]
        {
            assert!(with_url(url).starts_with("LocationNotAllowed"), "{url}");
        }
        assert!(!with_url("az://slides/a?sig=secret").contains("secret"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let (cluster, teams) = (fixtures::cluster(), [fixtures::team()]);
        let missing = |profile, job| resolve(&cluster, Surroundings { teams: &teams, profile, job }).unwrap_err();
        assert_eq!(missing(None, Some(fixtures::job())).message, "there is no PatchProfile \"default\"");
        assert_eq!(missing(Some(fixtures::profile()), None).reason, Reason::NoJob);
    }
}
