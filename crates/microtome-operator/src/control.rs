//! The server that heads dial: who they are, what they report, and when they may go.
//!
//! A report is a tenant's word: it is believed about the reporting head's own job and about nothing else. Nothing here
//! writes objects; what was reported waits in memory until the job's controller writes it down.

pub(crate) mod authority;
pub(crate) mod desires;
pub(crate) mod endpoint;
mod follow;
pub(crate) mod hub;
mod identity;
mod report;
pub(crate) mod server;

/// The protocol, as generated from `microtome-api/proto/control.proto`.
#[expect(unreachable_pub, unused_qualifications, reason = "generated")]
mod wire {
    tonic::include_proto!("microtome.control.v1");
}
