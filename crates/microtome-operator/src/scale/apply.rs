//! The one write: the number of replicas, by a field manager of its own.

use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::write::Error;

/// Owns `.spec.replicas` of worker Deployments, and nothing else. Who writes the rest must leave the field out.
const MANAGER: &str = "microtome-scale";

/// Sets the number of workers. To be done once for each new Deployment, even if the number is right already: from then on the
/// field is owned here, and stays as it is when others leave it out.
pub(crate) async fn set_workers(client: &Client, deployment: &Deployment, workers: u32) -> Result<(), Error> {
    let name = deployment.name_any();
    let api: Api<Deployment> = Api::namespaced(client.clone(), &deployment.namespace().unwrap_or_default());
    let params = PatchParams::apply(MANAGER).force();
    let patch = Patch::Apply(body(deployment, workers));
    api.patch(&name, &params, &patch).await.map_err(Error::api::<Deployment>("set the workers of", &name))?;
    Ok(())
}

/// With the uid: a Deployment that is gone is not made anew, and one that replaced it is not touched.
fn body(deployment: &Deployment, workers: u32) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": deployment.name_any(), "uid": deployment.uid()},
        "spec": {"replicas": workers},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_replicas_of_this_deployment_is_written() {
        let mut deployment = Deployment::default();
        deployment.metadata.name = Some("a-worker".into());
        deployment.metadata.uid = Some("u".into());
        let expected = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a-worker","uid":"u"},"spec":{"replicas":7}}"#;
        assert_eq!(body(&deployment, 7), serde_json::from_str::<Value>(expected).unwrap());
    }
}
