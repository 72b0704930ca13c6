//! Tells the head of a standing cluster which job to run: what the jobs' statuses say, all of it, with each pass.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use kube::ResourceExt;
use microtome_api::PatchJob;

use super::build::work_order;
use super::decide::Decision;
use super::observe::Observed;
use crate::context::Context;
use crate::control::desires::Desired;
use crate::control::hub::Job;
use crate::scale::board::Cluster;
use crate::write::Error;

/// Says it, where there is a head to hear it.
pub(crate) fn tell(observed: &Observed, decision: &Decision, context: &Context) -> Result<(), Error> {
    let Some(uid) = observed.cluster.uid().filter(|_| observed.job.is_none()) else { return Ok(()) };
    if observed.cluster.metadata.deletion_timestamp.is_some() {
        context.hub.forget_cluster(&uid);
        return Ok(());
    }
    if let Decision::Follow(_) = decision {
        let (namespace, name) = (observed.cluster.namespace().unwrap_or_default(), observed.cluster.name_any());
        let desired = observed.line.running.as_ref().map(desired).transpose()?;
        context.hub.desire(&Cluster { namespace, name, uid }, desired);
    }
    Ok(())
}

fn desired(job: &PatchJob) -> Result<Desired, Error> {
    let status = job.status.clone().unwrap_or_default();
    let deadline = SignedDuration::from_secs(job.spec.active_deadline_seconds);
    let environment = job.spec.env.iter().map(|variable| (variable.name.clone(), variable.value.clone()));
    Ok(Desired {
        job: Job {
            namespace: job.namespace().unwrap_or_default(),
            name: job.name_any(),
            uid: job.uid().unwrap_or_default(),
        },
        attempt: status.attempt,
        order: work_order::text(job)?,
        deadline_unix_seconds: status.start_time.map(|start| (start.0 + deadline).as_second()),
        environment: environment.collect::<BTreeMap<_, _>>(),
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use microtome_api::JobStatus;

    use super::*;
    use crate::cluster::fixtures;

    #[test]
    fn the_head_is_told_the_attempt_that_the_status_holds_and_when_it_must_be_over() {
        let mut job = fixtures::job();
        job.spec.env = serde_json::from_value(serde_json::json!([{"name": "A", "value": "$(B)"}])).unwrap();
        let start_time = Some(Time(Timestamp::from_second(400).unwrap()));
        job.status = Some(JobStatus { attempt: 3, start_time, ..JobStatus::default() });
        let told = desired(&job).unwrap();
        assert_eq!((told.attempt, told.deadline_unix_seconds, told.job.uid.as_str()), (3, Some(4000), "job-uid"));
        assert_eq!(told.environment["A"], "$(B)");
        let order: PatchJob = serde_json::from_str(&told.order).unwrap();
        assert_eq!((order.spec, order.status), (job.spec, None));
    }
}
