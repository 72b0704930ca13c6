//! `/metrics`, and `/healthz`: the process answers. `/readyz`: all watches are complete, so that this operator leads or can at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use crate::metrics;

/// Whether the operator does its work.
#[derive(Clone, Default)]
pub(crate) struct Readiness(Arc<AtomicBool>);

impl Readiness {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn status(&self) -> StatusCode {
        if self.0.load(Ordering::Acquire) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    }
}

/// Serves until `stop`.
pub(crate) async fn serve(
    address: SocketAddr,
    readiness: Readiness,
    registry: Registry,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let registry = Arc::new(registry);
    let scrape = move || async move { ([(CONTENT_TYPE, metrics::OPEN_METRICS)], metrics::encode(&registry)) };
    let router = Router::new()
        .route("/metrics", get(scrape))
        .route("/healthz", get(|| async { StatusCode::OK }))
        .route("/readyz", get(move || async move { readiness.status() }));
    axum::serve(TcpListener::bind(address).await?, router).with_graceful_shutdown(stop).await
}
