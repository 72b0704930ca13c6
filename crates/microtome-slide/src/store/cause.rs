//! What a store said, made fit for logs: one line, bounded, without signatures; and which class of error it is.

use std::error::Error as StdError;

use crate::{Error, SlideUrl};

/// Longest text kept; stores put whole XML bodies into their errors.
const LONGEST_CHARS: usize = 400;

/// The text of a store's error chain. It has no source of its own: chains could hold signed URLs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Cause {
    text: String,
}

impl Cause {
    pub(crate) fn of(error: &dyn StdError) -> Self {
        let line: String = error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let text = redact(&line).chars().take(LONGEST_CHARS).collect();
        Self { text }
    }

    /// With what the reader may do about it.
    pub(crate) fn and(self, advice: &str) -> Self {
        Self { text: format!("{}; {advice}", self.text) }
    }
}

/// Where cloud machines ask who they are; clients ask there once the environment has no key.
const METADATA_SERVICE: &str = "169.254.169.254";

/// What stands before a secret in a signed URL: Azure's, then S3's and Google's.
const SECRETS: [&str; 5] = ["sig=", "Signature=", "Credential=", "Security-Token=", "AWSAccessKeyId="];

/// Replaces the values of what may be secrets.
fn redact(text: &str) -> String {
    SECRETS.iter().fold(text.to_owned(), |text, name| redact_value(&text, name))
}

/// Replaces the value after every `name`.
fn redact_value(text: &str, name: &str) -> String {
    let mut parts = text.split(name);
    let mut clean = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_alphanumeric() && !"%+/=-_.~".contains(c)).unwrap_or(part.len());
        clean.push_str(name);
        clean.push_str("(redacted)");
        clean.push_str(&part[end..]);
    }
    clean
}

/// The error that a store's answer to a read means. That a precondition failed, the blob itself knows to tell.
pub(super) fn read_error(url: &SlideUrl, error: &object_store::Error) -> Error {
    store_error(url, "read", error)
}

/// The error that a store's answer to an operation, a verb, means.
pub(super) fn store_error(url: &SlideUrl, operation: &'static str, error: &object_store::Error) -> Error {
    let url = url.clone();
    let mut source = Cause::of(error);
    if source.text.contains(METADATA_SERVICE) {
        source = source.and("no key is in the environment, and this machine has no identity that storage knows");
    }
    match error {
        object_store::Error::NotFound { .. } => Error::NotFound { url, source },
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            Error::Denied { url, operation, source }
        }
        other if refusal(other) == Some("403") || refusal(other) == Some("401") => {
            Error::Denied { url, operation, source }
        }
        other if refusal(other) == Some("404") => Error::NotFound { url, source },
        other if denied_by_system(other) => Error::Denied { url, operation, source },
        _ => Error::Storage { url, operation, source },
    }
}

/// The status of a refusal that the client gives no variant of its own: those of listings and of uploads in parts are
/// only in its text.
fn refusal(error: &object_store::Error) -> Option<&'static str> {
    let object_store::Error::Generic { source, .. } = error else { return None };
    let text = source.to_string();
    ["401", "403", "404"].into_iter().find(|status| text.contains(&format!("non-2xx status code: {status} ")))
}

/// Whether a local file's permissions are what failed.
fn denied_by_system(error: &object_store::Error) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(current) = next {
        if let Some(io) = current.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::PermissionDenied;
        }
        next = current.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_and_line_breaks_do_not_survive() {
        let error = std::io::Error::other("GET http://x/y?sv=1&sig=a%2Bb%3D&se=2\nbody sig=zz) end");
        let text = Cause::of(&error).to_string();
        assert_eq!(text, "GET http://x/y?sv=1&sig=(redacted)&se=2 body sig=(redacted)) end");
        let error =
            std::io::Error::other("http://x/y?X-Amz-Credential=a/b&X-Amz-Signature=0f&X-Amz-Security-Token=c%3D");
        let text = Cause::of(&error).to_string();
        let expected = "Credential=(redacted)&X-Amz-Signature=(redacted)&X-Amz-Security-Token=(redacted)";
        assert_eq!(text, format!("http://x/y?X-Amz-{expected}"));
    }

    #[test]
    fn classes_follow_the_store() {
        let url = SlideUrl::parse("/x.svs").unwrap();
        let source = || Box::new(std::io::Error::from(std::io::ErrorKind::PermissionDenied));
        let path = || "x".to_owned();
        for (error, category) in [
            (object_store::Error::NotFound { path: path(), source: source() }, "NotFound"),
            (object_store::Error::Unauthenticated { path: path(), source: source() }, "Denied"),
            (object_store::Error::Generic { store: "x", source: source() }, "Denied"),
            (object_store::Error::Generic { store: "x", source: Box::new(std::io::Error::other("y")) }, "Storage"),
        ] {
            assert_eq!(read_error(&url, &error).category(), category);
        }
    }
}
