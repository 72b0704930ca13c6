//! Where a slide lies: a local path, `file:///path`, `az://container/path`, `s3://bucket/path`, `gs://bucket/path`, or
//! `https://host/path` of a web server.
//!
//! Parsing does no IO. A URL that holds a key is refused, and its text is in no error message.

use std::{fmt, path::PathBuf, str::FromStr, sync::Arc};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
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
    #[error("no store for scheme {scheme:?}; known are local paths, file, az, s3, gs, https and http")]
    Scheme {
        /// What stood before `://`.
        scheme: String,
    },
    /// `az://`, `s3://` or `gs://` without a valid container or bucket name.
    #[error("the slide's URL needs the name of a container or bucket: 3 or more lowercase letters, digits and dashes")]
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
    Blob { cloud: Cloud, bucket: String, key: String },
    /// A file of a web server; `key` is percent-decoded.
    Web { origin: String, key: String },
}

/// The clouds whose blobs have a bucket (which Azure calls container) and a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Cloud {
    Azure,
    S3,
    Google,
}

impl Cloud {
    fn of_scheme(scheme: &str) -> Option<Self> {
        [Self::Azure, Self::S3, Self::Google].into_iter().find(|cloud| cloud.scheme() == scheme)
    }

    fn scheme(self) -> &'static str {
        match self {
            Self::Azure => "az",
            Self::S3 => "s3",
            Self::Google => "gs",
        }
    }

    /// Whether a character may be in the name of a bucket; the stores check where and how often.
    fn allows(self, c: char) -> bool {
        let others = match self {
            Self::Azure => "-$",
            Self::S3 => "-.",
            Self::Google => "-._",
        };
        c.is_ascii_lowercase() || c.is_ascii_digit() || others.contains(c)
    }

    fn check_bucket(self, bucket: &str) -> Result<String, UrlError> {
        if !(3..=self.longest_name()).contains(&bucket.len()) || !bucket.chars().all(|c| self.allows(c)) {
            return Err(UrlError::Container);
        }
        Ok(bucket.to_owned())
    }

    /// The longest name of a bucket: Google's may be a domain's.
    fn longest_name(self) -> usize {
        match self {
            Self::Azure | Self::S3 => 63,
            Self::Google => 222,
        }
    }
}

/// What is percent-encoded in the path of a web URL (the URL standard's path set, and `%` itself).
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// The URL of one slide, validated. Cheap to clone; compares by location.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlideUrl {
    location: Arc<Location>,
}

impl SlideUrl {
    /// Parses `path`, `file:///path`, `az://container/path`, `s3://bucket/path`, `gs://bucket/path`, `https://host/path` or
    /// `http://host/path`.
    ///
    /// # Errors
    /// Anything else, and every URL with a query or a password, which could be a key.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let location = match text.split_once("://") {
            _ if text.is_empty() => return Err(UrlError::Empty),
            _ if holds_key(text) => return Err(UrlError::HoldsKey),
            None => local(text)?,
            Some(("file", _)) => file(text)?,
            Some(("http" | "https", _)) => web(text)?,
            Some((scheme, rest)) => match Cloud::of_scheme(scheme) {
                Some(cloud) => blob(cloud, rest)?,
                None => return Err(UrlError::Scheme { scheme: scheme.chars().take(16).collect() }),
            },
        };
        Ok(Self::of(location))
    }

    /// Parses the folder under which objects lie: as [`SlideUrl::parse`], but slashes at the end do not count, and a
    /// whole container or bucket will do (`az://container/`).
    ///
    /// # Errors
    /// As [`SlideUrl::parse`].
    pub fn parse_prefix(text: &str) -> Result<Self, UrlError> {
        let trimmed = text.trim_end_matches('/');
        let scheme_alone = trimmed.ends_with(':');
        let bucket = trimmed.split_once("://").and_then(|(scheme, rest)| Some((Cloud::of_scheme(scheme)?, rest)));
        match bucket {
            _ if scheme_alone => Err(UrlError::Path),
            _ if trimmed.is_empty() && !text.is_empty() => Self::parse("/"),
            Some((cloud, bucket)) if !bucket.contains('/') && !holds_key(text) => {
                let location = Location::Blob { cloud, bucket: cloud.check_bucket(bucket)?, key: String::new() };
                Ok(Self::of(location))
            }
            _ => Self::parse(trimmed),
        }
    }

    /// The object `name` under this prefix; `name` may have slashes.
    ///
    /// # Errors
    /// [`UrlError::Path`] where a store cannot address it.
    pub fn join(&self, name: &str) -> Result<Self, UrlError> {
        if name.is_empty() || name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(UrlError::Path);
        }
        let beneath = |key: &str| if key.is_empty() { name.to_owned() } else { format!("{key}/{name}") };
        let location = match self.location() {
            Location::Local { path } => Location::Local { path: path.join(name) },
            Location::Blob { cloud, bucket, key } => {
                Location::Blob { cloud: *cloud, bucket: bucket.clone(), key: beneath(key) }
            }
            Location::Web { origin, key } => Location::Web { origin: origin.clone(), key: beneath(key) },
        };
        if let Location::Blob { key, .. } | Location::Web { key, .. } = &location {
            check_key(key)?;
        }
        Ok(Self::of(location))
    }

    /// This object's name under `prefix`, which [`SlideUrl::join`] would make this object of again; `None` if it does not lie
    /// there.
    pub fn under(&self, prefix: &Self) -> Option<String> {
        let beneath = |key: &str, folder: &str| match folder {
            "" => Some(key.to_owned()),
            folder => key.strip_prefix(folder)?.strip_prefix('/').map(ToOwned::to_owned),
        };
        let name = match (self.location(), prefix.location()) {
            (Location::Local { path }, Location::Local { path: folder }) => {
                path.strip_prefix(folder).ok()?.to_str()?.to_owned()
            }
            (Location::Blob { key, .. }, Location::Blob { key: folder, .. })
            | (Location::Web { key, .. }, Location::Web { key: folder, .. }) => beneath(key, folder)?,
            _ => return None,
        };
        prefix.join(&name).is_ok_and(|joined| joined == *self).then_some(name)
    }

    pub(crate) fn of(location: Location) -> Self {
        Self { location: Arc::new(location) }
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
            Location::Blob { key, .. } | Location::Web { key, .. } => {
                key.rsplit('/').next().unwrap_or_default().to_owned()
            }
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
            Location::Blob { cloud, bucket, key } => write!(f, "{}://{bucket}/{key}", cloud.scheme()),
            Location::Web { origin, key } => write!(f, "{origin}/{}", utf8_percent_encode(key, ENCODED)),
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
    let signs = ["?sig=", "&sig=", "&se=", "signature=", "-credential=", "-security-token="];
    let signed = signs.iter().any(|sign| lower.contains(sign));
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

fn blob(cloud: Cloud, rest: &str) -> Result<Location, UrlError> {
    let (bucket, key) = rest.split_once('/').ok_or(UrlError::Path)?;
    let bucket = cloud.check_bucket(bucket)?;
    check_key(key)?;
    Ok(Location::Blob { cloud, bucket, key: key.to_owned() })
}

fn web(text: &str) -> Result<Location, UrlError> {
    let url = url::Url::parse(text).map_err(|_| UrlError::Path)?;
    // An encoded slash would become one that separates; a fragment is nothing that a server sees.
    if url.fragment().is_some() || url.path().to_ascii_lowercase().contains("%2f") {
        return Err(UrlError::Path);
    }
    let path = percent_decode_str(url.path()).decode_utf8().map_err(|_| UrlError::Path)?;
    let key = path.strip_prefix('/').ok_or(UrlError::Path)?;
    check_key(key)?;
    Ok(Location::Web { origin: url.origin().ascii_serialization(), key: key.to_owned() })
}

/// Checks that a store can address a key.
fn check_key(key: &str) -> Result<(), UrlError> {
    object_store::path::Path::parse(key).map_err(|_| UrlError::Path)?;
    if key.is_empty() || key.starts_with('/') || key.ends_with('/') {
        return Err(UrlError::Path);
    }
    Ok(())
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
            ("s3://my.slides/a/x.svs", "s3://my.slides/a/x.svs", "x.svs"),
            ("gs://my_slides/a/x.svs", "gs://my_slides/a/x.svs", "x.svs"),
            ("https://Host.example:443/a/b%20%63.svs", "https://host.example/a/b%20c.svs", "b c.svs"),
            ("http://127.0.0.1:8000/100%25.svs", "http://127.0.0.1:8000/100%25.svs", "100%.svs"),
        ] {
            let url = SlideUrl::parse(text).unwrap();
            assert_eq!((url.to_string().as_str(), url.name().as_str()), (shown, name));
            assert_eq!(url.hash().len(), 16);
        }
    }

    #[test]
    fn a_prefix_is_a_folder_or_a_whole_bucket() {
        for (text, shown, joined) in [
            ("az://slides/tcga/", "az://slides/tcga", "az://slides/tcga/a/x y.svs"),
            ("az://slides/", "az://slides/", "az://slides/a/x y.svs"),
            ("s3://slides", "s3://slides/", "s3://slides/a/x y.svs"),
            ("/data//", "/data", "/data/a/x y.svs"),
            ("/", "/", "/a/x y.svs"),
            ("https://host/data/", "https://host/data", "https://host/data/a/x%20y.svs"),
        ] {
            let prefix = SlideUrl::parse_prefix(text).unwrap();
            assert_eq!(
                (prefix.to_string().as_str(), prefix.join("a/x y.svs").unwrap().to_string().as_str()),
                (shown, joined)
            );
        }
        for (text, expected) in [
            ("", UrlError::Empty),
            ("az://", UrlError::Path),
            ("az://Slides/", UrlError::Container),
            ("az://user:SECRET@slides/", UrlError::HoldsKey),
            ("az://slides/a?sig=SECRET/", UrlError::HoldsKey),
        ] {
            assert_eq!(SlideUrl::parse_prefix(text).unwrap_err(), expected, "{text}");
        }
        for (prefix, url, name) in [
            ("az://slides/a/", "az://slides/a/b/x.pt", Some("b/x.pt")),
            ("az://slides/", "az://slides/a/x.pt", Some("a/x.pt")),
            ("az://slides/a/", "az://slides/ab/x.pt", None),
            ("az://others/a/", "az://slides/a/x.pt", None),
            ("/data/", "/data/a/x.pt", Some("a/x.pt")),
            ("/data/", "/data", None),
            ("/data/", "az://data/a", None),
        ] {
            let (prefix, url) = (SlideUrl::parse_prefix(prefix).unwrap(), SlideUrl::parse(url));
            assert_eq!(url.unwrap().under(&prefix).as_deref(), name, "{prefix}");
        }
        let prefix = SlideUrl::parse_prefix("az://slides/a/").unwrap();
        for name in ["", "/x", "../x", "x/", "a//b"] {
            assert_eq!(prefix.join(name), Err(UrlError::Path), "{name}");
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
            ("https://host/x.svs?X-Amz-Signature=SECRET", UrlError::HoldsKey),
            ("https://user:SECRET@host/x.svs", UrlError::HoldsKey),
            ("x.svs?X-Goog-Credential=SECRET", UrlError::HoldsKey),
            ("ftp://host/x.svs", UrlError::Scheme { scheme: "ftp".into() }),
            ("s3://Bucket/x.svs", UrlError::Container),
            ("s3://bucket/", UrlError::Path),
            ("https://host/", UrlError::Path),
            ("https:///x.svs", UrlError::Path),
            ("https://host/a%2fx.svs", UrlError::Path),
            ("https://host/x.svs#page", UrlError::Path),
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
