//! Certificates of one attempt: an authority of its own, whose key is thrown away once head and worker are signed.
//!
//! Nobody else can ever be let into the attempt, and a Secret that leaks opens nothing but this one.

use std::time::Duration;

use microtome_api::names;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use time::OffsetDateTime;

/// Clocks of nodes differ.
const BACKDATE: Duration = Duration::from_secs(300);

/// A certificate and its key, as PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// All of an attempt, as PEM.
pub(crate) struct Issued {
    /// The authority's certificate.
    pub(crate) authority: String,
    /// Serves under the head's names.
    pub(crate) head: Pair,
    /// Dials the head.
    pub(crate) worker: Pair,
}

/// Makes the certificates of the cluster's head and workers, valid for `lifetime` from now.
pub(crate) fn issue(cluster: &str, namespace: &str, lifetime: Duration) -> Result<Issued, rcgen::Error> {
    let authority_key = KeyPair::generate()?;
    let mut params = params(&format!("{cluster}.{namespace} attempt"), Vec::new(), lifetime)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let authority = params.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(params, authority_key);
    let host = names::head_host(cluster, namespace);
    let short = host.trim_end_matches(".svc").to_owned();
    let head_names = vec![host.clone(), short, format!("{host}.cluster.local")];
    Ok(Issued {
        authority,
        head: sign(&issuer, head_names, ExtendedKeyUsagePurpose::ServerAuth, lifetime)?,
        worker: sign(&issuer, vec!["worker".to_owned()], ExtendedKeyUsagePurpose::ClientAuth, lifetime)?,
    })
}

/// Signs a certificate for `names`.
pub(crate) fn sign(
    issuer: &Issuer<'_, KeyPair>,
    names: Vec<String>,
    usage: ExtendedKeyUsagePurpose,
    lifetime: Duration,
) -> Result<Pair, rcgen::Error> {
    let key = KeyPair::generate()?;
    let common_name = names.first().cloned().unwrap_or_default();
    let mut params = params(&common_name, names, lifetime)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    Ok(Pair { certificate: params.signed_by(&key, issuer)?.pem(), key: key.serialize_pem() })
}

/// What all certificates have in common.
pub(crate) fn params(
    common_name: &str,
    names: Vec<String>,
    lifetime: Duration,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    // X.509 allows a common name 64 characters; who is meant stands in the alternative names.
    let common_name: String = common_name.chars().take(64).collect();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let now = OffsetDateTime::now_utc();
    params.not_before = now - BACKDATE;
    params.not_after = now + lifetime;
    Ok(params)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use rustls::server::WebPkiClientVerifier;

    use super::*;

    #[test]
    fn head_and_worker_trust_each_other_and_nobody_of_another_attempt() {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let day = Duration::from_secs(86400);
        let (ours, other) = (issue("a", "x", day).unwrap(), issue("a", "x", day).unwrap());
        let der = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(der(&ours.authority)).unwrap();
        let roots = Arc::new(roots);
        let servers = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone()).build().unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(roots, provider).build().unwrap();
        let serves = |pem: &str, host: &str| {
            let host = ServerName::try_from(host.to_owned()).unwrap();
            servers.verify_server_cert(&der(pem), &[], &host, &[], UnixTime::now()).is_ok()
        };
        let dials = |pem: &str| clients.verify_client_cert(&der(pem), &[], UnixTime::now()).is_ok();
        for host in ["a-head.x.svc", "a-head.x", "a-head.x.svc.cluster.local"] {
            assert!(serves(&ours.head.certificate, host), "{host}");
        }
        assert!(!serves(&ours.head.certificate, "a-head.y.svc") && !serves(&other.head.certificate, "a-head.x.svc"));
        assert!(dials(&ours.worker.certificate) && !dials(&other.worker.certificate));
        assert!(!dials(&ours.head.certificate) && !serves(&ours.worker.certificate, "worker"), "each its own use");
    }
}
