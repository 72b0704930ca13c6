//! One watch a kind: a store that every part reads, and listeners that hear of every change after the store has it.
//!
//! Every object is decoded behind a guard: one that cannot be decoded is passed over and logged, and stalls nobody.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

use futures::TryStreamExt;
use kube::Api;
use kube::api::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tracing::warn;

/// What a kind must be to be watched.
pub(crate) trait Watchable:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
}
impl<K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static> Watchable for K {}

type Listener<K> = Box<dyn Fn(&DeserializeGuard<K>) + Send + Sync>;

/// A watch that was not yet started.
pub(crate) struct Watch<K: Watchable> {
    api: Api<DeserializeGuard<K>>,
    config: Config,
    reader: Reader<K>,
    writer: Writer<DeserializeGuard<K>>,
    listed: tokio::sync::watch::Sender<bool>,
    listeners: Vec<Listener<K>>,
    trim: fn(&mut K),
}

/// What a watch has seen.
#[derive(Clone)]
pub(crate) struct Reader<K: Watchable> {
    store: Store<DeserializeGuard<K>>,
    /// True once all objects of the first listing are there. The store's own future serves one waiter only.
    listed: tokio::sync::watch::Receiver<bool>,
}

impl<K: Watchable> Watch<K> {
    pub(crate) fn new(api: Api<DeserializeGuard<K>>, config: Config) -> Self {
        let (store, writer) = store();
        let (listed, receiver) = tokio::sync::watch::channel(false);
        let reader = Reader { store, listed: receiver };
        Self { api, config, reader, writer, listed, listeners: Vec::new(), trim: |_| {} }
    }

    /// Keeps of each object only what `trim` leaves.
    pub(crate) fn trimmed(self, trim: fn(&mut K)) -> Self {
        Self { trim, ..self }
    }

    pub(crate) fn reader(&self) -> Reader<K> {
        self.reader.clone()
    }

    /// Calls `listener` with every object that was added, changed or deleted.
    pub(crate) fn listen(&mut self, listener: impl Fn(&DeserializeGuard<K>) + Send + Sync + 'static) {
        self.listeners.push(Box::new(listener));
    }

    /// Watches until `stop`.
    pub(crate) async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let events = watcher(self.api.clone(), self.config.clone()).default_backoff();
        let mut events = std::pin::pin!(events);
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                event = events.try_next() => match event {
                    Ok(Some(event)) => self.take(event),
                    Ok(None) => return,
                    Err(error) => warn!(kind = %K::kind(&()), error = crate::logs::chain(&error), "watch interrupted"),
                },
            }
        }
    }

    fn take(&mut self, mut event: Event<DeserializeGuard<K>>) {
        if let Event::Apply(object) | Event::Delete(object) | Event::InitApply(object) = &mut event {
            // Nobody reads them and they are half of an object.
            object.meta_mut().managed_fields = None;
            if let Ok(object) = &mut object.0 {
                (self.trim)(object);
            }
            if let Err(invalid) = &object.0 {
                let (kind, name) = (K::kind(&()), object.name_any());
                warn!(%kind, namespace = object.namespace(), name, error = invalid.error, "object passed over");
            }
        }
        // Objects that went while the watch was interrupted are only missed here.
        let before = if matches!(event, Event::InitDone) { self.reader.store.state() } else { Vec::new() };
        self.writer.apply_watcher_event(&event);
        match &event {
            Event::Apply(object) | Event::Delete(object) => self.tell(object),
            Event::InitDone => {
                let mut touched: HashMap<_, _> = before.into_iter().map(|o| (ObjectRef::from_obj(&*o), o)).collect();
                touched.extend(self.reader.store.state().into_iter().map(|o| (ObjectRef::from_obj(&*o), o)));
                self.listed.send_replace(true);
                touched.values().for_each(|object| self.tell(object));
            }
            Event::Init | Event::InitApply(_) => {}
        }
    }

    fn tell(&self, object: &DeserializeGuard<K>) {
        for listener in &self.listeners {
            listener(object);
        }
    }
}

impl<K: Watchable> Reader<K> {
    /// Waits until all objects of the first listing are there. Ends early only when the watch ended.
    pub(crate) async fn ready(&self) {
        if self.listed.clone().wait_for(|&listed| listed).await.is_err() {
            warn!(kind = %K::kind(&()), "watch ended before it was complete");
        }
    }

    /// What a watch would have seen.
    #[cfg(test)]
    pub(crate) fn of(objects: Vec<K>) -> Self {
        let (store, mut writer) = store();
        writer.apply_watcher_event(&Event::Init);
        for object in objects {
            writer.apply_watcher_event(&Event::InitApply(DeserializeGuard(Ok(object))));
        }
        writer.apply_watcher_event(&Event::InitDone);
        Self { store, listed: tokio::sync::watch::channel(true).1 }
    }

    /// A decoded object of a namespaced kind.
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<K> {
        self.decoded(&ObjectRef::new(name).within(namespace))
    }

    /// A decoded object of a cluster-scoped kind.
    pub(crate) fn get_global(&self, name: &str) -> Option<K> {
        self.decoded(&ObjectRef::new(name))
    }

    /// All decoded objects that `keep` keeps, by namespace and name.
    pub(crate) fn filter(&self, keep: impl Fn(&K) -> bool) -> Vec<K> {
        self.read(|object| keep(object).then(|| object.clone()))
    }

    /// What `read` finds in each decoded object, by namespace and name. Nothing is copied that is not read.
    pub(crate) fn read<T>(&self, read: impl Fn(&K) -> Option<T>) -> Vec<T> {
        let objects = self.store.state();
        let decoded = objects.iter().filter_map(|object: &Arc<_>| object.0.as_ref().ok());
        let mut found: Vec<(&ObjectMeta, T)> =
            decoded.filter_map(|object| Some((object.meta(), read(object)?))).collect();
        found.sort_by(|(one, _), (other, _)| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
        found.into_iter().map(|(_, read)| read).collect()
    }

    /// The store, for a controller.
    pub(crate) fn store(&self) -> Store<DeserializeGuard<K>> {
        self.store.clone()
    }

    fn decoded(&self, key: &ObjectRef<DeserializeGuard<K>>) -> Option<K> {
        self.store.get(key).and_then(|object| object.0.as_ref().ok().cloned())
    }
}
