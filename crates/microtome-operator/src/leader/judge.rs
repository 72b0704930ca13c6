//! Whose the lease is: pure. Only this process' clock counts, so clocks of nodes may differ.

use std::time::Instant;

use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;

use super::DURATION;

/// What may be done about the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is nobody's.
    Take,
    /// It is ours.
    Renew,
    /// It is somebody else's.
    Wait { holder: String },
}

/// The newest version of the lease that was seen, and when it was first seen.
#[derive(Debug, Default)]
pub(super) struct Seen(Option<(String, Instant)>);

impl Seen {
    /// Judges the lease as it is now.
    pub(super) fn judge(&mut self, lease: Option<&Lease>, identity: &str, now: Instant) -> Verdict {
        let Some(lease) = lease else { return Verdict::Take };
        let holder = lease.spec.as_ref().and_then(|spec| spec.holder_identity.clone()).unwrap_or_default();
        if holder.is_empty() {
            return Verdict::Take;
        }
        if holder == identity {
            return Verdict::Renew;
        }
        let version = lease.resource_version().unwrap_or_default();
        let since = match &self.0 {
            Some((seen, since)) if *seen == version => *since,
            _ => {
                self.0 = Some((version, now));
                now
            }
        };
        if now.duration_since(since) > DURATION { Verdict::Take } else { Verdict::Wait { holder } }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn lease(holder: &str, version: &str) -> Lease {
        serde_json::from_value(json!({"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": holder}}))
            .unwrap()
    }

    #[test]
    fn a_lease_is_taken_only_after_its_holder_was_silent_for_as_long_as_it_lasts() {
        let (start, mut seen) = (Instant::now(), Seen::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        let wait = Verdict::Wait { holder: "other".into() };
        assert_eq!(seen.judge(Some(&lease("other", "1")), "me", at(0)), wait, "how old it is nobody can say");
        assert_eq!(seen.judge(Some(&lease("other", "1")), "me", at(15)), wait);
        assert_eq!(seen.judge(Some(&lease("other", "2")), "me", at(16)), wait, "it was renewed");
        assert_eq!(seen.judge(Some(&lease("other", "2")), "me", at(31)), wait);
        assert_eq!(seen.judge(Some(&lease("other", "2")), "me", at(32)), Verdict::Take);
    }

    #[test]
    fn ones_own_lease_is_renewed_and_nobodys_is_taken() {
        let (now, mut seen) = (Instant::now(), Seen::default());
        assert_eq!(seen.judge(None, "me", now), Verdict::Take);
        assert_eq!(seen.judge(Some(&lease("", "1")), "me", now), Verdict::Take);
        assert_eq!(seen.judge(Some(&lease("me", "1")), "me", now), Verdict::Renew);
    }
}
