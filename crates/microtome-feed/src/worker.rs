//! A worker: dials a head, takes leases, opens slides, cuts patches, pushes them. Stateless; it may die at any time.
//!
//! IO runs on the async runtime, decoding on blocking threads of which only as many run as there are cores, so that pixels
//! never hold up a socket.

mod cut;
mod lease;
mod meter;
mod resolve;
mod select;
mod session;
mod slides;
mod stop;
mod tissue;
mod totals;

use std::sync::Arc;
use std::time::Duration;

use microtome_slide::{IndexCache, Limits, RangeCache, Stores, TileCache};
use tokio::sync::Semaphore;
use tonic::transport::Channel;

use crate::buffers::Buffers;

pub use meter::Meter;
pub use session::{Ended, SessionError};
pub use stop::Stop;
pub use totals::Totals;

use slides::Slides;
use totals::Counters;

/// The first pause before dialling again; doubled up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// A head that starts takes seconds; dialling it every second costs nothing.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Compressed bytes kept for leases to come, counted in the worker's memory: some 6,500 tiles of 10 KB, which is a band of
/// tile rows over the widest slides, so that a lease finds what its neighbour has fetched.
const CACHE_BYTES: u64 = 64 << 20;

/// Decoded pixels kept for leases to come of a scan: what is still needed of a row of tiles over a slide 80,000 px wide.
const TILE_CACHE_BYTES: u64 = 64 << 20;

/// Indexes of slides that were open before: some 3 bytes a tile.
const INDEX_CACHE_BYTES: u64 = 16 << 20;

/// The stores with the caches that workers of one process share.
pub(crate) fn caching(stores: Stores) -> Stores {
    let indexes = IndexCache::new(INDEX_CACHE_BYTES);
    stores
        .caching(RangeCache::new(CACHE_BYTES))
        .caching_tiles(TileCache::new(TILE_CACHE_BYTES))
        .caching_indexes(indexes)
}

/// Leases that a thread has at once: one is decoded, the others are fetched. A thread decodes some 2,000 random patches a
/// second, which are 1,000 requests; so 30 ms are hidden by 32 that are under way, of leases of up to four. The rest covers
/// what is waiting for a decoder, and that requests do not come evenly: with eight leases, a reader at 80 % of what two
/// threads can decode waited for 10 to 20 % of the time.
const LEASES_A_THREAD: usize = 12;
/// Leases of a thread that are decoded or being decoded: while one is sent, the next is decoded.
const DECODED_A_THREAD: usize = 2;

/// What a worker keeps between leases and streams.
#[derive(Clone, Debug)]
pub struct Worker {
    limits: Limits,
    slides: Arc<Slides>,
    decoders: Arc<Semaphore>,
    /// What is decoded and not sent yet takes room; so a slow head bounds memory.
    room: Arc<Semaphore>,
    slots: u32,
    threads: u32,
    pixels: Buffers,
    counters: Arc<Counters>,
    meter: Option<Arc<Meter>>,
}

impl Worker {
    /// A worker that decodes on `threads` threads. It uses the caches of `stores`; without them it has its own.
    pub fn new(stores: Stores, threads: usize) -> Self {
        Self {
            slides: Arc::new(Slides::new(caching(stores))),
            limits: Limits::default(),
            counters: Arc::default(),
            meter: None,
            pixels: Buffers::default(),
            decoders: Arc::new(Semaphore::new(threads)),
            room: Arc::new(Semaphore::new(threads * DECODED_A_THREAD)),
            slots: u32::try_from(threads * LEASES_A_THREAD).unwrap_or(u32::MAX),
            threads: u32::try_from(threads).unwrap_or(u32::MAX),
        }
    }

    /// Tells heads how much of its CPU this worker uses: for one that has a process of its own.
    #[must_use]
    pub fn metered(self, meter: Meter) -> Self {
        Self { meter: Some(Arc::new(meter)), ..self }
    }

    /// The CPU that was used since this was asked last, in microseconds of all of it; 0 where nobody measures.
    fn lap_us(&self) -> u64 {
        self.meter.as_ref().map_or(0, |meter| meter.lap().as_micros() as u64)
    }

    /// What it has done so far, on all its streams.
    pub fn totals(&self) -> Totals {
        self.counters.totals()
    }

    /// Serves one stream after another until the head says that no more work will come, or this worker is told to stop.
    pub async fn run(&self, channel: Channel, mut stop: Stop) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.serve(channel.clone(), &mut stop).await {
                Ok(Ended::Drained | Ended::Stopped) => return,
                Ok(Ended::Closed { served }) => {
                    tracing::info!(leases = served, "stream closed");
                    if served > 0 {
                        pause = FIRST_PAUSE;
                    }
                }
                Err(error) => {
                    tracing::info!(error = error.status().message(), pause_ms = pause.as_millis() as u64, "no stream");
                }
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.told() => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
