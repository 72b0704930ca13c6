//! What doing a lease needs and may end with.

use tokio::sync::mpsc;

use crate::wire::feed::WorkerMessage;

/// Where a lease's task sends what it has.
pub(super) type Outbox = mpsc::Sender<WorkerMessage>;

/// Why a lease cannot be done.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) category: String,
    pub(super) reason: String,
}

impl Refusal {
    /// For an error that says, with what is under it, in one line what is wrong.
    pub(super) fn new(category: &str, error: &dyn std::error::Error) -> Self {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let said = error.to_string();
            if !reason.contains(&said) {
                reason = format!("{reason}: {said}");
            }
            cause = error.source();
        }
        Self { category: category.to_owned(), reason }
    }
}

impl From<microtome_slide::Error> for Refusal {
    fn from(error: microtome_slide::Error) -> Self {
        match error {
            // The store's own page says the same once more, at length.
            microtome_slide::Error::NotFound { .. } => {
                Self { category: error.category().to_owned(), reason: error.to_string() }
            }
            error => Self::new(error.category(), &error),
        }
    }
}
