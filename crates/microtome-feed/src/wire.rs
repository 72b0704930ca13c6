//! The protocols' generated types, and the settings of both ends of a stream.

use std::time::Duration;

use tonic::transport::{Endpoint, Server};

/// Head and workers.
#[expect(missing_docs, unused_qualifications, reason = "generated; the documentation is in feed.proto")]
pub mod feed {
    tonic::include_proto!("microtome.feed.v1");
}

/// Head and operator.
#[expect(missing_docs, unused_qualifications, reason = "generated; the documentation is in control.proto")]
pub mod control {
    tonic::include_proto!("microtome.control.v1");
}

/// Both sides of a stream must name the same.
pub const PROTOCOL: u32 = 2;

/// A part of a lease is about this large: the first pixels flow early, and messages stay small.
pub const PART_BYTES: usize = 4 << 20;

/// The largest message. One patch may be larger than [`PART_BYTES`] (8192² px RGB is 192 MiB); everything else is smaller:
/// ten million selected coordinates are at most 100 MiB.
pub const MESSAGE_BYTES: usize = 200 << 20;

/// One window a stream: at 1 ms of round trip, 32 MiB allow 32 GB/s, so the window never limits a link.
const WINDOW_BYTES: u32 = 32 << 20;

/// Large frames halve the receiver's work against HTTP/2's 16 KiB.
const FRAME_BYTES: u32 = 1 << 20;

/// A peer that is silent for these two together is gone.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// A server whose streams carry pixels.
pub fn server() -> Server {
    Server::builder()
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .http2_keepalive_interval(Some(KEEPALIVE.0))
        .http2_keepalive_timeout(Some(KEEPALIVE.1))
        .tcp_nodelay(true)
}

/// The settings of a client of such a server.
pub fn endpoint(endpoint: Endpoint) -> Endpoint {
    endpoint
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .http2_keep_alive_interval(KEEPALIVE.0)
        .keep_alive_timeout(KEEPALIVE.1)
        .connect_timeout(Duration::from_secs(5))
        .tcp_nodelay(true)
}
