//! What `submit` makes on the cluster: a PatchJob, and the ConfigMap with its code.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::ObjectMeta;
use kube::{Resource, ResourceExt};
use microtome_api::{Package, PatchJob, mount};

use super::flags::Flags;
use super::package::{self, Packed};
use super::{draft, file};

/// What is made.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// The job.
    pub(crate) job: PatchJob,
    /// Its code, and the ConfigMap that takes it, if none is in storage already.
    pub(crate) code: Option<(Packed, Option<String>)>,
}

/// Reads file, flags and code. The job is made in its own namespace if it names one, otherwise in `namespace`.
pub(crate) fn order(flags: &Flags, asked: Option<&str>) -> anyhow::Result<Order> {
    let file = flags.filename.as_deref().map(file::read).transpose()?;
    let mut job = draft::job(file, flags)?;
    match (&job.metadata.namespace, asked) {
        (Some(own), Some(asked)) if own != asked => {
            bail!("the file's job is of namespace {own:?}, and -n says {asked:?}: leave one of them out")
        }
        (None, Some(asked)) => job.metadata.namespace = Some(asked.to_owned()),
        _ => {}
    }
    let code = flags.package.as_deref().map(package::pack).transpose()?;
    let code = code.map(|packed| place(&mut job, packed, flags)).transpose()?;
    Ok(Order { job, code })
}

fn place(job: &mut PatchJob, packed: Packed, flags: &Flags) -> anyhow::Result<(Packed, Option<String>)> {
    if job.spec.package.is_some() {
        bail!("the file has a spec.package already, and --package gives another: leave one of them out");
    }
    let url = flags.package_url.clone();
    let name = url.is_none().then(|| config_map_name(&job.name_any(), &packed.sha256));
    job.spec.package = Some(Package { sha256: packed.sha256.clone(), config_map_name: name.clone(), url });
    Ok((packed, name))
}

/// By the job and by what is in it: another job, or another module, is another ConfigMap.
fn config_map_name(job: &str, sha256: &str) -> String {
    format!("{job}-package-{}", &sha256[..10])
}

/// The ConfigMap with the code; it goes with the job, once there is one.
pub(crate) fn config_map(name: &str, packed: &Packed, job: &PatchJob) -> ConfigMap {
    let owner = job.meta().uid.as_ref().and_then(|_| job.owner_ref(&()));
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: job.namespace(),
            owner_references: owner.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        immutable: Some(true),
        binary_data: Some(BTreeMap::from([(mount::PACKAGE_KEY.to_owned(), ByteString(packed.tar.clone()))])),
        data: None,
    }
}

/// Writes the tar where the user can take it to storage.
pub(crate) fn keep(order: &Order, path: &PathBuf) -> anyhow::Result<()> {
    let Some((packed, _)) = &order.code else { bail!("--package-file needs --package") };
    fs::write(path, &packed.tar).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(flags: Flags, namespace: Option<&str>) -> anyhow::Result<Order> {
        let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/samples/patchjob.yaml");
        order(&Flags { filename: Some(sample.into()), ..flags }, namespace)
    }

    #[test]
    fn code_goes_along_as_a_config_map_of_the_jobs() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("m.py"), "1").unwrap();
        let flags = Flags { package: Some(folder.path().to_owned()), ..Flags::default() };
        let mut order = ordered(flags.clone(), None).unwrap();
        let (packed, name) = order.code.clone().unwrap();
        let name = name.unwrap();
        assert_eq!(name, format!("tumour-detector-package-{}", &packed.sha256[..10]));
        let package = order.job.spec.package.clone().unwrap();
        assert_eq!((package.sha256, package.config_map_name), (packed.sha256.clone(), Some(name.clone())));
        assert_eq!(config_map(&name, &packed, &order.job).metadata.owner_references, None, "nobody to go with yet");
        order.job.metadata.uid = Some("1".to_owned());
        let map = config_map(&name, &packed, &order.job);
        assert_eq!(map.metadata.owner_references.unwrap()[0].uid, "1");
        assert_eq!((map.immutable, map.binary_data.unwrap()["package.tar"].0.len()), (Some(true), packed.tar.len()));
        let stored = Flags { package_url: Some("az://results/m.tar".to_owned()), ..flags };
        let stored = ordered(stored, None).unwrap();
        assert_eq!(stored.code.unwrap().1, None);
        assert_eq!(stored.job.spec.package.unwrap().url.as_deref(), Some("az://results/m.tar"));
    }

    #[test]
    fn a_file_and_a_flag_must_not_name_two_namespaces() {
        assert_eq!(ordered(Flags::default(), None).unwrap().job.namespace().as_deref(), Some("pathology"));
        let error = ordered(Flags::default(), Some("x")).unwrap_err().to_string();
        assert_eq!(error, "the file's job is of namespace \"pathology\", and -n says \"x\": leave one of them out");
    }
}
