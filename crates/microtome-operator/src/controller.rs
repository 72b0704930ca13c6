//! The keyed work queue under every controller: one object at a time each, several objects at once, retries on error.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use kube::ResourceExt;
use kube::core::DeserializeGuard;
use kube::runtime::applier;
use kube::runtime::controller::{Action, Config, Error as ApplierError};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tracing::{debug, warn};

use crate::context::Context;
use crate::metrics::Pass;
use crate::watch::{Reader, Watchable};
use crate::{logs, write};

/// Enough to hide the apiserver's latency, few enough not to crowd it.
const CONCURRENCY: u16 = 4;
/// Events of one object come in bursts; one pass does for all of them.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// After a lost race the watch is about to bring the newer object; an earlier owner's object is about to go.
const RETRY_CONFLICT: Duration = Duration::from_millis(500);
const RETRY_ERROR: Duration = Duration::from_secs(5);

/// Asks for a pass over objects of one kind.
pub(crate) struct Waker<K: Watchable>(UnboundedSender<ObjectRef<DeserializeGuard<K>>>);

/// The other end of a [`Waker`].
pub(crate) type Wakes<K> = UnboundedReceiver<ObjectRef<DeserializeGuard<K>>>;

impl<K: Watchable> Clone for Waker<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Watchable> Waker<K> {
    pub(crate) fn new() -> (Self, Wakes<K>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    /// Asks for a pass over a namespaced object.
    pub(crate) fn wake(&self, namespace: &str, name: &str) {
        // No receiver: the operator is stopping.
        let _ = self.0.send(ObjectRef::new(name).within(namespace));
    }

    /// Asks for a pass over an object.
    pub(crate) fn wake_object(&self, object: &DeserializeGuard<K>) {
        let _ = self.0.send(ObjectRef::from_obj(object));
    }

    /// Asks for a pass over all objects.
    pub(crate) fn wake_all(&self, reader: &Reader<K>) {
        for object in reader.store().state() {
            self.wake_object(&object);
        }
    }
}

/// What a controller runs with.
pub(crate) struct Work<K: Watchable> {
    pub(crate) reader: Reader<K>,
    pub(crate) wakes: Wakes<K>,
    pub(crate) context: Arc<Context>,
}

/// Runs `reconcile` on every object that is asked for, until `stop`; then waits for the passes under way.
pub(crate) async fn run<K, Running, Stop>(work: Work<K>, stop: Stop, reconcile: fn(Arc<K>, Arc<Context>) -> Running)
where
    K: Watchable,
    Running: Future<Output = Result<Action, write::Error>> + Send + 'static,
    Stop: Future<Output = ()> + Send,
{
    let queue = UnboundedReceiverStream::new(work.wakes).map(Ok::<_, Infallible>).take_until(Box::pin(stop));
    let step = move |object: Arc<DeserializeGuard<K>>, context: Arc<Context>| {
        async move {
            let Ok(object) = &object.0 else {
                // Already logged by the watch; it comes back when it is mended.
                return Ok(Action::await_change());
            };
            let pass = reconcile(Arc::new(object.clone()), context.clone());
            context.metrics.measured(&K::kind(&()).to_ascii_lowercase(), pass, judge).await
        }
        .boxed()
    };
    let config = Config::default().concurrency(CONCURRENCY).debounce(DEBOUNCE);
    let passes = applier(step, retry, work.context, work.reader.store(), queue, config);
    passes
        .for_each(|pass| async move {
            match pass {
                Ok((object, _)) => debug!(kind = %K::kind(&()), %object, "reconciled"),
                Err(ApplierError::ObjectNotFound(object)) => debug!(kind = %K::kind(&()), %object, "object is gone"),
                Err(error) => debug!(kind = %K::kind(&()), error = logs::chain(&error), "pass ended early"),
            }
        })
        .await;
}

fn judge(ended: &Result<Action, write::Error>) -> Pass {
    match ended {
        Ok(action) if *action == Action::await_change() => Pass::Done,
        Ok(_) => Pass::Requeued,
        Err(_) => Pass::Failed,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is kube's")]
fn retry<K: Watchable>(object: Arc<DeserializeGuard<K>>, error: &write::Error, _context: Arc<Context>) -> Action {
    if error.passes_by_itself() {
        return Action::requeue(RETRY_CONFLICT);
    }
    let (kind, name) = (K::kind(&()), object.name_any());
    let (category, error) = (error.category(), logs::chain(error));
    warn!(%kind, namespace = object.namespace(), name, category, error, "reconcile failed");
    Action::requeue(RETRY_ERROR)
}
