//! Reads everything that a pass over a job decides by.

use jiff::Timestamp;
use kube::{Api, ResourceExt};
use microtome_api::{PatchCluster, PatchJob};

use super::standing::{self, Line};
use crate::context::Context;
use crate::control::hub::Report;
use crate::scale::decide::Decision;
use crate::scale::ingest::IngestBound;
use crate::{tenancy, write};

/// What a pass decides by.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) job: PatchJob,
    /// The team that holds the namespace.
    pub(crate) team: Option<String>,
    /// The PatchCluster of the job's name, whoever owns it.
    pub(crate) cluster: Option<PatchCluster>,
    /// What the head reported and the status does not hold yet.
    pub(crate) report: Report,
    /// What limits the patches, if not the number of workers; as of the progress in `report`.
    pub(crate) bound: Option<IngestBound>,
    /// What a standing head said beside the result: the attempt, and the program's last lines.
    pub(crate) said: Option<(i32, String)>,
    /// Of a job on a standing cluster.
    pub(crate) line: Line,
    pub(crate) now: Timestamp,
}

impl Observed {
    pub(crate) fn uid(&self) -> String {
        self.job.uid().unwrap_or_default()
    }
}

/// Reads what the watches have seen, and asks the apiserver where being late would be wrong.
pub(crate) async fn observe(job: &PatchJob, context: &Context) -> Result<Observed, write::Error> {
    let (namespace, name) = (job.namespace().unwrap_or_default(), job.name_any());
    let teams = context.world.teams.filter(|_| true);
    let uid = job.uid().unwrap_or_default();
    let (cluster, line) = match &job.spec.cluster_name {
        Some(standing) => (None, line(job, standing, context)),
        None if is_new(job) => (None, Line::default()),
        None => (own_cluster(&namespace, &name, context).await?, Line::default()),
    };
    let mut report = context.hub.take(&uid);
    let decision = decision(cluster.as_ref().or(line.cluster.as_ref()), context);
    if let Some(progress) = &mut report.progress {
        progress.scaling = decision.as_ref().map(ToString::to_string);
    }
    Ok(Observed {
        team: tenancy::team_of(&teams, &namespace).map(ResourceExt::name_any),
        cluster,
        report,
        bound: decision.and_then(|decision| decision.ingest_bound),
        said: context.hub.words(&uid).map(|words| (words.attempt, words.output)),
        line,
        job: job.clone(),
        now: context.clock.now(),
    })
}

/// Whether nothing was said of a job yet: what there is beside it is the next pass's matter.
pub(super) fn is_new(job: &PatchJob) -> bool {
    job.status.as_ref().is_none_or(|status| status.conditions.is_empty())
}

/// The cluster of the job's name. A late watch must look neither like a cluster that was deleted nor like a name that is free.
async fn own_cluster(namespace: &str, name: &str, context: &Context) -> Result<Option<PatchCluster>, write::Error> {
    if let Some(cluster) = context.world.clusters.get(namespace, name) {
        return Ok(Some(cluster));
    }
    let api: Api<PatchCluster> = Api::namespaced(context.client.clone(), namespace);
    api.get_opt(name).await.map_err(write::Error::api::<PatchCluster>("get", name))
}

/// Where a job on a standing cluster is to run, and who comes before it.
fn line(job: &PatchJob, cluster: &str, context: &Context) -> Line {
    let world = &context.world;
    let cluster = world.clusters.get(&job.namespace().unwrap_or_default(), cluster);
    let jobs = world.jobs.filter(|other| other.spec.cluster_name == job.spec.cluster_name);
    Line {
        profile: cluster.as_ref().and_then(|cluster| world.profiles.get_global(&cluster.spec.profile_name)),
        ahead: standing::ahead(job, &jobs),
        cluster,
    }
}

/// How many workers were last decided for a cluster, and why.
fn decision(cluster: Option<&PatchCluster>, context: &Context) -> Option<Decision> {
    context.hub.scale.decision(&cluster?.uid()?)
}
