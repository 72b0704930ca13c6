//! Where a slide lies: a local path, `file:///path` or `az://container/path`.
//!
//! Parsing does no IO. A URL that holds a key is refused, and its text is in no error message.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use sha2::{Digest, Sha256};

/// Why a text is not the URL of a slide. The text itself is left out where it may hold a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Nothing there.
    #[error("the slide's URL is empty")]
    Empty,
    /// It has a query, or user and password: keys belong into the environment of the worker.
    #[error("the slide's URL holds a query or a password (not shown); give keys through the environment")]
    HoldsKey,
    /// No store for this scheme.
    #[error("no store for scheme {scheme:?}; known are local paths, file:// and az://container/path")]
    Scheme {
        /// What stood before `://`.
        scheme: String,
    },
    /// `az://` without a valid container name.
    #[error("an az:// URL needs a container name of 3 to 63 lowercase letters, digits and dashes")]
    Container,
    /// No path, or one that the store cannot address.
    #[error("the slide's URL has no usable path")]
    Path,
}

impl UrlError {
    /// The class of the error, shared by event, log and metric.
    pub fn category(&self) -> &'static str {
        match self {
            Self::HoldsKey => "Denied",
            Self::Scheme { .. } => "Unsupported",
            Self::Empty | Self::Container | Self::Path => "Request",
        }
    }
}

/// A parsed location, by store.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Location {
    /// An absolute path of this machine.
    Local { path: PathBuf },
    /// A blob; `key` is taken literally, without percent-decoding.
    Azure { container: String, key: String },
}

/// The URL of one slide, validated. Cheap to clone; compares by location.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlideUrl {
    location: Arc<Location>,
}

impl SlideUrl {
    /// Parses `path`, `file:///path` or `az://container/path`.
    ///
    /// # Errors
    /// Anything else, and every URL with a query or a password, which could be a key.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let location = match text.split_once("://") {
            _ if text.is_empty() => return Err(UrlError::Empty),
            _ if holds_key(text) => return Err(UrlError::HoldsKey),
            None => local(text)?,
            Some(("file", _)) => file(text)?,
            Some(("az", rest)) => azure(rest)?,
            // `https`, `gs` and `s3` come here, one function each.
            Some((scheme, _)) => return Err(UrlError::Scheme { scheme: scheme.chars().take(16).collect() }),
        };
        Ok(Self { location: Arc::new(location) })
    }

    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// The last part of the path: the file's name.
    pub fn name(&self) -> String {
        match self.location() {
            Location::Local { path } => {
                path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
            }
            Location::Azure { key, .. } => key.rsplit('/').next().unwrap_or_default().to_owned(),
        }
    }

    /// 16 hex digits of SHA-256 over the URL: names a slide in logs and metrics, where its name must not stand.
    pub fn hash(&self) -> String {
        let digest = Sha256::digest(self.to_string().as_bytes());
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Display for SlideUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.location() {
            Location::Local { path } => write!(f, "{}", path.display()),
            Location::Azure { container, key } => write!(f, "az://{container}/{key}"),
        }
    }
}

impl fmt::Debug for SlideUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlideUrl({self})")
    }
}

impl FromStr for SlideUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Self::parse(text)
    }
}

/// Whether a text may hold a key. A local path may have a `?`, but not what looks like a signature.
fn holds_key(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let signed = lower.contains("?sig=") || lower.contains("&sig=") || lower.contains("&se=");
    let Some((_, rest)) = text.split_once("://") else { return signed };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    signed || rest.contains('?') || authority.contains('@')
}

fn local(text: &str) -> Result<Location, UrlError> {
    let path = std::path::absolute(text).map_err(|_| UrlError::Path)?;
    Ok(Location::Local { path })
}

fn file(text: &str) -> Result<Location, UrlError> {
    let path = url::Url::parse(text).ok().and_then(|url| url.to_file_path().ok()).ok_or(UrlError::Path)?;
    Ok(Location::Local { path })
}

fn azure(rest: &str) -> Result<Location, UrlError> {
    let (container, key) = rest.split_once('/').ok_or(UrlError::Path)?;
    // Azure's own rule for container names, without the one about neighbouring dashes, which the store checks.
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '$';
    if !(3..=63).contains(&container.len()) || !container.chars().all(legal) {
        return Err(UrlError::Container);
    }
    object_store::path::Path::parse(key).map_err(|_| UrlError::Path)?;
    if key.is_empty() || key.starts_with('/') || key.ends_with('/') {
        return Err(UrlError::Path);
    }
    Ok(Location::Azure { container: container.to_owned(), key: key.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_parsed_and_shown() {
        for (text, shown, name) in [
            ("az://slides/a/b c.svs", "az://slides/a/b c.svs", "b c.svs"),
            ("/data/x.svs", "/data/x.svs", "x.svs"),
            ("file:///data/a%20b.svs", "/data/a b.svs", "a b.svs"),
            ("az://slides/100%25#2.svs", "az://slides/100%25#2.svs", "100%25#2.svs"),
        ] {
            let url = SlideUrl::parse(text).unwrap();
            assert_eq!((url.to_string().as_str(), url.name().as_str()), (shown, name));
            assert_eq!(url.hash().len(), 16);
        }
    }

    #[test]
    fn a_relative_path_becomes_absolute() {
        let url = SlideUrl::parse("x.svs").unwrap();
        assert!(url.to_string().ends_with("/x.svs") && url.to_string().starts_with('/'));
    }

    #[test]
    fn refusals_never_show_a_key() {
        for (text, expected) in [
            ("", UrlError::Empty),
            ("https://a.blob.core.windows.net/c/x.svs?sv=1&sig=SECRET", UrlError::HoldsKey),
            ("az://slides/x.svs?SECRET", UrlError::HoldsKey),
            ("x.svs?sig=SECRET", UrlError::HoldsKey),
            ("az://user:SECRET@slides/x.svs", UrlError::HoldsKey),
            ("s3://bucket/x.svs", UrlError::Scheme { scheme: "s3".into() }),
            ("az://Slides/x.svs", UrlError::Container),
            ("az://slides", UrlError::Path),
            ("az://slides/", UrlError::Path),
            ("az://slides/a/../x.svs", UrlError::Path),
            ("file://host/x.svs", UrlError::Path),
        ] {
            let error = SlideUrl::parse(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("SECRET"));
        }
    }

    #[test]
    fn equal_locations_are_equal_urls() {
        assert_eq!(SlideUrl::parse("/a/b.svs"), SlideUrl::parse("file:///a/b.svs"));
    }
}
