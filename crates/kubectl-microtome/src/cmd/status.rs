//! `status`: one job as a screen, or the jobs of a namespace as a table.

use std::io::Write;

use jiff::Zoned;
use kube::Api;
use kube::api::ListParams;
use microtome_api::PatchJob;

use crate::settings::{Format, StatusSettings};
use crate::{client, output, screen, table};

/// Asks the apiserver and prints.
pub(crate) async fn run(settings: StatusSettings) -> anyhow::Result<()> {
    let (client, namespace) = client::connect(&settings.target).await?;
    let api: Api<PatchJob> = Api::namespaced(client, &namespace);
    let text = if let Some(name) = &settings.name {
        let job = api.get(name).await.map_err(|error| client::explain(error, "get", &namespace, Some(name)))?;
        match settings.output {
            Format::Table => screen::screen(&job, &Zoned::now()),
            Format::Json => output::json(&output::object(job))?,
            Format::Yaml => output::yaml(&output::object(job))?,
        }
    } else {
        let listed = api.list(&ListParams::default()).await;
        let jobs = listed.map_err(|error| client::explain(error, "list", &namespace, None))?.items;
        if jobs.is_empty() {
            eprintln!("no patchjobs in namespace {namespace:?}");
        }
        match settings.output {
            Format::Table => table::table(&jobs, Zoned::now().timestamp()),
            Format::Json => output::json(&output::list(jobs))?,
            Format::Yaml => output::yaml(&output::list(jobs))?,
        }
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
