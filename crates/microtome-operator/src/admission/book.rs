//! The ledger: one object in the operator's namespace that is written before any verdict is, with a version check. So two
//! operators cannot both admit, deleting a job erases no use, and a restart loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, ResourceExt};
use microtome_api::names;
use microtome_queue::{Ledger, Reservation};
use serde::{Deserialize, Serialize};
use tracing::error;

use crate::context::Context;
use crate::write::Error;

const NAME: &str = "microtome-ledger";
const KEY: &str = "ledger.json";

/// What the queue remembers from pass to pass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Book {
    /// What every team has used, decayed.
    pub(crate) ledger: Option<Ledger>,
    /// What was promised.
    pub(crate) reservations: Vec<Reservation>,
    /// Clusters that were admitted, by uid; those whose condition does not say so yet included.
    pub(crate) runs: BTreeMap<String, Entry>,
    /// Clusters whose declared deadline was taken note of, and whose condition does not say so yet.
    pub(crate) accepted: BTreeSet<String>,
    /// Clusters whose pods found no node: how often, and until when they do not ask again.
    pub(crate) backoffs: BTreeMap<String, Backoff>,
}

/// An admitted cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// When, in seconds.
    pub(crate) started: i64,
    /// Whether inside its team's guarantee.
    pub(crate) within: bool,
    /// Whether it has to give way.
    #[serde(default)]
    pub(crate) is_leaving: bool,
}

/// A cluster that waits before it asks again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Backoff {
    pub(crate) times: u32,
    /// In seconds.
    pub(crate) until: i64,
}

/// The book, and the version that it was read as.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) book: Book,
    version: Option<String>,
}

/// Reads the book.
pub(crate) async fn read(context: &Context) -> Result<Kept, Error> {
    let object = api(context).get_opt(NAME).await.map_err(Error::api::<ConfigMap>("get", NAME))?;
    let Some(object) = object else { return Ok(Kept::default()) };
    let text = object.data.as_ref().and_then(|data| data.get(KEY)).map(String::as_str).unwrap_or_default();
    let book = serde_json::from_str(text).unwrap_or_else(|error| {
        // Better to share from now on than to admit nobody.
        error!(%error, "the ledger cannot be read; what teams have used so far is forgotten");
        Book::default()
    });
    Ok(Kept { book, version: object.resource_version() })
}

/// Writes the book, unless somebody else has since it was read, or nothing is new but the time.
pub(crate) async fn write(kept: &Kept, book: &Book, context: &Context) -> Result<(), Error> {
    if is_same(&kept.book, book) {
        return Ok(());
    }
    let text = serde_json::to_string(book).map_err(|source| Error::Json { name: NAME.to_owned(), source })?;
    let metadata = ObjectMeta {
        name: Some(NAME.to_owned()),
        namespace: Some(context.settings.namespace.clone()),
        resource_version: kept.version.clone(),
        labels: Some(BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), names::MANAGER.to_owned())])),
        ..ObjectMeta::default()
    };
    let data = Some(BTreeMap::from([(KEY.to_owned(), text)]));
    let object = ConfigMap { metadata, data, ..ConfigMap::default() };
    let params = PostParams { field_manager: Some(names::MANAGER.to_owned()), ..PostParams::default() };
    let written = match kept.version {
        Some(_) => api(context).replace(NAME, &params, &object).await,
        None => api(context).create(&params, &object).await,
    };
    written.map(|_| ()).map_err(Error::api::<ConfigMap>("write", NAME))
}

/// Whether two books say the same: a ledger whose rates have not changed says at any time what it says at any other.
fn is_same(before: &Book, after: &Book) -> bool {
    let aged = before.ledger.clone().zip(after.ledger.as_ref()).map(|(mut ledger, newer)| {
        ledger.advance(newer.at());
        ledger
    });
    Book { ledger: aged.or_else(|| before.ledger.clone()), ..before.clone() } == *after
}

fn api(context: &Context) -> Api<ConfigMap> {
    Api::namespaced(context.client.clone(), &context.settings.namespace)
}

#[cfg(test)]
mod tests {
    use microtome_queue::Amounts;

    use super::*;

    #[test]
    fn time_alone_is_no_news() {
        let mut ledger = Ledger::new(3600, 0);
        ledger.set_rates("t", &Amounts::from([("cpu".to_owned(), 4000)]));
        let before = Book { ledger: Some(ledger.clone()), ..Book::default() };
        ledger.advance(600);
        let mut after = Book { ledger: Some(ledger), ..before.clone() };
        assert!(is_same(&before, &after));
        after.runs.insert("u".into(), Entry::default());
        assert!(!is_same(&before, &after));
        let text = serde_json::to_string(&after).unwrap();
        assert_eq!(serde_json::from_str::<Book>(&text).unwrap(), after);
    }
}
