//! An apiserver in this process: objects with versions, watches, logs, and rights.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::answers;
use crate::exec::Command;
use crate::rights::{Binding, Right, Roles, roles};

/// The apiserver. Clones are the same one.
#[derive(Clone)]
pub(crate) struct ApiServer {
    state: Arc<Mutex<State>>,
    /// Counts what has happened.
    changes: watch::Sender<u64>,
    pub(crate) address: String,
}

pub(crate) struct State {
    /// By path: `/apis/microtome.dev/v1alpha1/namespaces/x/patchjobs/a`.
    pub(crate) objects: BTreeMap<String, Value>,
    pub(crate) version: u64,
    /// Version, path, type and object of each change.
    pub(crate) history: Vec<(u64, String, &'static str, Value)>,
    /// By pod.
    pub(crate) logs: BTreeMap<String, Log>,
    pub(crate) roles: Roles,
    pub(crate) bindings: Vec<Binding>,
    /// Rights that were asked for, and allowed or not.
    pub(crate) asked: Vec<(Right, bool)>,
    /// `METHOD PATH?QUERY` of each request.
    pub(crate) requests: Vec<String>,
    /// Who asked, where somebody was acted for.
    pub(crate) acted_as: Vec<(String, Vec<String>)>,
    /// A list that is made page by page instead of being kept.
    pub(crate) crowd: Option<Crowd>,
    pub(crate) command: Command,
    /// The next continuation of a list finds its snapshot gone.
    pub(crate) forgets_snapshot: bool,
}

/// Many jobs, each made when its page is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    pub(crate) count: usize,
    pub(crate) slides: usize,
}

/// What a container wrote.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) lines: Vec<String>,
    pub(crate) has_ended: bool,
    /// The connection breaks once after so many lines.
    pub(crate) breaks_after: Option<usize>,
}

impl ApiServer {
    /// On a port of this machine.
    pub(crate) async fn start(bindings: &[Binding]) -> Self {
        let state = State {
            objects: BTreeMap::new(),
            version: 1,
            history: Vec::new(),
            logs: BTreeMap::new(),
            roles: roles(),
            bindings: bindings.to_vec(),
            asked: Vec::new(),
            requests: Vec::new(),
            acted_as: Vec::new(),
            crowd: None,
            command: Command::default(),
            forgets_snapshot: false,
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { state: Arc::new(Mutex::new(state)), changes: watch::Sender::new(0), address };
        let router = Router::new().fallback(answers::answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Something has happened.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Puts an object there, or in place of the one that is there.
    pub(crate) fn put(&self, object: Value) -> Value {
        let object = self.lock().put(object);
        self.changed();
        object
    }

    /// Changes an object that is there.
    pub(crate) fn change(&self, path: &str, change: impl FnOnce(&mut Value)) {
        let mut object = self.lock().objects[path].clone();
        change(&mut object);
        self.put(object);
    }

    /// The log of a pod.
    pub(crate) fn log(&self, pod: &str, change: impl FnOnce(&mut Log)) {
        change(self.lock().logs.entry(pod.to_owned()).or_default());
        self.changed();
    }

    /// Waits until something is so; the tests' runner ends what never is.
    pub(crate) async fn until(&self, is_so: impl Fn(&State) -> bool) {
        let mut changes = self.changes();
        while !is_so(&self.lock()) {
            changes.changed().await.unwrap();
        }
    }

    /// Waits until such a request has come.
    pub(crate) async fn until_asked(&self, part: &str) {
        self.until(|state| state.requests.iter().any(|request| request.contains(part))).await;
    }
}

impl State {
    pub(crate) fn put(&mut self, mut object: Value) -> Value {
        self.version += 1;
        let path = path(&object);
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = json!(format!("uid-{}", self.version));
            object["metadata"]["creationTimestamp"] = json!("2026-03-02T12:00:00Z");
        }
        let event = if self.objects.contains_key(&path) { "MODIFIED" } else { "ADDED" };
        self.history.push((self.version, path.clone(), event, object.clone()));
        self.objects.insert(path, object.clone());
        object
    }

    pub(crate) fn remove(&mut self, path: &str) -> Option<Value> {
        let object = self.objects.remove(path)?;
        self.version += 1;
        self.history.push((self.version, path.to_owned(), "DELETED", object.clone()));
        Some(object)
    }
}

/// Where an object is.
pub(crate) fn path(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind, name) = (text(&object["apiVersion"]), text(&object["kind"]), text(&object["metadata"]["name"]));
    let root = if version == "v1" { "/api/v1".to_owned() } else { format!("/apis/{version}") };
    let plural = format!("{}s", kind.to_lowercase());
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}/{name}"),
        None => format!("{root}/{plural}/{name}"),
    }
}
