//! The operator's own authority: kept in a Secret of its namespace, so that heads of an earlier process still trust it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt};
use microtome_api::names;
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tracing::info;

use crate::cluster::certificates::{Pair, params, sign};
use crate::settings::Settings;

/// The Secret.
const SECRET: &str = "microtome-control-ca";
const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";
/// When the authority ends, as it stands beside it: nothing then has to read certificates.
const NOT_AFTER: &str = "microtome.dev/not-after";
/// No job is allowed to run for more than a year.
const LIFETIME: Duration = Duration::from_secs(10 * 366 * 86_400);
/// Made anew when less than this is left.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 86_400);

/// Signs the server's certificate.
pub(crate) struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot {verb} the Secret {SECRET}")]
    Secret { verb: &'static str, source: Box<kube::Error> },
    #[error("cannot make the authority")]
    Make(#[source] rcgen::Error),
    #[error("the key in Secret {SECRET} cannot be read; delete the Secret to have a new one made")]
    Read(#[source] rcgen::Error),
}

impl Authority {
    /// Takes the authority from its Secret, which is made where there is none or it ends soon.
    pub(crate) async fn load(client: &Client, settings: &Settings) -> Result<Self, Error> {
        let api: Api<Secret> = Api::namespaced(client.clone(), &settings.namespace);
        let secret = |verb| move |source| Error::Secret { verb, source: Box::new(source) };
        let there = api.get_opt(SECRET).await.map_err(secret("get"))?;
        if let Some((certificate, key)) = there.as_ref().filter(|secret| lasts(secret)).and_then(texts) {
            return Self::new(certificate, KeyPair::from_pem(&key).map_err(Error::Read)?).map_err(Error::Read);
        }
        let key = KeyPair::generate().map_err(Error::Make)?;
        let key_text = key.serialize_pem();
        let certificate = ca_params().and_then(|params| params.self_signed(&key)).map_err(Error::Make)?.pem();
        let made = to_secret(settings, &certificate, &key_text, there.as_ref());
        match there {
            Some(_) => api.replace(SECRET, &PostParams::default(), &made).await.map_err(secret("renew"))?,
            None => api.create(&PostParams::default(), &made).await.map_err(secret("create"))?,
        };
        info!(secret = SECRET, "authority of the heads' server made");
        Self::new(certificate, key).map_err(Error::Make)
    }

    /// One that no Secret keeps.
    #[cfg(test)]
    pub(crate) fn make() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let certificate = ca_params()?.self_signed(&key)?.pem();
        Self::new(certificate, key)
    }

    fn new(certificate: String, key: KeyPair) -> Result<Self, rcgen::Error> {
        // The issuer's name and key are all that signing needs, and both are as they were when it was made.
        Ok(Self { certificate, issuer: Issuer::new(ca_params()?, key) })
    }

    /// What heads are given to trust, as PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A server's certificate for `hosts`.
    pub(crate) fn serve(&self, hosts: Vec<String>, lifetime: Duration) -> Result<Pair, rcgen::Error> {
        sign(&self.issuer, hosts, ExtendedKeyUsagePurpose::ServerAuth, lifetime)
    }
}

fn ca_params() -> Result<rcgen::CertificateParams, rcgen::Error> {
    let mut params = params("microtome control", Vec::new(), LIFETIME)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    Ok(params)
}

fn lasts(secret: &Secret) -> bool {
    let not_after = secret.annotations().get(NOT_AFTER).and_then(|text| text.parse::<Timestamp>().ok());
    not_after.is_some_and(|not_after| not_after > Timestamp::now() + RENEW_BEFORE)
}

fn texts(secret: &Secret) -> Option<(String, String)> {
    let text = |key| String::from_utf8(secret.data.as_ref()?.get(key)?.0.clone()).ok();
    Some((text(CERTIFICATE)?, text(KEY)?))
}

fn to_secret(settings: &Settings, certificate: &str, key: &str, earlier: Option<&Secret>) -> Secret {
    let data = [(CERTIFICATE, certificate), (KEY, key)];
    Secret {
        metadata: ObjectMeta {
            name: Some(SECRET.to_owned()),
            namespace: Some(settings.namespace.clone()),
            resource_version: earlier.and_then(ResourceExt::resource_version),
            labels: Some(BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), names::MANAGER.to_owned())])),
            annotations: Some(BTreeMap::from([(NOT_AFTER.to_owned(), (Timestamp::now() + LIFETIME).to_string())])),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some(data.map(|(name, text)| (name.to_owned(), ByteString(text.as_bytes().to_vec()))).into()),
        ..Secret::default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::*;
    use crate::cluster::settings_fixture;

    #[test]
    fn an_authority_read_back_signs_what_the_first_ones_certificate_vouches_for() {
        let key = KeyPair::generate().unwrap();
        let certificate = ca_params().unwrap().self_signed(&key).unwrap().pem();
        let secret = to_secret(&settings_fixture(), &certificate, &key.serialize_pem(), None);
        assert!(lasts(&secret));
        let (certificate, key) = texts(&secret).unwrap();
        let authority = Authority::new(certificate, KeyPair::from_pem(&key).unwrap()).unwrap();
        let served = authority.serve(vec!["operator.system.svc".into()], Duration::from_secs(60)).unwrap();
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(der(authority.certificate())).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
        let host = ServerName::try_from("operator.system.svc").unwrap();
        assert!(verifier.verify_server_cert(&der(&served.certificate), &[], &host, &[], UnixTime::now()).is_ok());
    }
}
