//! Who of several operators works: the one that holds the Lease.
//!
//! The rules are client-go's: a holder renews every [`RETRY`]; who has not renewed for [`DURATION`], by the watcher's own clock,
//! has lost it; a holder that could not renew for [`RENEW_WITHIN`] ends. So there are never two, whatever the clocks say, as
//! long as a holder that was frozen does not write when it wakes: for that, [`Fence`] refuses every write after the lease
//! is over.

mod fence;
mod judge;

use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt};
use microtome_api::names;
use tracing::{info, warn};

pub(crate) use fence::Fence;
use judge::{Seen, Verdict};

use crate::logs;
use crate::settings::Settings;

/// After so long without a renewal the lease is anybody's.
pub(crate) const DURATION: Duration = Duration::from_secs(15);
/// A holder that could not renew for so long ends, well before anybody else begins.
const RENEW_WITHIN: Duration = Duration::from_secs(10);
/// How often a holder renews and the others look.
const RETRY: Duration = Duration::from_secs(2);

/// The lease is not held any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("another operator, {0}, holds the lease")]
    Taken(String),
    #[error("the lease could not be renewed for {} s", RENEW_WITHIN.as_secs())]
    NotRenewed(#[source] Box<kube::Error>),
}

/// The lease, and this operator's place in it.
pub(crate) struct Leader {
    api: Api<Lease>,
    identity: String,
    fence: Fence,
    seen: Seen,
}

impl Leader {
    pub(crate) fn new(client: Client, settings: &Settings, fence: Fence) -> Self {
        let api = Api::namespaced(client, &settings.namespace);
        Self { api, identity: settings.pod.name.clone(), fence, seen: Seen::default() }
    }

    /// Waits until this operator holds the lease.
    pub(crate) async fn acquire(&mut self) {
        let mut told = String::new();
        loop {
            let asked = Instant::now();
            match self.turn(asked).await {
                Ok(Verdict::Wait { holder }) if holder != told => {
                    info!(holder, "another operator leads");
                    told = holder;
                }
                Ok(Verdict::Wait { .. }) => {}
                Ok(Verdict::Take | Verdict::Renew) => {
                    info!(identity = self.identity, "leads");
                    return;
                }
                Err(error) => warn!(error = logs::chain(&error), "cannot ask for the lease"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Renews the lease, until it is lost.
    pub(crate) async fn hold(&mut self) -> Error {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(RETRY).await;
            let asked = Instant::now();
            let outcome = tokio::time::timeout(RENEW_WITHIN, self.turn(asked)).await;
            let error = match outcome {
                Ok(Ok(Verdict::Take | Verdict::Renew)) => {
                    renewed = asked;
                    continue;
                }
                Ok(Ok(Verdict::Wait { holder })) => return Error::Taken(holder),
                Ok(Err(error)) => error,
                Err(_) => kube::Error::Service("no answer".into()),
            };
            if renewed.elapsed() >= RENEW_WITHIN {
                return Error::NotRenewed(Box::new(error));
            }
        }
    }

    /// Gives the lease up, so that the next operator need not wait.
    pub(crate) async fn release(&self) {
        let Ok(Some(lease)) = self.api.get_opt(names::MANAGER).await else { return };
        if lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_ref()) != Some(&self.identity) {
            return;
        }
        let spec = LeaseSpec { holder_identity: Some(String::new()), ..lease.spec.clone().unwrap_or_default() };
        // Should it fail, the lease runs out by itself.
        let _ = self.api.replace(names::MANAGER, &PostParams::default(), &Lease { spec: Some(spec), ..lease }).await;
    }

    /// Looks at the lease, and takes or renews it where that is this operator's to do.
    async fn turn(&mut self, now: Instant) -> Result<Verdict, kube::Error> {
        let lease = self.api.get_opt(names::MANAGER).await?;
        let verdict = self.seen.judge(lease.as_ref(), &self.identity, now);
        if matches!(verdict, Verdict::Wait { .. }) {
            return Ok(verdict);
        }
        let wanted = self.lease(lease.as_ref());
        let params = PostParams { field_manager: Some(names::MANAGER.to_owned()), ..PostParams::default() };
        let written = match lease {
            Some(_) => self.api.replace(names::MANAGER, &params, &wanted).await,
            None => self.api.create(&params, &wanted).await,
        };
        match written {
            Ok(_) => {
                // Counted from before the request: the others may have seen it at any moment since.
                self.fence.open_until(now + DURATION);
                Ok(verdict)
            }
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
                Ok(Verdict::Wait { holder: "whoever was faster".to_owned() })
            }
            Err(error) => Err(error),
        }
    }

    fn lease(&self, there: Option<&Lease>) -> Lease {
        let before = there.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let is_ours = before.holder_identity.as_ref() == Some(&self.identity);
        let now = Some(MicroTime(jiff::Timestamp::now()));
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: if is_ours { before.acquire_time } else { now.clone() },
            renew_time: now,
            lease_transitions: Some(before.lease_transitions.unwrap_or(0) + i32::from(!is_ours)),
            ..LeaseSpec::default()
        };
        let metadata = ObjectMeta {
            name: Some(names::MANAGER.to_owned()),
            resource_version: there.and_then(ResourceExt::resource_version),
            ..ObjectMeta::default()
        };
        Lease { metadata, spec: Some(spec) }
    }
}
