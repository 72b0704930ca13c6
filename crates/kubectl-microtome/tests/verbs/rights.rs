//! What the chart's roles for people allow.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Roles by name.
pub(crate) type Roles = BTreeMap<String, Vec<Rule>>;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rule {
    api_groups: Vec<String>,
    resources: Vec<String>,
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct Role {
    metadata: Metadata,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

impl Rule {
    /// A role that is older than a resource.
    pub(crate) fn forget(&mut self, resource: &str) {
        self.resources.retain(|held| held != resource);
    }
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Right {
    pub(crate) verb: &'static str,
    pub(crate) group: String,
    /// With the sub-resource, as roles name it.
    pub(crate) resource: String,
    pub(crate) namespace: Option<String>,
}

/// Reads the chart's own file; only its labels are a template.
pub(crate) fn roles() -> Roles {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/microtome/templates/roles.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let plain: Vec<_> = text.lines().filter(|line| !line.contains("{{")).collect();
    let documents = serde_yaml::Deserializer::from_str(&plain.join("\n"))
        .map(|role| Role::deserialize(role).unwrap())
        .collect::<Vec<_>>();
    documents.into_iter().map(|role| (role.metadata.name, role.rules)).collect()
}

/// A role, bound in a namespace or in the whole cluster.
pub(crate) type Binding = (&'static str, Option<&'static str>);

/// Whether one of the bindings allows it.
pub(crate) fn allows(roles: &Roles, bindings: &[Binding], right: &Right) -> bool {
    let holds = |list: &[String], word: &str| list.iter().any(|item| item == word || item == "*");
    bindings.iter().any(|(role, namespace)| {
        let here = namespace.is_none_or(|namespace| right.namespace.as_deref() == Some(namespace));
        here && roles[*role].iter().any(|rule| {
            holds(&rule.api_groups, &right.group)
                && holds(&rule.resources, &right.resource)
                && holds(&rule.verbs, right.verb)
        })
    })
}

#[test]
fn the_charts_roles_are_read_as_they_stand() {
    let right = |verb, group: &str, resource: &str, namespace: Option<&str>| Right {
        verb,
        group: group.to_owned(),
        resource: resource.to_owned(),
        namespace: namespace.map(str::to_owned),
    };
    let researcher = [("microtome-researcher", Some("x"))];
    let can = |right| allows(&roles(), &researcher, &right);
    assert!(can(right("create", "microtome.dev", "patchjobs", Some("x"))));
    assert!(!can(right("create", "microtome.dev", "patchjobs", Some("y"))));
    assert!(!can(right("list", "microtome.dev", "patchjobs", None)));
    assert!(!can(right("list", "microtome.dev", "teams", None)));
    assert!(!can(right("delete", "", "configmaps", Some("x"))));
}
