//! The few ways in which the operator writes: server-side apply, create once, status with a version check, delete.

use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::object::HasStatus;
use kube::{Api, Resource, ResourceExt};
use microtome_api::names;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::behind::Behind;
use crate::watch::Watchable;

/// A read or write of the apiserver failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot {verb} {kind} {name}")]
    Api { verb: &'static str, kind: String, name: String, source: Box<kube::Error> },
    #[error("{kind} {name} is still there from an earlier owner, or belongs to somebody else")]
    Occupied { kind: String, name: String },
    #[error("cannot make certificates for {name}")]
    Certificates { name: String, source: rcgen::Error },
    #[error("cannot write {name} as JSON")]
    Json { name: String, source: serde_json::Error },
}

impl Error {
    /// The class of the error, shared by logs and metrics.
    pub(crate) fn category(&self) -> &'static str {
        match self {
            Self::Api { source, .. } => match &**source {
                kube::Error::Api(status) if status.is_forbidden() => "Forbidden",
                kube::Error::Api(status) if status.is_conflict() => "Conflict",
                kube::Error::Api(_) => "Refused",
                _ => "Unreachable",
            },
            Self::Occupied { .. } => "Occupied",
            Self::Certificates { .. } => "Certificates",
            Self::Json { .. } => "Json",
        }
    }

    /// Somebody else wrote first; the next pass sees it.
    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Api { source, .. } if matches!(&**source, kube::Error::Api(status) if status.is_conflict()))
    }

    /// Waiting a moment is all there is to do.
    pub(crate) fn passes_by_itself(&self) -> bool {
        self.is_conflict() || matches!(self, Self::Occupied { .. })
    }

    /// What `verb` on an object of kind `K` returns on failure.
    pub(crate) fn api<K: Resource<DynamicType = ()>>(
        verb: &'static str,
        name: &str,
    ) -> impl FnOnce(kube::Error) -> Self {
        let (kind, name) = (K::kind(&()).into_owned(), name.to_owned());
        move |source| Self::Api { verb, kind, name, source: Box::new(source) }
    }
}

/// Server-side apply: the operator owns what `object` holds, and nothing else.
pub(crate) async fn apply<K: Watchable + Serialize>(api: &Api<K>, object: &K) -> Result<(), Error> {
    let name = object.name_any();
    let params = PatchParams::apply(names::MANAGER).force();
    api.patch(&name, &params, &Patch::Apply(object)).await.map_err(Error::api::<K>("apply", &name))?;
    Ok(())
}

/// [`apply`] for an object that another one owns: what is left of an earlier owner is waited for, not taken over, because
/// the garbage collector is about to remove it.
pub(crate) async fn apply_owned<K: Watchable + Serialize>(api: &Api<K>, object: &K) -> Result<(), Error> {
    let name = object.name_any();
    let there = api.get_metadata_opt(&name).await.map_err(Error::api::<K>("get", &name))?;
    if there.is_some_and(|there| owner_uid(&there) != owner_uid(object)) {
        return Err(Error::Occupied { kind: K::kind(&()).into_owned(), name });
    }
    apply(api, object).await
}

/// Creates an object that must never be made twice or changed: an existing one of the same owner is left as it is.
pub(crate) async fn create_once<K: Watchable + Serialize>(api: &Api<K>, object: &K) -> Result<(), Error> {
    create(api, object).await.map(|_| ())
}

/// Creates an object, or replaces the one of the same owner. Creating comes first: mostly there is none, and what is somebody
/// else's is never touched.
pub(crate) async fn put_owned<K: Watchable + Serialize>(api: &Api<K>, object: &K) -> Result<(), Error> {
    let Some(there) = create(api, object).await? else { return Ok(()) };
    let (name, mut object) = (object.name_any(), object.clone());
    object.meta_mut().resource_version = there.resource_version();
    let params = PostParams { field_manager: Some(names::MANAGER.to_owned()), ..PostParams::default() };
    api.replace(&name, &params, &object).await.map_err(Error::api::<K>("replace", &name))?;
    Ok(())
}

/// Creates an object; gives the one of the same owner that is there already.
async fn create<K: Watchable + Serialize>(api: &Api<K>, object: &K) -> Result<Option<K>, Error> {
    let name = object.name_any();
    let params = PostParams { field_manager: Some(names::MANAGER.to_owned()), ..PostParams::default() };
    match api.create(&params, object).await {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            let there = api.get(&name).await.map_err(Error::api::<K>("get", &name))?;
            if owner_uid(&there) == owner_uid(object) {
                return Ok(Some(there));
            }
            Err(Error::Occupied { kind: K::kind(&()).into_owned(), name })
        }
        Err(error) => Err(Error::api::<K>("create", &name)(error)),
    }
}

/// Writes the status that was made from `object`, unless the object has changed since. The whole status: a merge could take
/// nothing away.
pub(crate) async fn replace_status<K, S>(api: &Api<K>, object: &K, status: &S, behind: &Behind) -> Result<(), Error>
where
    K: Watchable + Serialize + HasStatus<Status = S>,
    S: Clone,
{
    let name = object.name_any();
    let mut written = object.clone();
    *written.status_mut() = Some(status.clone());
    let params = PostParams { field_manager: Some(names::MANAGER.to_owned()), ..PostParams::default() };
    let answer = api.replace_status(&name, &params, &written).await;
    behind.wrote(object, &answer.map_err(Error::api::<K>("write the status of", &name))?);
    Ok(())
}

/// Deletes an object; one that is gone is fine.
pub(crate) async fn delete<K>(api: &Api<K>, name: &str) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    match api.delete(name, &DeleteParams::background()).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(Error::api::<K>("delete", name)(error)),
        Ok(_) => Ok(()),
    }
}

/// Deletes just this version of an object: one that has changed since is judged anew.
pub(crate) async fn delete_version<K>(api: &Api<K>, object: &K) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let name = object.name_any();
    let params = DeleteParams::background()
        .preconditions(Preconditions { resource_version: object.resource_version(), uid: object.uid() });
    match api.delete(&name, &params).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(Error::api::<K>("delete", &name)(error)),
        Ok(_) => Ok(()),
    }
}

/// The uid of the controller that owns an object.
pub(crate) fn owner_uid<K: ResourceExt>(object: &K) -> Option<String> {
    object.owner_references().iter().find(|owner| owner.controller == Some(true)).map(|owner| owner.uid.clone())
}
