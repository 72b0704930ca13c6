//! The errors of this crate: of a whole slide or request ([`Error`]) and of one patch ([`PatchError`]).
//!
//! Messages are one line and name the URL, which is patient data: log [`SlideUrl::hash`] where others may read.

use crate::{Cause, Fault, SlideUrl};

/// Why a slide cannot be opened, or a request not be served at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes of the slide are not what can be read; see the fault's kind.
    #[error("cannot read {url}: {fault}")]
    Slide {
        /// The slide.
        url: SlideUrl,
        /// What is wrong, and where.
        fault: Fault,
    },
    /// The request itself cannot be served by this slide.
    #[error("cannot plan patches of {url}: {what}")]
    Request {
        /// The slide.
        url: SlideUrl,
        /// What is wrong with the request.
        what: String,
    },
    /// A scale in micrometres, of a slide that does not say its own.
    #[error(
        "{url} does not say its resolution, and a scale in micrometres per pixel needs it; the manifest may give the mpp"
    )]
    NoMpp {
        /// The slide.
        url: SlideUrl,
    },
    /// The blob was replaced since it was opened, or is not the one that was pinned.
    #[error("{url} has changed since it was pinned: ETag {pinned} became {found}")]
    Changed {
        /// The slide.
        url: SlideUrl,
        /// The ETag that was pinned, or `none`.
        pinned: String,
        /// The ETag that the blob has now, or `none`.
        found: String,
    },
    /// The store refused the credentials, or they do not allow this with this blob (401, 403).
    #[error("not allowed to {operation} {url}")]
    Denied {
        /// The slide.
        url: SlideUrl,
        /// What was tried, as a verb.
        operation: &'static str,
        /// What the store said.
        #[source]
        source: Cause,
    },
    /// There is no such blob or file.
    #[error("{url} does not exist")]
    NotFound {
        /// The slide.
        url: SlideUrl,
        /// What the store said.
        #[source]
        source: Cause,
    },
    /// A store of this kind cannot do this at all.
    #[error("cannot {operation} {url}: {what}")]
    Impossible {
        /// The object or prefix.
        url: SlideUrl,
        /// What was tried, as a verb.
        operation: &'static str,
        /// Why not, and what to do instead.
        what: &'static str,
    },
    /// Any other failure of the store, after its retries.
    #[error("cannot {operation} {url}")]
    Storage {
        /// The slide.
        url: SlideUrl,
        /// What was tried, as a verb.
        operation: &'static str,
        /// What the store said.
        #[source]
        source: Cause,
    },
}

impl Error {
    pub(crate) fn slide(url: &SlideUrl, fault: Fault) -> Self {
        Self::Slide { url: url.clone(), fault }
    }

    /// The class of the error, shared by event, log and metric: `NotASlide`, `Unsupported`, `Truncated`, `Malformed`,
    /// `Limit`, `Request`, `NoMpp`, `Changed`, `Denied`, `NotFound` or `Storage`.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Slide { fault, .. } => fault.kind.category(),
            Self::Request { .. } => "Request",
            Self::NoMpp { .. } => "NoMpp",
            Self::Changed { .. } => "Changed",
            Self::Denied { .. } => "Denied",
            Self::NotFound { .. } => "NotFound",
            Self::Impossible { .. } => "Unsupported",
            Self::Storage { .. } => "Storage",
        }
    }

    /// The slide that the error is about.
    pub fn url(&self) -> &SlideUrl {
        match self {
            Self::Slide { url, .. }
            | Self::Request { url, .. }
            | Self::NoMpp { url }
            | Self::Changed { url, .. }
            | Self::Denied { url, .. }
            | Self::NotFound { url, .. }
            | Self::Impossible { url, .. }
            | Self::Storage { url, .. } => url,
        }
    }
}

/// Why one patch has no pixels although the request was served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read a patch of {url}: {fault}")]
pub struct PatchError {
    /// The slide.
    pub url: SlideUrl,
    /// What is wrong, with directory, tile and byte offset.
    pub fault: Fault,
}

impl PatchError {
    /// The class of the error; one of the classes of [`Error::category`].
    pub fn category(&self) -> &'static str {
        self.fault.kind.category()
    }
}
