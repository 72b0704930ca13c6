//! The certificates of a pod: mutual TLS between head and workers, and the operator's authority for a head.

use std::io;
use std::path::{Path, PathBuf};

use microtome_api::mount;
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

/// A certificate's file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot be read", path.display())]
pub struct TlsError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Takes only clients that the same authority signed.
pub fn server(directory: &Path) -> Result<ServerTlsConfig, TlsError> {
    Ok(ServerTlsConfig::new().identity(identity(directory)?).client_ca_root(authority(directory, mount::TLS_CA)?))
}

/// Shows this pod's certificate and trusts only the same authority.
pub fn client(directory: &Path) -> Result<ClientTlsConfig, TlsError> {
    Ok(ClientTlsConfig::new().identity(identity(directory)?).ca_certificate(authority(directory, mount::TLS_CA)?))
}

/// Trusts the operator's authority; the client shows a token instead of a certificate.
pub fn control(directory: &Path) -> Result<ClientTlsConfig, TlsError> {
    Ok(ClientTlsConfig::new().ca_certificate(authority(directory, mount::CONTROL_CA)?))
}

fn identity(directory: &Path) -> Result<Identity, TlsError> {
    Ok(Identity::from_pem(read(directory, mount::TLS_CERTIFICATE)?, read(directory, mount::TLS_KEY)?))
}

fn authority(directory: &Path, name: &str) -> Result<Certificate, TlsError> {
    Ok(Certificate::from_pem(read(directory, name)?))
}

fn read(directory: &Path, name: &str) -> Result<Vec<u8>, TlsError> {
    let path = directory.join(name);
    std::fs::read(&path).map_err(|source| TlsError { path, source })
}
