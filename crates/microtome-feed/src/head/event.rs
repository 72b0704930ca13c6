//! What an actor hears from connections and from the program's side.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use microtome_plan::checkpoint::Start;
use microtome_plan::desk::asked::Spec;
use microtome_plan::lease::WorkerId;
use tokio::sync::{mpsc, oneshot};

use crate::wire::feed::{Done, Failed, HeadMessage, Lease, Resolved, Selected};

/// What happens to a dataset.
#[derive(Debug)]
pub(super) enum Event {
    Joined {
        worker: WorkerId,
        slots: u32,
        /// Leases that it decodes at once.
        threads: u32,
        outbox: mpsc::UnboundedSender<HeadMessage>,
    },
    Left {
        worker: WorkerId,
    },
    Answered(Answer),
    /// The worker takes no more leases.
    Retiring {
        worker: WorkerId,
        /// Shared by all datasets: whose is the last tells the worker that no lease is on its way any more.
        all: Arc<()>,
    },
    /// A worker gives a lease back undone.
    Returned {
        lease: u64,
        attempt: u32,
    },
    /// The program wants the first batch of a reading, which counts from 1.
    Open {
        reading: u64,
        start: Option<Start>,
    },
    /// The program dropped a batch.
    Released {
        patches: usize,
    },
    /// The program asks for patches.
    Asked {
        round: Vec<Spec>,
    },
    /// The program asks for nothing more.
    Closed,
    /// No more work will come here. The workers are let go, to come again for other work.
    Dismiss,
    /// No more work will come. Answered, by being dropped, when the last worker has gone.
    Drain {
        gone: oneshot::Sender<()>,
    },
}

/// What a worker says of a lease. Leases are numbered within their dataset.
#[derive(Debug)]
pub(super) enum Answer {
    Part {
        lease: u64,
        attempt: u32,
        patches: Vec<Pixels>,
        /// What checking and copying them took.
        copy: Duration,
    },
    Done(Done),
    Selected(Selected),
    Resolved(Resolved),
    Failed(Failed),
}

/// One patch's pixels, checked.
#[derive(Clone, Debug)]
pub(super) struct Pixels {
    pub(super) bytes: Bytes,
    pub(super) crc32: u32,
}

/// A lease for a worker, as it goes over the wire.
pub(super) type Granted = (WorkerId, Lease);
