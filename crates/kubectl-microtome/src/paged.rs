//! Lists in pages: however many objects there are, one page of them is in memory.

use std::fmt::Debug;

use kube::Api;
use kube::api::ListParams;
use serde::de::DeserializeOwned;

use crate::refusal::{Asked, Refusal};

/// As kubectl's.
pub(crate) const PAGE: u32 = 500;

/// Hands over all objects, page by page.
pub(crate) async fn each_page<K, E>(
    api: &Api<K>,
    mut params: ListParams,
    asked: Asked<'_>,
    mut each: impl FnMut(Vec<K>) -> Result<(), E>,
) -> Result<(), E>
where
    K: Clone + DeserializeOwned + Debug,
    E: From<Refusal>,
{
    params.limit = Some(PAGE);
    loop {
        let page = match api.list(&params).await {
            Ok(page) => page,
            // The snapshot is no longer kept; the rest of a newer one is better than nothing, as kubectl holds it, too.
            Err(kube::Error::Api(status)) if status.code == 410 && rest(&status).is_some() => {
                params.continue_token = rest(&status);
                continue;
            }
            Err(error) => return Err(asked.refused(error).into()),
        };
        params.continue_token = page.metadata.continue_.filter(|token| !token.is_empty());
        each(page.items)?;
        if params.continue_token.is_none() {
            return Ok(());
        }
    }
}

fn rest(status: &kube::core::Status) -> Option<String> {
    let metadata = status.metadata.as_ref()?;
    metadata.continue_.clone().filter(|token| !token.is_empty())
}
