//! What the apiserver's refusal means to the user, and what to do about it.

use std::fmt;

/// What was asked of the apiserver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The right that it needs, say `create`.
    pub(crate) verb: &'static str,
    /// The resource as roles name it, say `patchjobs`.
    pub(crate) resource: &'static str,
    /// The object, if it was one.
    pub(crate) name: Option<&'a str>,
    /// Where; nothing is the whole cluster.
    pub(crate) namespace: Option<&'a str>,
}

/// Where something was asked for.
#[derive(Debug)]
pub(crate) struct Place(Option<String>);

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{kind} {name:?} not found in {place}; `kubectl microtome list` shows the jobs there")]
    NotFound { kind: &'static str, name: String, place: Place },
    #[error("the cluster does not know {0}: is Microtome installed?")]
    NotInstalled(&'static str),
    #[error(
        "you have no right to {verb} {resource} in {place}: ask a platform admin to bind you the role {role} there"
    )]
    NoRight { verb: &'static str, resource: &'static str, place: Place, role: &'static str },
    #[error("the cluster does not know who you are: log in again, or look at `kubectl config view --minify`")]
    Unauthorized,
    #[error(
        "{kind} {name:?} is already there in {place}: give the new one another name, or `kubectl microtome delete {name}` first"
    )]
    Exists { kind: &'static str, name: String, place: Place },
    #[error("cannot {verb} {resource} in {place}: {message}")]
    Refused { verb: &'static str, resource: &'static str, place: Place, message: String },
    #[error("no answer from the apiserver to {verb} {resource}: does `kubectl version` get one?")]
    Unreachable { verb: &'static str, resource: &'static str, source: Box<kube::Error> },
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(namespace) => write!(formatter, "namespace {namespace:?}"),
            None => formatter.write_str("the whole cluster"),
        }
    }
}

impl<'a> Asked<'a> {
    /// Something of one object.
    pub(crate) fn of(verb: &'static str, resource: &'static str, name: &'a str, namespace: &'a str) -> Self {
        Self { verb, resource, name: Some(name), namespace: Some(namespace) }
    }

    /// All objects of a namespace, or of the whole cluster.
    pub(crate) fn list(resource: &'static str, namespace: Option<&'a str>) -> Self {
        Self { verb: "list", resource, name: None, namespace }
    }

    /// What the apiserver's answer to it means.
    pub(crate) fn refused(self, error: kube::Error) -> Refusal {
        let Self { verb, resource, .. } = self;
        let place = Place(self.namespace.map(str::to_owned));
        let kube::Error::Api(status) = &error else {
            return Refusal::Unreachable { verb, resource, source: Box::new(error) };
        };
        match (status.code, self.name) {
            (401, _) => Refusal::Unauthorized,
            (403, _) if is_missing_right(&status.message) => {
                Refusal::NoRight { verb, resource, place, role: self.role() }
            }
            // A missing object is named in the details; a missing kind is not.
            (404, Some(name)) if names_an_object(status) => {
                Refusal::NotFound { kind: singular(resource), name: name.to_owned(), place }
            }
            (404, _) => Refusal::NotInstalled(resource),
            (409, Some(name)) if verb == "create" => {
                Refusal::Exists { kind: singular(resource), name: name.to_owned(), place }
            }
            _ => Refusal::Refused { verb, resource, place, message: status.message.clone() },
        }
    }

    /// The role of the chart's that has the right.
    fn role(self) -> &'static str {
        match (self.resource, self.namespace) {
            ("teams" | "patchprofiles", _) => "microtome-viewer",
            (_, None) => "microtome-platform",
            _ => "microtome-researcher",
        }
    }
}

/// A policy or a quota forbids, too, and says why; no role would help there.
fn is_missing_right(message: &str) -> bool {
    message.contains(" cannot ") && message.contains(" resource ")
}

fn names_an_object(status: &kube::core::Status) -> bool {
    status.details.as_ref().is_some_and(|details| !details.name.is_empty())
}

/// One object of a resource.
pub(crate) fn singular(resource: &'static str) -> &'static str {
    match resource {
        "patchclusters" => "patchcluster",
        "configmaps" => "configmap",
        "pods" | "pods/log" | "pods/exec" => "pod",
        "teams" => "team",
        _ => "patchjob",
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use kube::core::response::StatusDetails;

    use super::*;

    fn status(code: u16, message: &str, named: &str) -> kube::Error {
        let details = StatusDetails {
            name: named.to_owned(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
        };
        kube::Error::Api(Status::failure(message, "").with_code(code).with_details(details).boxed())
    }

    #[test]
    fn what_is_missing_is_named_and_what_helps() {
        let job = Asked::of("get", "patchjobs", "a", "x");
        let said =
            |asked: Asked<'_>, code, message: &str, named| asked.refused(status(code, message, named)).to_string();
        assert_eq!(
            said(job, 404, "", "a"),
            "patchjob \"a\" not found in namespace \"x\"; `kubectl microtome list` shows the jobs there"
        );
        assert_eq!(said(job, 404, "", ""), "the cluster does not know patchjobs: is Microtome installed?");
        let right = "User \"u\" cannot get resource \"patchjobs\" in API group";
        assert_eq!(
            said(job, 403, right, "a"),
            "you have no right to get patchjobs in namespace \"x\": ask a platform admin to bind you the role \
             microtome-researcher there"
        );
        let everywhere = said(Asked::list("patchjobs", None), 403, right, "");
        assert!(everywhere.contains("in the whole cluster") && everywhere.contains("microtome-platform"));
        assert!(said(Asked::list("teams", None), 403, right, "").contains("microtome-viewer"));
        let exists = said(Asked::of("create", "patchjobs", "a", "x"), 409, "", "a");
        assert!(exists.starts_with("patchjob \"a\" is already there"), "{exists}");
    }

    #[test]
    fn an_object_that_is_wrong_is_refused_with_its_field() {
        let said =
            |message: &str| Asked::of("create", "patchjobs", "a", "x").refused(status(422, message, "a")).to_string();
        let level = "PatchJob.microtome.dev \"a\" is invalid: spec.datasets[0].views[0]: Invalid value: give level or mpp, not both";
        assert_eq!(said(level), format!("cannot create patchjobs in namespace \"x\": {level}"));
    }

    #[test]
    fn a_policy_says_itself_why_it_forbids() {
        let error = status(403, "patchjobs \"a\" is forbidden: exceeded quota: jobs", "a");
        let said = Asked::of("create", "patchjobs", "a", "x").refused(error).to_string();
        assert_eq!(
            said,
            "cannot create patchjobs in namespace \"x\": patchjobs \"a\" is forbidden: exceeded quota: jobs"
        );
    }
}
