//! Who the cluster belongs to and what it may use: pure. Either everything that is needed to build it, or why not.

use std::collections::BTreeMap;

use kube::ResourceExt;
use microtome_api::condition::Reason;
use microtome_api::quantity::Quantity;
use microtome_api::{Access, PatchCluster, PatchJob, PatchProfile, Resources, Team};

use crate::config::Pool;
use crate::tenancy;

/// Everything that is needed to build a cluster, checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resolved {
    /// The job whose work order the head gets; none of a standing cluster.
    pub(crate) job: Option<PatchJob>,
    /// What the platform admin chose.
    pub(crate) profile: PatchProfile,
    /// Where the head may run, the first preferred; empty: anywhere.
    pub(crate) head_pools: Vec<Pool>,
    /// Where workers may run.
    pub(crate) worker_pools: Vec<Pool>,
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
    /// The pools of the operator's settings.
    pub(crate) pools: &'a [Pool],
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
        .clone()
        .ok_or_else(|| refusal(Reason::ProfileNotAllowed, format!("there is no PatchProfile {name:?}")))?;
    check_image(cluster, &profile)?;
    check_caps(cluster, &profile)?;
    if around.job.is_none() {
        check_standing(cluster)?;
    }
    if let Some(job) = &around.job {
        check_locations(job, &profile)?;
    }
    let head_pools = head_pools(cluster, &profile);
    let (head_pools, worker_pools) =
        (pools(head_pools, &around, &profile)?, pools(&profile.spec.workers.pools, &around, &profile)?);
    Ok(Resolved { job: around.job, profile, head_pools, worker_pools })
}

/// Where a cluster's head may run: one without a GPU runs where workers do.
pub(crate) fn head_pools<'a>(cluster: &PatchCluster, profile: &'a PatchProfile) -> &'a [String] {
    let caps = &profile.spec;
    let has_gpu = cluster.spec.head.resources.limits.contains_key(&caps.head.gpu_resource_name);
    if has_gpu { &caps.head.pools } else { &caps.workers.pools }
}

/// The pools of these names; all where none is named: the queue counts no other nodes.
fn pools(names: &[String], around: &Surroundings<'_>, profile: &PatchProfile) -> Result<Vec<Pool>, Refusal> {
    if names.is_empty() {
        return Ok(around.pools.to_vec());
    }
    let find = |name: &String| {
        around.pools.iter().find(|pool| pool.name == *name).cloned().ok_or_else(|| {
            let profile = profile.name_any();
            let message = format!(
                "profile {profile:?} names the pool {name:?}, which is not among the operator's; a platform admin adds it \
                 to the chart's values"
            );
            refusal(Reason::InvalidProfile, message)
        })
    };
    names.iter().map(find).collect()
}

fn check_image(cluster: &PatchCluster, profile: &PatchProfile) -> Result<(), Refusal> {
    // Without one it is our own.
    let Some(image) = &cluster.spec.head.image else { return Ok(()) };
    let allowed = &profile.spec.images.allowed;
    if allowed.is_empty() || allowed.iter().any(|prefix| image.starts_with(prefix.as_str())) {
        return Ok(());
    }
    let (profile, allowed) = (profile.name_any(), allowed.join(", "));
    let message = format!("image {image:?} begins with none of what profile {profile:?} allows: {allowed}");
    Err(refusal(Reason::ImageNotAllowed, message))
}

fn check_caps(cluster: &PatchCluster, profile: &PatchProfile) -> Result<(), Refusal> {
    let (spec, caps) = (&cluster.spec, &profile.spec);
    let head = exceeds(&spec.head.resources, &caps.head.max_resources).map(|excess| format!("head: {excess}"));
    let worker =
        exceeds(&spec.workers.resources, &caps.workers.max_resources).map(|excess| format!("workers: {excess}"));
    let replicas = caps.workers.max_replicas.filter(|&most| spec.workers.max_replicas > most);
    let replicas = replicas.map(|most| format!("workers.maxReplicas: {}, at most {most}", spec.workers.max_replicas));
    match head.or(worker).or(replicas) {
        Some(excess) => {
            let profile = profile.name_any();
            Err(refusal(Reason::ExceedsProfile, format!("more than profile {profile:?} allows: {excess}")))
        }
        None => Ok(()),
    }
}

/// The first resource, by name, of which more is asked for than there may be.
fn exceeds(resources: &Resources, most: &BTreeMap<String, Quantity>) -> Option<String> {
    most.iter().find_map(|(name, most)| {
        let wanted = resources.limits.get(name)?;
        // Both were checked when they were decoded; were one no quantity, it would not be let through.
        let fits = wanted.milli().ok()? <= most.milli().unwrap_or_default();
        (!fits).then(|| format!("resources.limits[{name}]: {wanted}, at most {most}"))
    })
}

/// A standing cluster must end by itself some day.
fn check_standing(cluster: &PatchCluster) -> Result<(), Refusal> {
    if cluster.spec.active_deadline_seconds.is_none() {
        let message = "spec.activeDeadlineSeconds: a PatchCluster that no PatchJob owns must have one".to_owned();
        return Err(refusal(Reason::NoJob, message));
    }
    Ok(())
}

/// Whether everything that a job reads and writes lies where its profile allows it.
pub(crate) fn check_locations(job: &PatchJob, profile: &PatchProfile) -> Result<(), Refusal> {
    let spec = &job.spec;
    let read = spec.datasets.iter().flat_map(|dataset| dataset.urls());
    let package = spec.package.iter().filter_map(|package| package.url.as_deref());
    let checkpoints = spec.checkpoints.iter().filter_map(|checkpoints| checkpoints.url.as_deref());
    let written = spec.output.iter().map(|output| output.url.as_str()).chain(checkpoints);
    let urls =
        read.chain(package).map(|url| (url, Access::ReadOnly)).chain(written.map(|url| (url, Access::ReadWrite)));
    urls.into_iter().try_for_each(|(url, access)| check_location(url, access, profile))
}

fn check_location(url: &str, access: Access, profile: &PatchProfile) -> Result<(), Refusal> {
    if is_inside(url, access, profile) {
        return Ok(());
    }
    let fits = |location: &&microtome_api::Location| access == Access::ReadOnly || location.access == access;
    let locations: Vec<_> = profile.spec.locations.iter().filter(fits).map(|location| location.url.as_str()).collect();
    // What stands behind a question mark may be a key.
    let url = url.split('?').next().unwrap_or_default();
    let (profile, locations) = (profile.name_any(), locations.join(", "));
    let where_ = match access {
        Access::ReadOnly => "locations",
        Access::ReadWrite => "ReadWrite locations",
    };
    let message = match locations.as_str() {
        "" => format!("{url} cannot be written: profile {profile:?} has no ReadWrite location"),
        locations => format!("{url} lies outside the {where_} of profile {profile:?}: {locations}"),
    };
    Err(refusal(Reason::LocationNotAllowed, message))
}

/// Whether a URL lies under a location. A location ends in `/`, so a prefix is a whole directory, unless the URL climbs
/// out of it again.
fn is_inside(url: &str, access: Access, profile: &PatchProfile) -> bool {
    let lower = url.to_ascii_lowercase();
    let climbs =
        url.split(['/', '\\']).any(|segment| segment == "..") || lower.contains("%2e") || lower.contains("%2f");
    let allows = |location: &microtome_api::Location| access == Access::ReadOnly || location.access == access;
    let mut locations = profile.spec.locations.iter().filter(|location| allows(location));
    !climbs && !url.contains('?') && locations.any(|location| url.starts_with(&location.url))
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
        let around = Surroundings { teams: &teams, profile: Some(profile), job: Some(job), pools: &fixtures::pools() };
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
            verdict(|cluster, _, _, _| cluster.spec.head.image = Some("evil.io/miner:1".into())),
            "ImageNotAllowed: image \"evil.io/miner:1\" begins with none of what profile \"default\" allows: registry.io/"
        );
        assert_eq!(
            with_url("az://other/a.svs"),
            "LocationNotAllowed: az://other/a.svs lies outside the locations of profile \"default\": \
             az://slides/, az://results/"
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
    fn what_is_written_needs_a_location_that_may_be_written() {
        let checkpoints = |url: &str| Some(serde_json::from_value(serde_json::json!({"url": url})).unwrap());
        let written = |url: &str| verdict(|_, _, _, job| job.spec.checkpoints = checkpoints(url));
        assert_eq!(written("az://results/a/"), "fine");
        assert_eq!(
            written("az://slides/a/"),
            "LocationNotAllowed: az://slides/a/ lies outside the ReadWrite locations of profile \"default\": az://results/"
        );
        let nowhere = verdict(|_, _, profile, job| {
            profile.spec.locations.pop();
            job.spec.checkpoints = checkpoints("az://results/a/");
        });
        assert_eq!(
            nowhere,
            "LocationNotAllowed: az://results/a/ cannot be written: profile \"default\" has no ReadWrite location"
        );
    }

    #[test]
    fn what_exceeds_the_profile_is_named_by_its_field() {
        let most = |name: &str, most: &str| BTreeMap::from([(name.to_owned(), Quantity(most.to_owned()))]);
        assert_eq!(
            verdict(|_, _, profile, _| profile.spec.head.max_resources = most("memory", "2Gi")),
            "ExceedsProfile: more than profile \"default\" allows: head: resources.limits[memory]: 4Gi, at most 2Gi"
        );
        assert_eq!(
            verdict(|_, _, profile, _| profile.spec.workers.max_resources = most("cpu", "3500m")),
            "ExceedsProfile: more than profile \"default\" allows: workers: resources.limits[cpu]: 4, at most 3500m"
        );
        assert_eq!(
            verdict(|_, _, profile, _| profile.spec.workers.max_replicas = Some(7)),
            "ExceedsProfile: more than profile \"default\" allows: workers.maxReplicas: 8, at most 7"
        );
        assert_eq!(verdict(|_, _, profile, _| profile.spec.head.max_resources = most("cpu", "2")), "fine");
    }

    #[test]
    fn a_head_without_a_gpu_runs_where_workers_do() {
        let names = |pools: &[Pool]| pools.iter().map(|pool| pool.name.clone()).collect::<Vec<_>>();
        let (mut cluster, teams, mut profile) = (fixtures::cluster(), [fixtures::team()], fixtures::profile());
        profile.spec.head.pools = vec!["gpu".into()];
        profile.spec.workers.pools = vec!["spot".into()];
        let resolved = |cluster: &PatchCluster, profile: &PatchProfile| {
            let (profile, job) = (Some(profile.clone()), Some(fixtures::job()));
            resolve(cluster, Surroundings { teams: &teams, profile, job, pools: &fixtures::pools() })
        };
        assert_eq!(names(&resolved(&cluster, &profile).unwrap().head_pools), ["gpu"]);
        cluster.spec.head.resources.limits.remove("nvidia.com/gpu");
        let resolved_here = resolved(&cluster, &profile).unwrap();
        assert_eq!(
            (names(&resolved_here.head_pools), names(&resolved_here.worker_pools)),
            (vec!["spot".into()], vec!["spot".into()])
        );
        profile.spec.workers.pools.clear();
        assert_eq!(names(&resolved(&cluster, &profile).unwrap().worker_pools), ["spot", "gpu"], "all, in their order");
        profile.spec.workers.pools = vec!["none".into()];
        assert!(resolved(&cluster, &profile).unwrap_err().message.contains("names the pool \"none\""));
    }

    #[test]
    fn what_is_missing_is_named() {
        let (mut cluster, teams) = (fixtures::cluster(), [fixtures::team()]);
        let around = |profile, job| Surroundings { teams: &teams, profile, job, pools: &[] };
        let missing = resolve(&cluster, around(None, Some(fixtures::job()))).unwrap_err();
        assert_eq!(missing.message, "there is no PatchProfile \"default\"");
        assert!(resolve(&cluster, around(Some(fixtures::profile()), None)).is_ok(), "it stands by itself");
        cluster.spec.active_deadline_seconds = None;
        assert_eq!(resolve(&cluster, around(Some(fixtures::profile()), None)).unwrap_err().reason, Reason::NoJob);
    }
}
