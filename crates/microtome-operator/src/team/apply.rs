//! Reads where the operator has its role, and binds and unbinds it.

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use kube::api::{ListParams, ObjectMeta};
use kube::{Api, ResourceExt};
use microtome_api::names;
use tracing::info;

use super::decide::{Decision, Observed};
use crate::context::Context;
use crate::settings::Settings;
use crate::write::{self, Error};

const RBAC: &str = "rbac.authorization.k8s.io";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Reads what a pass decides by.
pub(crate) async fn observe(context: &Context) -> Result<Observed, Error> {
    let bindings: Api<RoleBinding> = Api::all(context.client.clone());
    let ours = ListParams::default().labels(&format!("{MANAGED_BY}={}", names::MANAGER));
    let bindings = bindings.list_metadata(&ours).await.map_err(Error::api::<RoleBinding>("list", "all"))?;
    let ours = bindings.items.iter().filter(|binding| binding.name_any() == names::MANAGER);
    let namespaces = context.world.namespaces.filter(|namespace| namespace.metadata.deletion_timestamp.is_none());
    Ok(Observed {
        teams: context.world.teams.filter(|_| true),
        namespaces: namespaces.iter().map(ResourceExt::name_any).collect(),
        // Seen again at the latest with the next pass that nothing asked for.
        busy: context.world.deployments.filter(|_| true).iter().filter_map(ResourceExt::namespace).collect(),
        bound: ours.filter_map(ResourceExt::namespace).collect(),
    })
}

/// Carries the decision out.
pub(crate) async fn apply(decision: &Decision, context: &Context) -> Result<(), Error> {
    let api = |namespace| Api::<RoleBinding>::namespaced(context.client.clone(), namespace);
    for namespace in &decision.bind {
        write::apply(&api(namespace), &binding(namespace, &context.settings)).await?;
        info!(namespace, "namespace taken over");
    }
    for namespace in &decision.unbind {
        write::delete(&api(namespace), names::MANAGER).await?;
        info!(namespace, "namespace given up");
    }
    Ok(())
}

fn binding(namespace: &str, settings: &Settings) -> RoleBinding {
    RoleBinding {
        metadata: ObjectMeta {
            name: Some(names::MANAGER.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(BTreeMap::from([(MANAGED_BY.to_owned(), names::MANAGER.to_owned())])),
            ..ObjectMeta::default()
        },
        role_ref: RoleRef {
            api_group: RBAC.to_owned(),
            kind: "ClusterRole".to_owned(),
            name: settings.tenant_role.clone(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: settings.service_account.clone(),
            namespace: Some(settings.namespace.clone()),
            api_group: None,
        }]),
    }
}
