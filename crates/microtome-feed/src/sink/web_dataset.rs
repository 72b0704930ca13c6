//! Patches as WebDataset: tar files of pictures and their descriptions, which appear whole, in order, and once.
//!
//! `DATASET-000000.tar` and so on hold for each patch one picture a view (`KEY.jpg`; `KEY.VIEW.jpg` where there are several)
//! and `KEY.json`. KEY is the patch's place in the stream. Beside them `DATASET.progress.json` says how many shards are
//! there and where the stream goes on after them: it is written before the first shard is begun and after each. A run that was
//! ended anywhere, even between a shard and that file, goes on from there and writes the next shard anew, byte for byte the
//! same. An output of other patches is refused by what differs. With `BySlide` and `Sequential` a slide's patches follow each
//! other, in one shard or in neighbouring ones.

mod picture;
mod record;
mod shard;
mod spec;
mod state;
mod writer;

pub use record::{Picture, Record, of_batch};
pub use spec::Spec;
pub use state::State;
pub use writer::{WebDataset, Written};

use microtome_slide::{SlideUrl, UrlError};

/// An output cannot be written, or is not this job's.
#[derive(Debug, thiserror::Error)]
pub enum WebDatasetError {
    /// The store.
    #[error(transparent)]
    Store(#[from] microtome_slide::Error),
    /// A name that the store cannot address.
    #[error("{folder}: no file can be named {name:?} there")]
    Name {
        /// The output's folder.
        folder: SlideUrl,
        /// The file's name.
        name: String,
        /// Why not.
        source: UrlError,
    },
    /// The file that says how far the output is holds something else.
    #[error(
        "{url}: is no progress that this version wrote: {problem}; give another spec.output.url, or remove the output"
    )]
    Progress {
        /// The file.
        url: SlideUrl,
        /// What is wrong with it.
        problem: String,
    },
    /// What is stored there is of another job.
    #[error(
        "{folder}: holds the output of another job: its {what} is {was}, this job's is {is}; give another spec.output.url, or remove it"
    )]
    Other {
        /// The output's folder.
        folder: SlideUrl,
        /// The field that differs.
        what: String,
        /// There.
        was: String,
        /// Here.
        is: String,
    },
    /// There are files of the same names that no progress speaks of.
    #[error("{url}: is in the way, and no progress file says whose it is; give another spec.output.url, or remove it")]
    InTheWay {
        /// One of them.
        url: SlideUrl,
    },
    /// A picture cannot be encoded.
    #[error("a patch cannot be encoded: {reason}")]
    Encode {
        /// What the encoder said.
        reason: String,
    },
}

impl WebDatasetError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Store(error) => error.category(),
            Self::Name { .. } => "InvalidOutput",
            Self::Progress { .. } | Self::Other { .. } | Self::InTheWay { .. } => "OutputMismatch",
            Self::Encode { .. } => "Encoder",
        }
    }
}
