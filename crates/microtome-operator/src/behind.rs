//! Objects whose newest version the watch has not brought yet. What a pass over an older one decides is written in vain.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kube::ResourceExt;

/// By uid, the version that the operator's last write replaced. An entry goes when the watch has moved on.
#[derive(Debug, Default)]
pub(crate) struct Behind(Mutex<HashMap<String, String>>);

impl Behind {
    /// An object was written: `before` is what was read, `after` what the apiserver answered.
    pub(crate) fn wrote(&self, before: &impl ResourceExt, after: &impl ResourceExt) {
        let (Some(uid), Some(version)) = (before.uid(), before.resource_version()) else { return };
        // A write that changes nothing makes no version, and the watch would never bring one.
        if after.resource_version().as_ref() != Some(&version) {
            self.lock().insert(uid, version);
        }
    }

    /// Whether this is the version of the object that the last write replaced; a newer one is on its way.
    pub(crate) fn is_behind(&self, object: &impl ResourceExt) -> bool {
        let (Some(uid), Some(version)) = (object.uid(), object.resource_version()) else { return false };
        let mut replaced = self.lock();
        let is_behind = replaced.get(&uid) == Some(&version);
        if !is_behind {
            replaced.remove(&uid);
        }
        is_behind
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use microtome_api::Team;

    use super::*;

    fn version(version: &str) -> Team {
        let mut team = Team::new("t", microtome_api::TeamSpec::default());
        (team.metadata.uid, team.metadata.resource_version) = (Some("uid".into()), Some(version.into()));
        team
    }

    #[test]
    fn an_object_is_behind_until_the_watch_has_what_was_written() {
        let behind = Behind::default();
        behind.wrote(&version("7"), &version("9"));
        assert!(behind.is_behind(&version("7")) && behind.is_behind(&version("7")));
        assert!(!behind.is_behind(&version("9")), "it is there");
        assert!(!behind.is_behind(&version("7")), "and forgotten");
        behind.wrote(&version("9"), &version("9"));
        assert!(!behind.is_behind(&version("9")), "nothing was changed");
    }
}
