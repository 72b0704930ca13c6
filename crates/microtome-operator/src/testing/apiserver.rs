//! An apiserver in memory: objects with uids and versions, the writes that the operator uses, and garbage collection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use futures::FutureExt;
use http::{Method, Request, Response, StatusCode};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// The apiserver. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct ApiServer(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    /// By path: `/apis/microtome.dev/v1alpha1/namespaces/x/patchjobs/a`.
    objects: BTreeMap<String, Value>,
    version: u64,
    /// Writes by the operator, as `VERB PATH`.
    pub(super) writes: Vec<String>,
    /// The operator dies with this write: it is carried out, and nothing is answered any more.
    pub(super) dies_with: Option<usize>,
}

/// What a request is about.
struct Target {
    /// The object, or the collection.
    path: String,
    is_status: bool,
    body: Value,
}

impl ApiServer {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// A client of an operator.
    pub(super) fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { server.answer(request).await }.boxed()
        });
        Client::new(service, "default")
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, tower::BoxError> {
        let (head, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
        let mut state = self.lock();
        if state.is_dead() {
            return Err("the operator is dead".into());
        }
        let path = head.uri.path();
        let is_status = path.ends_with("/status");
        let target = Target { path: path.trim_end_matches("/status").to_owned(), is_status, body };
        let kind = head.headers.get("content-type").map(|kind| kind.to_str().unwrap_or_default().to_owned());
        let outcome = match head.method {
            Method::GET => Ok(state.get(&target.path)),
            Method::POST => Ok(state.create(target)),
            Method::PUT => Ok(state.replace(&target)),
            Method::PATCH => Ok(state.patch(target, kind.unwrap_or_default().contains("apply"))),
            Method::DELETE => Ok(state.delete(&target)),
            _ => Err(()),
        };
        let (status, answer) = outcome.map_err(|()| "a verb that is not known here")?;
        let is_write = head.method != Method::GET && status.is_success() && !path.contains("/events");
        if is_write {
            state.writes.push(format!("{} {path}", head.method));
            if state.is_dead() {
                return Err("the operator has just died".into());
            }
        }
        Ok(Response::builder().status(status).body(Body::from(answer.to_string().into_bytes()))?)
    }
}

impl State {
    fn is_dead(&self) -> bool {
        self.dies_with.is_some_and(|write| self.writes.len() >= write)
    }

    /// All objects whose path holds `part`, decoded.
    pub(super) fn list<K: serde::de::DeserializeOwned>(&self, part: &str) -> Vec<K> {
        self.paths(part).iter().map(|path| serde_json::from_value(self.objects[path].clone()).unwrap()).collect()
    }

    /// The paths of all objects that hold `part`.
    pub(super) fn paths(&self, part: &str) -> Vec<String> {
        self.objects.keys().filter(|path| path.contains(part)).cloned().collect()
    }

    pub(super) fn object(&self, path: &str) -> Option<&Value> {
        self.objects.get(path)
    }

    /// Puts or changes an object as somebody other than the operator.
    pub(super) fn put(&mut self, path: &str, mut object: Value) {
        self.version += 1;
        let uid = self
            .objects
            .get(path)
            .map_or_else(|| json!(format!("uid-{}", self.version)), |o| o["metadata"]["uid"].clone());
        object["metadata"]["uid"] = uid;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.objects.insert(path.to_owned(), object);
    }

    /// Removes an object and all that it owns.
    pub(super) fn remove(&mut self, path: &str) {
        let Some(object) = self.objects.remove(path) else { return };
        let uid = &object["metadata"]["uid"];
        let owned = |object: &Value| {
            object["metadata"]["ownerReferences"].as_array().into_iter().flatten().any(|owner| &owner["uid"] == uid)
        };
        let owned: Vec<String> = self.objects.iter().filter(|(_, o)| owned(o)).map(|(path, _)| path.clone()).collect();
        for path in owned {
            self.remove(&path);
        }
    }

    fn get(&self, path: &str) -> (StatusCode, Value) {
        if let Some(object) = self.objects.get(path) {
            return (StatusCode::OK, object.clone());
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        // Collections end in a plural, and ours are all of these.
        if ["teams", "patchclusters", "rolebindings"].contains(&name) {
            let items: Vec<Value> =
                self.objects.iter().filter(|(key, _)| key.contains(name)).map(|(_, o)| o.clone()).collect();
            return (StatusCode::OK, json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}));
        }
        refusal(StatusCode::NOT_FOUND, "NotFound")
    }

    fn create(&mut self, target: Target) -> (StatusCode, Value) {
        let path = format!("{}/{}", target.path, target.body["metadata"]["name"].as_str().unwrap_or_default());
        if self.objects.contains_key(&path) {
            return refusal(StatusCode::CONFLICT, "AlreadyExists");
        }
        self.store(&path, target.body)
    }

    fn replace(&mut self, target: &Target) -> (StatusCode, Value) {
        let Some(there) = self.objects.get(&target.path).cloned() else {
            return refusal(StatusCode::NOT_FOUND, "NotFound");
        };
        let wanted = &target.body["metadata"]["resourceVersion"];
        if wanted.is_string() && *wanted != there["metadata"]["resourceVersion"] {
            return refusal(StatusCode::CONFLICT, "Conflict");
        }
        let mut object = if target.is_status { there } else { target.body.clone() };
        object["status"] = target.body["status"].clone();
        self.store(&target.path, object)
    }

    fn patch(&mut self, target: Target, is_apply: bool) -> (StatusCode, Value) {
        let there = self.objects.get(&target.path).cloned();
        let Some(mut object) = there.or_else(|| is_apply.then(|| json!({}))) else {
            return refusal(StatusCode::NOT_FOUND, "NotFound");
        };
        let wanted = &target.body["metadata"]["resourceVersion"];
        if wanted.is_string() && *wanted != object["metadata"]["resourceVersion"] {
            return refusal(StatusCode::CONFLICT, "Conflict");
        }
        let part = if target.is_status { json!({"status": target.body["status"]}) } else { target.body };
        merge(&mut object, &part);
        self.store(&target.path, object)
    }

    fn delete(&mut self, target: &Target) -> (StatusCode, Value) {
        if !self.objects.contains_key(&target.path) {
            return refusal(StatusCode::NOT_FOUND, "NotFound");
        }
        self.remove(&target.path);
        (StatusCode::OK, json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}))
    }

    fn store(&mut self, path: &str, object: Value) -> (StatusCode, Value) {
        self.put(path, object);
        (StatusCode::OK, self.objects[path].clone())
    }
}

/// As RFC 7386 has it; close enough to server-side apply for objects with one writer.
fn merge(object: &mut Value, patch: &Value) {
    let (Some(there), Some(changes)) = (object.as_object_mut(), patch.as_object()) else {
        *object = patch.clone();
        return;
    };
    for (key, change) in changes {
        if change.is_null() {
            there.remove(key);
        } else {
            merge(there.entry(key).or_insert(Value::Null), change);
        }
    }
}

fn refusal(status: StatusCode, reason: &str) -> (StatusCode, Value) {
    let code = status.as_u16();
    (
        status,
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "code": code, "message": reason}),
    )
}
