//! What the end-to-end tests share: a team of their own on the running cluster, jobs for it, and what to wait for.
//!
//! `tests/end-to-end` starts the cluster, installs the chart, and says in the environment where things are.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends there")]

pub mod hollow;
pub mod job;
pub mod machine;
pub mod operator;
pub mod stage;

/// SHA-256, hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// As binary data stand in a ConfigMap.
pub fn base64(bytes: &[u8]) -> serde_json::Value {
    serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec())).unwrap()
}
