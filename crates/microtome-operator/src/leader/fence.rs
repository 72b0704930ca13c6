//! Lets a client write only while the lease is held: an operator that was frozen and wakes up writes nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::{BoxFuture, FutureExt};
use kube::client::Body;
use tower::{BoxError, Layer, Service};

/// The lease is over, so nothing may be written.
#[derive(Debug, thiserror::Error)]
#[error("this operator does not hold the lease, so it writes nothing")]
pub(crate) struct Closed;

/// Open until a moment. Clones are one fence.
#[derive(Clone, Debug)]
pub(crate) struct Fence {
    start: Instant,
    /// Milliseconds after `start`.
    until: Arc<AtomicU64>,
}

impl Default for Fence {
    fn default() -> Self {
        Self { start: Instant::now(), until: Arc::default() }
    }
}

impl Fence {
    /// Lets writes through until `moment`.
    pub(crate) fn open_until(&self, moment: Instant) {
        self.until.store(milliseconds(moment.saturating_duration_since(self.start)), Ordering::Release);
    }

    fn is_open(&self) -> bool {
        milliseconds(self.start.elapsed()) < self.until.load(Ordering::Acquire)
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl<S> Layer<S> for Fence {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Fenced<S> {
        Fenced { fence: self.clone(), inner }
    }
}

/// A client behind a [`Fence`].
#[derive(Clone, Debug)]
pub(crate) struct Fenced<S> {
    fence: Fence,
    inner: S,
}

impl<S, R> Service<http::Request<Body>> for Fenced<S>
where
    S: Service<http::Request<Body>, Response = R>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    R: Send + 'static,
{
    type Response = R;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<R, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.method() != http::Method::GET && !self.fence.is_open() {
            return futures::future::ready(Err(Closed.into())).boxed();
        }
        self.inner.call(request).map(|answer| answer.map_err(Into::into)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sent(fence: &Fence, method: http::Method) -> bool {
        let apiserver = tower::service_fn(|_: http::Request<Body>| async { Ok::<_, BoxError>(()) });
        let request = http::Request::builder().method(method).body(Body::empty()).unwrap();
        fence.layer(apiserver).call(request).await.is_ok()
    }

    #[tokio::test]
    async fn nothing_is_written_before_the_lease_is_held_or_after_it_is_over() {
        let fence = Fence::default();
        assert!(sent(&fence, http::Method::GET).await, "reading is free");
        assert!(!sent(&fence, http::Method::PATCH).await);
        fence.open_until(Instant::now() + Duration::from_secs(60));
        assert!(sent(&fence, http::Method::PATCH).await && sent(&fence, http::Method::POST).await);
        fence.open_until(Instant::now());
        assert!(!sent(&fence, http::Method::DELETE).await);
    }
}
