//! A job's log: its head's, attempt after attempt.

use std::io::Write;
use std::time::Duration;

use anyhow::bail;
use jiff::{Timestamp, Zoned};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use microtome_api::{PatchJob, condition, names};

use super::pod::{Copied, Wish, copy};
use crate::client::Cluster;
use crate::follow::Follow;
use crate::screen::line::line;
use crate::text;

/// What a standing head writes last of a job may come after the job's status says that it is over.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Where an attempt's log is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    /// The pod.
    pub(crate) pod: String,
    /// On a standing cluster the pod's log is of all its jobs; this one's begins here.
    pub(crate) since: Option<Timestamp>,
    /// Whether the pod goes on when the job is over.
    pub(crate) stands: bool,
}

/// The head of an attempt. Nothing if it has none yet; of a standing cluster's, only the newest is told.
pub(crate) fn head(job: &PatchJob, attempt: i32) -> Option<Head> {
    let status = job.status.as_ref().filter(|status| (1..=status.attempt).contains(&attempt))?;
    let Some(cluster) = &job.spec.cluster_name else {
        return Some(Head { pod: names::head_pod(&job.name_any(), attempt), since: None, stands: false });
    };
    let cluster_attempt = status.cluster_attempt.filter(|_| attempt == status.attempt)?;
    let since = status.start_time.as_ref().map(|time| time.0);
    Some(Head { pod: names::head_pod(cluster, cluster_attempt), since, stands: true })
}

/// Copies the log from `attempt` on until the job has ended, and says on stderr what becomes of the job meanwhile. Returns the
/// ended job.
pub(crate) async fn follow(
    cluster: &Cluster,
    name: &str,
    (first, wish): (i32, &Wish),
    out: &mut impl Write,
) -> anyhow::Result<PatchJob> {
    let pods: Api<Pod> = Api::namespaced(cluster.patient()?, &cluster.namespace);
    let mut follow = Follow::new(cluster, name)?;
    let (mut next, mut said) = (first.max(1), String::new());
    loop {
        let Some(mut job) = follow.next().await? else { bail!("patchjob {name:?} was deleted") };
        say(&job, &mut said);
        while let Some(head) = head(&job, next) {
            let wish = Wish { follow: true, since: wish.since.max(head.since), ..wish.clone() };
            let copied = if head.stands {
                let (copied, seen) = until_over(&mut follow, job, copy(&pods, &head.pod, &wish, out)).await?;
                job = seen;
                copied
            } else {
                copy(&pods, &head.pod, &wish, out).await?
            };
            match copied {
                Copied::NotYet => break,
                Copied::Gone => eprintln!("the log of attempt {next} is gone with its pod {}", head.pod),
                Copied::Whole => {}
            }
            next += 1;
        }
        if condition::has_ended(text::conditions(&job)) {
            return Ok(job);
        }
    }
}

/// Copies until the job is over, whatever the pod does then.
async fn until_over(
    follow: &mut Follow,
    mut job: PatchJob,
    copying: impl Future<Output = anyhow::Result<Copied>>,
) -> anyhow::Result<(Copied, PatchJob)> {
    tokio::pin!(copying);
    let attempt = job.status.as_ref().map_or(0, |status| status.attempt);
    loop {
        let runs =
            job.status.as_ref().is_some_and(|status| status.attempt == attempt && status.cluster_attempt.is_some());
        if !runs || condition::has_ended(text::conditions(&job)) {
            let copied = tokio::time::timeout(LAST_WORDS, &mut copying).await.unwrap_or(Ok(Copied::Whole))?;
            return Ok((copied, job));
        }
        tokio::select! {
            copied = &mut copying => return Ok((copied?, job)),
            seen = follow.next() => match seen? {
                Some(seen) => job = seen,
                None => bail!("patchjob {:?} was deleted", job.name_any()),
            },
        }
    }
}

/// Says how the job is when that is new. How far it is changes all the time, and is not said.
fn say(job: &PatchJob, said: &mut String) {
    if text::state(job) != said.as_str() {
        *said = text::state(job).to_owned();
        if !condition::has_ended(text::conditions(job)) {
            eprintln!("{}: {}", job.name_any(), line(job, &Zoned::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::screen::fixtures::job;

    #[test]
    fn each_attempt_has_its_pod() {
        let own = job(&json!({"attempt": 2}));
        let pod = |attempt| head(&own, attempt).map(|head| head.pod);
        let wanted = [None, Some("tumour-detector-head-1".to_owned()), Some("tumour-detector-head-2".to_owned()), None];
        assert_eq!([0, 1, 2, 3].map(pod), wanted);
    }

    #[test]
    fn on_a_standing_cluster_the_log_is_a_part_of_the_heads() {
        let mut job = job(&json!({"attempt": 2, "clusterAttempt": 5, "startTime": "2026-03-02T12:06:00Z"}));
        (job.spec.cluster_spec, job.spec.cluster_name) = (None, Some("bench".to_owned()));
        let since = Some("2026-03-02T12:06:00Z".parse().unwrap());
        assert_eq!(head(&job, 2), Some(Head { pod: "bench-head-5".to_owned(), since, stands: true }));
        assert_eq!(head(&job, 1), None);
    }
}
