//! What ends a stream.

use microtome_plan::checkpoint::CheckpointError;
use microtome_plan::shape::{BudgetError, Mebibytes};

/// Why a head stopped feeding.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FeedError {
    /// The budget cannot hold the shuffle.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The program wants to go on from another stream.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The budget cannot hold the shuffles of all datasets.
    #[error(
        "memory: the {datasets} datasets need {} together, the budget is {}; raise --memory (in a \
         cluster: the head's memory limit, of which the feed takes a quarter), or lower a batchSize or a view's size",
        Mebibytes(*needed), Mebibytes(*budget)
    )]
    Budgets {
        /// How many datasets there are.
        datasets: usize,
        /// What they need.
        needed: u64,
        /// What there is.
        budget: u64,
    },
    /// A patch was asked for of a slide that the dataset does not have.
    #[error("{url} is none of the dataset's slides")]
    UnknownSlide {
        /// The slide as asked for.
        url: String,
    },
    /// A slide cannot be read and the dataset says `onError: Fail`, or storage refuses everybody.
    #[error("{reason}")]
    Slide {
        /// The class of the reader's error.
        category: String,
        /// One line: file, place, what is wrong.
        reason: String,
    },
    /// No slide is left.
    #[error("no slide of {slides} can be read; the first: {reason}")]
    NoSlides {
        /// Slides of the dataset.
        slides: usize,
        /// The first one's reason.
        reason: String,
    },
    /// The slides give no patch.
    #[error("the dataset's sampling gives no patch on any of {slides} slides")]
    NoPatches {
        /// Slides that were opened.
        slides: usize,
    },
    /// The program's request is none.
    #[error("the program's request: {problem}")]
    Request {
        /// What is wrong with it.
        problem: String,
    },
    /// The head is going down.
    #[error("the feed was closed")]
    Closed,
}

impl FeedError {
    /// The class of the error, shared by events, logs and metrics.
    pub fn category(&self) -> &str {
        match self {
            Self::Budget(error) => error.category(),
            Self::Checkpoint(error) => error.category(),
            Self::Budgets { .. } => "Budget",
            Self::UnknownSlide { .. } => "UnknownSlide",
            Self::Slide { category, .. } => category,
            Self::NoSlides { .. } => "NoSlides",
            Self::NoPatches { .. } => "NoPatches",
            Self::Request { .. } => "Request",
            Self::Closed => "Closed",
        }
    }
}
