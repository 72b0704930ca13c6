//! `list`: jobs, a line each.

use std::io;

use jiff::Timestamp;
use kube::api::ListParams;
use microtome_api::PatchJob;

use crate::client::Cluster;
use crate::output::{self, Format, ListWriter};
use crate::paged::each_page;
use crate::refusal::Asked;
use crate::screen::jobs::{Columns, jobs, row};
use crate::target::{Selection, Target};

/// List jobs with team, state, place in the queue, progress and rate
///
/// Thousands of jobs are read in pages; no more than one page is held in memory.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) selection: Selection,
    /// Only jobs in this state, say Running or Queued
    #[arg(long, value_name = "STATE")]
    pub(super) state: Option<String>,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    pub(super) output: Format,
}

pub(super) async fn run(args: &Args, target: &Target) -> anyhow::Result<()> {
    let cluster = Cluster::connect(target).await?;
    let everywhere = args.selection.all_namespaces;
    let namespace = (!everywhere).then_some(cluster.namespace.as_str());
    let found = match args.output {
        Format::Table | Format::Wide | Format::Name => lines(args, &cluster).await?,
        Format::Json | Format::Yaml => objects(args, &cluster).await?,
    };
    if found == 0 {
        match namespace {
            Some(namespace) => eprintln!("no patchjobs in namespace {namespace:?}; -A lists those of all namespaces"),
            None => eprintln!("no patchjobs"),
        }
    }
    Ok(())
}

async fn each(
    args: &Args,
    cluster: &Cluster,
    mut each: impl FnMut(PatchJob) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let everywhere = args.selection.all_namespaces;
    let params = ListParams { label_selector: args.selection.selector.clone(), ..ListParams::default() };
    let asked = Asked::list("patchjobs", (!everywhere).then_some(cluster.namespace.as_str()));
    let is_wanted =
        |job: &PatchJob| args.state.as_ref().is_none_or(|state| crate::text::state(job).eq_ignore_ascii_case(state));
    each_page(&cluster.api_of(everywhere), params, asked, |page: Vec<PatchJob>| {
        page.into_iter().filter(|job| is_wanted(job)).try_for_each(&mut each)
    })
    .await
}

async fn lines(args: &Args, cluster: &Cluster) -> anyhow::Result<usize> {
    let columns = Columns { namespace: args.selection.all_namespaces, wide: args.output == Format::Wide };
    let now = Timestamp::now();
    let (mut rows, mut names) = (Vec::new(), String::new());
    each(args, cluster, |job| {
        match args.output {
            Format::Name => names.push_str(&output::name(&job)),
            _ => rows.push(row(&job, columns, now)),
        }
        Ok(())
    })
    .await?;
    output::print(&jobs(&rows, columns))?;
    output::print(&names)?;
    Ok(rows.len() + names.len())
}

async fn objects(args: &Args, cluster: &Cluster) -> anyhow::Result<usize> {
    let out = io::BufWriter::new(io::stdout().lock());
    let (mut writer, mut count) = (ListWriter::new(out, args.output == Format::Json), 0);
    each(args, cluster, |job| {
        count += 1;
        writer.item(job)
    })
    .await?;
    writer.end()?;
    Ok(count)
}
