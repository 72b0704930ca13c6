//! What the apiserver answers.

use axum::body::{Body, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts as _, Request, State as Extract};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use serde_json::{Value, json};

use crate::apiserver::{ApiServer, Crowd, Log};
use crate::objects::job;
use crate::rights::{Right, allows};

/// Where a request goes.
struct Place {
    group: String,
    namespace: Option<String>,
    resource: String,
    name: Option<String>,
    sub: Option<String>,
    /// Of the object, or of the collection.
    path: String,
}

pub(crate) async fn answer(Extract(server): Extract<ApiServer>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let Some(place) = place(parts.uri.path()) else { return refuse(404, "the server could not find it", "") };
    let header = |name: &str| {
        parts.headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let right = right(&parts.method, &place, &query);
    let is_allowed = {
        let mut state = server.lock();
        let is_allowed = allows(&state.roles, &state.bindings, &right);
        state.asked.push((right.clone(), is_allowed));
        state.requests.push(format!("{} {}", parts.method, parts.uri));
        if let [user] = header("impersonate-user").as_slice() {
            state.acted_as.push((user.clone(), header("impersonate-group")));
        }
        is_allowed
    };
    server.changed();
    if !is_allowed {
        return forbidden(&right, &place);
    }
    if place.sub.as_deref() == Some("exec") {
        let command = server.lock().command.clone();
        return match WebSocketUpgrade::from_request_parts(&mut parts, &server).await {
            Ok(upgrade) => upgrade
                .protocols(["v5.channel.k8s.io", "v4.channel.k8s.io"])
                .on_upgrade(move |socket| command.run(query, socket)),
            Err(error) => error.into_response(),
        };
    }
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    match (right.verb, place.sub.as_deref()) {
        ("get", Some("log")) => log(&server, &place, &query),
        ("watch", _) => watched(&server, &place, &query),
        ("list", _) => list(&server, &place, &query),
        ("get", _) => found(&server, &place),
        ("create", _) => created(&server, &place, &query, &body),
        ("patch", _) => patched(&server, &place, &body),
        ("delete", _) => deleted(&server, &place),
        (verb, sub) => panic!("{verb} {sub:?} is not known here"),
    }
}

fn place(path: &str) -> Option<Place> {
    let words: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, rest) = match words.as_slice() {
        ["api", "v1", rest @ ..] => (String::new(), rest),
        ["apis", group, "v1alpha1", rest @ ..] => ((*group).to_owned(), rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some((*namespace).to_owned()), rest),
        rest => (None, rest),
    };
    let [resource, rest @ ..] = rest else { return None };
    let sub = rest.get(1).map(|sub| (*sub).to_owned());
    let path = sub.as_ref().and_then(|sub| path.strip_suffix(&format!("/{sub}"))).unwrap_or(path).to_owned();
    Some(Place {
        group,
        namespace,
        resource: (*resource).to_owned(),
        name: rest.first().map(|name| (*name).to_owned()),
        sub,
        path,
    })
}

fn right(method: &Method, place: &Place, query: &str) -> Right {
    let verb = match (method.as_str(), &place.name) {
        ("GET", Some(_)) => "get",
        ("GET", None) if query.contains("watch=true") => "watch",
        ("GET", None) => "list",
        ("POST", _) => "create",
        ("PATCH", _) => "patch",
        ("DELETE", _) => "delete",
        _ => "update",
    };
    let sub = place.sub.as_ref().map(|sub| format!("/{sub}")).unwrap_or_default();
    Right {
        verb,
        group: place.group.clone(),
        resource: format!("{}{sub}", place.resource),
        namespace: place.namespace.clone(),
    }
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn found(server: &ApiServer, place: &Place) -> Response {
    match server.lock().objects.get(&place.path) {
        Some(object) => json_answer(200, object),
        None => missing(place),
    }
}

fn created(server: &ApiServer, place: &Place, query: &str, body: &Bytes) -> Response {
    let mut object: Value = serde_json::from_slice(body).unwrap();
    object["metadata"]["namespace"] = json!(place.namespace);
    let mut state = server.lock();
    let path = crate::apiserver::path(&object);
    if state.objects.contains_key(&path) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        return refuse(409, &format!("{} {name:?} already exists", place.resource), name);
    }
    if query.contains("dryRun=All") {
        object["metadata"]["uid"] = json!("uid-dry");
        return json_answer(201, &object);
    }
    let object = state.put(object);
    drop(state);
    server.changed();
    json_answer(201, &object)
}

fn patched(server: &ApiServer, place: &Place, body: &Bytes) -> Response {
    let patch: Value = serde_json::from_slice(body).unwrap();
    let Some(mut object) = server.lock().objects.get(&place.path).cloned() else { return missing(place) };
    for (field, value) in patch["spec"].as_object().unwrap() {
        object["spec"][field] = value.clone();
    }
    json_answer(200, &server.put(object))
}

fn deleted(server: &ApiServer, place: &Place) -> Response {
    let removed = server.lock().remove(&place.path);
    server.changed();
    removed.map_or_else(|| missing(place), |object| json_answer(200, &object))
}

fn list(server: &ApiServer, place: &Place, query: &str) -> Response {
    let mut state = server.lock();
    let first: usize = parameter(query, "continue").map_or(0, |token| token.parse().unwrap());
    if first > 0 && std::mem::take(&mut state.forgets_snapshot) {
        let gone = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired",
            "message": "the provided continue parameter is too old", "metadata": {"continue": first.to_string()}});
        return json_answer(410, &gone);
    }
    let limit: usize = parameter(query, "limit").map_or(usize::MAX, |limit| limit.parse().unwrap());
    let (all, items): (usize, Vec<Value>) =
        if let Some(Crowd { count, slides }) = state.crowd.filter(|_| place.resource == "patchjobs") {
            (count, (first..count.min(first + limit)).map(|index| job(&format!("job-{index:05}"), slides)).collect())
        } else {
            let here = |path: &&String| match &place.namespace {
                Some(_) => path.starts_with(&format!("{}/", place.path)),
                None => path.contains(&format!("/{}/", place.resource)),
            };
            let label = parameter(query, "labelSelector")
                .map(|label| label.replace("%3D", "=").replace("%2C", ",").replace("%2F", "/"));
            let all: Vec<_> = state
                .objects
                .iter()
                .filter(|(path, _)| here(path))
                .map(|(_, object)| object.clone())
                .filter(|object| label.as_ref().is_none_or(|label| has_labels(object, label)))
                .collect();
            (all.len(), all.into_iter().skip(first).take(limit).collect())
        };
    let mut metadata = json!({"resourceVersion": state.version.to_string()});
    if first + items.len() < all {
        metadata["continue"] = json!((first + items.len()).to_string());
    }
    json_answer(200, &json!({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": items}))
}

fn has_labels(object: &Value, selector: &str) -> bool {
    selector.split(',').all(|pair| {
        let (key, value) = pair.split_once('=').unwrap();
        object["metadata"]["labels"][key] == json!(value)
    })
}

fn watched(server: &ApiServer, place: &Place, query: &str) -> Response {
    let after: u64 = parameter(query, "resourceVersion").unwrap().parse().unwrap();
    let name =
        parameter(query, "fieldSelector").and_then(|field| field.strip_prefix("metadata.name%3D")).map(str::to_owned);
    let wanted = format!("{}/{}", place.path, name.unwrap_or_default());
    let start = (server.clone(), server.changes(), after);
    let events = stream::unfold(start, move |(server, mut changes, after)| {
        let wanted = wanted.clone();
        async move {
            loop {
                let next = server
                    .lock()
                    .history
                    .iter()
                    .find(|(version, path, ..)| *version > after && *path == wanted)
                    .cloned();
                if let Some((version, _, kind, object)) = next {
                    let line = format!("{}\n", json!({"type": kind, "object": object}));
                    return Some((Ok::<_, std::io::Error>(line), (server, changes, version)));
                }
                changes.changed().await.ok()?;
            }
        }
    });
    Body::from_stream(events).into_response()
}

fn log(server: &ApiServer, place: &Place, query: &str) -> Response {
    let pod = place.name.clone().unwrap();
    if !server.lock().objects.contains_key(&place.path) {
        return missing(place);
    }
    if !server.lock().logs.contains_key(&pod) {
        return refuse(400, &format!("container \"head\" in pod {pod:?} is waiting to start: ContainerCreating"), "");
    }
    let (follows, stamps) = (query.contains("follow=true"), query.contains("timestamps=true"));
    let since = parameter(query, "sinceTime").map(|time| time.replace("%3A", ":"));
    let start = (server.clone(), server.changes(), 0_usize);
    let lines = stream::unfold(start, move |(server, mut changes, index)| {
        let (pod, since) = (pod.clone(), since.clone());
        async move {
            loop {
                let Log { lines, has_ended, breaks_after } = server.lock().logs[&pod].clone();
                if breaks_after == Some(index) {
                    server.lock().logs.get_mut(&pod).unwrap().breaks_after = None;
                    return None;
                }
                let time = format!("2026-03-02T12:06:{index:02}Z");
                match lines.get(index) {
                    Some(_) if since.as_ref().is_some_and(|since| time < *since) => {
                        return Some((Ok::<_, std::io::Error>(String::new()), (server, changes, index + 1)));
                    }
                    Some(line) => {
                        let line = if stamps { format!("{time} {line}\n") } else { format!("{line}\n") };
                        return Some((Ok(line), (server, changes, index + 1)));
                    }
                    None if !follows || has_ended => return None,
                    None => changes.changed().await.ok()?,
                }
            }
        }
    });
    Body::from_stream(lines).into_response()
}

fn json_answer(code: u16, value: &Value) -> Response {
    let status = StatusCode::from_u16(code).unwrap();
    (status, [("content-type", "application/json")], value.to_string()).into_response()
}

fn refuse(code: u16, message: &str, name: &str) -> Response {
    let reason = match code {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "AlreadyExists",
        _ => "BadRequest",
    };
    let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message,
        "reason": reason, "details": {"name": name}});
    json_answer(code, &status)
}

fn missing(place: &Place) -> Response {
    let name = place.name.clone().unwrap_or_default();
    refuse(404, &format!("{} {name:?} not found", place.resource), &name)
}

fn forbidden(right: &Right, place: &Place) -> Response {
    let scope = match &right.namespace {
        Some(namespace) => format!("in the namespace {namespace:?}"),
        None => "at the cluster scope".to_owned(),
    };
    let message = format!(
        "{0} is forbidden: User \"u\" cannot {1} resource {0:?} in API group {2:?} {scope}",
        right.resource, right.verb, right.group
    );
    refuse(403, &message, place.name.as_deref().unwrap_or_default())
}
