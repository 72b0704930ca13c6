//! The operator has the rights that it uses, and no others. Runs after all other tests, over what the apiserver noted of them.

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::{Api, Client};
use microtome_api::names;
use microtome_e2e::stage::variable;
use serde_json::Value;

const NAMESPACE: &str = "microtome-system";
const USER: &str = "system:serviceaccount:microtome-system:microtome-operator";

/// What is asked for too seldom to be seen in a test, and why it is needed.
const SELDOM: [(&str, &str); 7] = [
    ("get patchjobs", "where a watch is late: a cluster that has come before its job"),
    ("get patchclusters", "the same: a job that has come before its cluster"),
    ("get pods", "the same: a head that was made and is not seen"),
    ("patch events", "an event that repeats"),
    ("update secrets", "the authority is made anew after ten years"),
    ("update patchjobs/finalizers", "asked for within another request: to name an owner that holds up deletion"),
    ("update patchclusters/finalizers", "the same"),
];

/// `verb resource.group`, one for each verb and resource of the rules.
fn rights(rules: Option<Vec<PolicyRule>>) -> BTreeSet<String> {
    let mut rights = BTreeSet::new();
    for rule in rules.unwrap_or_default() {
        for resource in rule.resources.iter().flatten() {
            rights.extend(rule.verbs.iter().map(|verb| format!("{verb} {resource}")));
        }
    }
    rights
}

/// What the operator asked for, and what of it was refused.
fn asked(log: &str) -> (BTreeSet<String>, Vec<String>) {
    let (mut asked, mut refused) = (BTreeSet::new(), Vec::new());
    for line in log.lines() {
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        if event["user"]["username"] != USER || event["objectRef"]["resource"].is_null() {
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (verb, resource) = (text(&event["verb"]), text(&event["objectRef"]["resource"]));
        let sub = event["objectRef"]["subresource"].as_str().map(|sub| format!("/{sub}")).unwrap_or_default();
        if event["responseStatus"]["code"] == 403 {
            refused.push(format!("{verb} {resource}{sub}: {}", event["responseStatus"]["message"]));
        }
        asked.insert(format!("{verb} {resource}{sub}"));
    }
    (asked, refused)
}

#[tokio::test]
async fn the_operator_has_the_rights_that_it_uses_and_no_others() {
    let client = Client::try_default().await.unwrap();
    let roles: Api<ClusterRole> = Api::all(client.clone());
    let own: Api<Role> = Api::namespaced(client, NAMESPACE);
    let mut given = rights(roles.get(names::MANAGER).await.unwrap().rules);
    given.extend(rights(roles.get("microtome-tenant").await.unwrap().rules));
    given.extend(rights(own.get(names::MANAGER).await.unwrap().rules));
    let (asked, refused) = asked(&std::fs::read_to_string(variable("AUDIT_LOG")).unwrap());
    assert!(asked.len() > 20, "the log is of this cluster: {asked:?}");
    // A right that is taken away with a team's namespace may be missed for a moment.
    let refused: Vec<_> = refused.iter().filter(|line| !line.contains("because it is being terminated")).collect();
    println!("{} kinds of requests; refused: {refused:#?}", asked.len());
    let seldom: BTreeSet<_> = SELDOM.iter().map(|(right, _)| (*right).to_owned()).collect();
    // An object that is applied and not yet there is a patch that needs the right to create.
    let used = |right: &String| {
        asked.contains(right)
            || right.strip_prefix("create ").is_some_and(|what| asked.contains(&format!("patch {what}")))
    };
    // `bind` is asked for within the creation of a RoleBinding.
    let unused: Vec<_> = given.iter().filter(|right| !used(right) && !seldom.contains(*right)).collect();
    assert_eq!(unused, ["bind clusterroles"], "rights that nobody uses");
}
