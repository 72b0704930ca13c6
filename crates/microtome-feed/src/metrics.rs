//! The metrics of head and worker, and the port on which they are asked for.
//!
//! Names are `microtome_<part>_<noun>_<unit|total>`; labels are of fixed sets, and no slide is ever named.
//! `metrics.txt` beside the sources lists them all.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::engine::EngineError;
use crate::head::{Ledger, Snapshot};
use crate::memory::peak_resident_bytes;
use crate::worker::Totals;

/// The exposition format that the library writes.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A metric at one moment.
#[derive(Debug)]
pub struct Metric {
    /// Without `_total`, which counters get.
    name: &'static str,
    help: &'static str,
    kind: Kind,
    samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Counter,
    Gauge,
}

#[derive(Debug)]
struct Sample {
    label: Option<(&'static str, &'static str)>,
    value: f64,
}

/// What is asked for the metrics at each look.
struct Source(Box<dyn Fn() -> Vec<Metric> + Send + Sync>);

/// Serves `/metrics`, and `/healthz`, which answers as long as the process does, until the runtime ends.
///
/// # Errors
/// Where the address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    metrics: impl Fn() -> Vec<Metric> + Send + Sync + 'static,
) -> Result<SocketAddr, EngineError> {
    let failed = |source| EngineError::Listen { address: address.to_string(), source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Source(Box::new(metrics))));
    let registry = Arc::new(registry);
    let scrape = move || async move { ([(CONTENT_TYPE, OPEN_METRICS)], encode(&registry)) };
    let router = Router::new().route("/healthz", get(|| async { "ok\n" })).route("/metrics", get(scrape));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "metrics are no longer served");
        }
    });
    Ok(local)
}

/// What a head has done.
pub fn head(stats: &Snapshot) -> Vec<Metric> {
    let slides = [("ok", stats.slides as f64), ("quarantined", stats.quarantined.len() as f64)];
    vec![
        counter("microtome_head_patches", "Patches that the program got", stats.patches as f64),
        counter("microtome_head_batches", "Batches that the program got", stats.batches as f64),
        counter("microtome_head_bad_patches", "Patches whose tiles cannot be decoded", stats.bad_patches as f64),
        gauge("microtome_head_planned_patches", "Patches of all epochs", stats.patches_total as f64),
        gauge("microtome_head_workers", "Workers that are connected", stats.workers as f64),
        labelled(Kind::Gauge, "microtome_head_slides", "Slides that were looked at", "state", &slides),
        counter("microtome_head_requeued_leases", "Leases that a lost worker had", stats.requeued as f64),
        counter("microtome_head_stale_deliveries", "Answers that came late or twice", stats.stale as f64),
        gauge("microtome_head_peak_held_bytes", "Most bytes of patches held at once", stats.peak_bytes as f64),
        ledger("microtome_head_waiting_seconds", "Time that the program waited for patches", "cause", &stats.waiting),
        ledger("microtome_head_leases_seconds", "Time that leases took", "phase", &stats.leases),
        counter("microtome_head_storage_requests", "Requests to storage by all workers", stats.requests as f64),
        counter("microtome_head_storage_bytes", "Bytes read from storage by all workers", stats.bytes as f64),
        counter("microtome_head_decoded_tiles", "Tiles decoded by all workers", stats.tiles as f64),
        resident("microtome_head_peak_resident_bytes"),
    ]
}

/// What a worker has done.
pub fn worker(totals: &Totals) -> Vec<Metric> {
    let leases = [("done", totals.done as f64), ("failed", totals.failed as f64), ("returned", totals.returned as f64)];
    let spent = &totals.spent;
    let seconds = |micros: u64| micros as f64 / 1e6;
    let phases = [
        ("storage", seconds(spent.storage_us)),
        ("queue", seconds(spent.queue_us)),
        ("decode", seconds(spent.decode_us)),
    ];
    vec![
        labelled(Kind::Counter, "microtome_worker_leases", "Leases by how they ended", "outcome", &leases),
        counter("microtome_worker_patches", "Patches that were cut", totals.patches as f64),
        counter("microtome_worker_bad_patches", "Patches whose tiles cannot be decoded", totals.bad_patches as f64),
        labelled(Kind::Counter, "microtome_worker_phase_seconds", "Time that leases took here", "phase", &phases),
        counter("microtome_worker_storage_requests", "Requests to storage", spent.requests as f64),
        counter("microtome_worker_storage_bytes", "Bytes read from storage", spent.bytes as f64),
        counter("microtome_worker_decoded_tiles", "Tiles that were decoded", spent.tiles as f64),
        resident("microtome_worker_peak_resident_bytes"),
    ]
}

fn counter(name: &'static str, help: &'static str, value: f64) -> Metric {
    Metric { name, help, kind: Kind::Counter, samples: vec![Sample { label: None, value }] }
}

fn gauge(name: &'static str, help: &'static str, value: f64) -> Metric {
    Metric { name, help, kind: Kind::Gauge, samples: vec![Sample { label: None, value }] }
}

fn labelled(
    kind: Kind,
    name: &'static str,
    help: &'static str,
    label: &'static str,
    values: &[(&'static str, f64)],
) -> Metric {
    let sample = |(which, value): &(&'static str, f64)| Sample { label: Some((label, which)), value: *value };
    Metric { name, help, kind, samples: values.iter().map(sample).collect() }
}

fn ledger(name: &'static str, help: &'static str, label: &'static str, ledger: &Ledger) -> Metric {
    let parts = [
        ("storage", ledger.storage),
        ("decode", ledger.decode),
        ("queue", ledger.queue),
        ("network", ledger.network),
        ("copy", ledger.copy),
    ];
    labelled(Kind::Counter, name, help, label, &parts.map(|(part, time)| (part, time.as_secs_f64())))
}

fn resident(name: &'static str) -> Metric {
    gauge(name, "Most memory that was resident at once", peak_resident_bytes() as f64)
}

fn encode(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, registry);
    text
}

fn write(kind: Kind, value: f64, encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
    match kind {
        Kind::Counter => ConstCounter::new(value).encode(encoder),
        Kind::Gauge => ConstGauge::new(value).encode(encoder),
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source")
    }
}

impl Collector for Source {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for metric in (self.0)() {
            let kind = match metric.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
            };
            let mut of_name = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
            if let [Sample { label: None, value }] = metric.samples[..] {
                write(metric.kind, value, of_name)?;
                continue;
            }
            for Sample { label, value } in &metric.samples {
                let labels: Vec<(&str, &str)> = label.iter().copied().collect();
                write(metric.kind, *value, of_name.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends there")]
mod tests {
    use super::*;

    /// Every name with its labels, type and help: what dashboards and alerts hold on to.
    fn listed(metrics: fn() -> Vec<Metric>) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Source(Box::new(metrics))));
        let text = encode(&registry);
        let lines = text.lines().filter(|line| *line != "# EOF").map(|line| {
            let value = line.rfind(' ').filter(|_| !line.starts_with('#')).unwrap_or(line.len());
            format!("{}\n", &line[..value])
        });
        lines.collect()
    }

    #[test]
    fn the_list_of_metrics_is_the_one_that_is_written_down() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/metrics.txt");
        let found = listed(|| head(&Snapshot::default())) + &listed(|| worker(&Totals::default()));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, &found).unwrap();
        }
        assert_eq!(found, std::fs::read_to_string(path).unwrap(), "UPDATE=1 writes the list anew");
        assert!(found.lines().filter(|line| !line.starts_with('#')).all(|line| line.starts_with("microtome_")));
    }
}
