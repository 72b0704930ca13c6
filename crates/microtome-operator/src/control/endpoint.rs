//! The leader's place in the operator's Service: heads reach the operator that leads and no other.

use std::collections::BTreeMap;

use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use kube::Api;
use kube::api::ObjectMeta;
use microtome_api::names;

use crate::context::Context;
use crate::settings::Settings;
use crate::write;

/// Writes this operator as the Service's one endpoint. Outside a cluster it has no address that heads could reach.
pub(crate) async fn publish(context: &Context) -> Result<(), write::Error> {
    let Some(slice) = slice(&context.settings) else { return Ok(()) };
    let api: Api<EndpointSlice> = Api::namespaced(context.client.clone(), &context.settings.namespace);
    write::apply(&api, &slice).await
}

fn slice(settings: &Settings) -> Option<EndpointSlice> {
    let address = settings.pod.address?;
    let labels = [
        ("kubernetes.io/service-name", settings.control_service.as_str()),
        ("endpointslice.kubernetes.io/managed-by", names::MANAGER),
    ];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let port = EndpointPort {
        name: Some("control".to_owned()),
        port: Some(settings.control_address.port().into()),
        protocol: Some("TCP".to_owned()),
        app_protocol: None,
    };
    let ready = EndpointConditions { ready: Some(true), ..EndpointConditions::default() };
    Some(EndpointSlice {
        metadata: ObjectMeta {
            name: Some(format!("{}-leader", settings.control_service)),
            labels: Some(BTreeMap::from(labels)),
            ..ObjectMeta::default()
        },
        address_type: if address.is_ipv4() { "IPv4" } else { "IPv6" }.to_owned(),
        endpoints: vec![Endpoint {
            addresses: vec![address.to_string()],
            conditions: Some(ready),
            ..Endpoint::default()
        }],
        ports: Some(vec![port]),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_leader_is_the_services_one_endpoint() {
        let mut settings = crate::cluster::settings_fixture();
        assert_eq!(slice(&settings), None, "nobody could reach it");
        settings.pod.address = Some([10, 0, 0, 7].into());
        settings.control_address.set_port(7400);
        let slice = serde_json::to_value(slice(&settings).unwrap()).unwrap();
        assert_eq!(slice["metadata"]["labels"]["kubernetes.io/service-name"], "microtome-operator");
        assert_eq!(slice["endpoints"], json!([{"addresses": ["10.0.0.7"], "conditions": {"ready": true}}]));
        assert_eq!(slice["ports"][0]["port"], 7400);
    }
}
