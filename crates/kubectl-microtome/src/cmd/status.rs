//! `status`: one job as a screen, once or for as long as it changes.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use jiff::Zoned;
use microtome_api::{PatchJob, condition};

use super::list;
use crate::client::Cluster;
use crate::follow::Follow;
use crate::output::{self, Format};
use crate::refusal::Asked;
use crate::screen::line::line;
use crate::screen::status::screen;
use crate::target::{Selection, Target};
use crate::terminal::{self, Screen};
use crate::{interrupt, text};

/// How often a screen is drawn although nothing has changed: times go on.
const TICK: Duration = Duration::from_secs(1);

/// Show a job: state, progress, rate, waiting, workers; without NAME, list all
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The job
    #[arg(conflicts_with_all = ["all_namespaces", "selector"])]
    name: Option<String>,
    #[command(flatten)]
    selection: Selection,
    /// Show it anew whenever it changes, until it ends; a line each time where stdout is no terminal
    #[arg(short, long, requires = "name")]
    watch: bool,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

pub(super) async fn run(args: Args, target: Target) -> anyhow::Result<ExitCode> {
    let Args { name, selection, watch, output } = args;
    let Some(name) = name else {
        list::run(&list::Args { selection, state: None, output }, &target).await?;
        return Ok(ExitCode::SUCCESS);
    };
    let cluster = Cluster::connect(&target).await?;
    if watch {
        let goes_on = format!("patchjob/{name} goes on; kubectl microtome status {name} --watch looks at it again");
        return interrupt::or_leave(watched(&cluster, &name, output), &goes_on).await;
    }
    let asked = Asked::of("get", "patchjobs", &name, &cluster.namespace);
    let job = cluster.jobs().get(&name).await.map_err(|error| asked.refused(error))?;
    output::print(&shown(job, output)?)?;
    Ok(ExitCode::SUCCESS)
}

fn shown(job: PatchJob, format: Format) -> anyhow::Result<String> {
    match format {
        Format::Table | Format::Wide => Ok(screen(&job, &Zoned::now())),
        Format::Json => output::json(&output::bare(job)),
        Format::Yaml => output::yaml(&output::bare(job)),
        Format::Name => Ok(output::name(&job)),
    }
}

async fn watched(cluster: &Cluster, name: &str, format: Format) -> anyhow::Result<ExitCode> {
    let mut follow = Follow::new(cluster, name)?;
    let is_table = matches!(format, Format::Table | Format::Wide);
    let mut drawn = Screen::default();
    let (mut last, mut job) = (String::new(), following(&mut follow, name).await?);
    loop {
        let now = Zoned::now();
        if is_table && terminal::is_watched() {
            drawn.draw(&screen(&job, &now))?;
        } else if is_table {
            let line = line(&job, &now);
            if line != last {
                output::print(&format!("{}   {line}\n", now.strftime("%H:%M:%S")))?;
                last = line;
            }
        } else {
            let between = if format == Format::Yaml { "---\n" } else { "" };
            output::print(&format!("{between}{}", shown(job.clone(), format)?))?;
        }
        if condition::has_ended(text::conditions(&job)) {
            return Ok(ExitCode::SUCCESS);
        }
        let is_drawn = is_table && terminal::is_watched();
        job = tokio::select! {
            seen = following(&mut follow, name) => seen?,
            () = tokio::time::sleep(TICK), if is_drawn => job,
        };
    }
}

async fn following(follow: &mut Follow, name: &str) -> anyhow::Result<PatchJob> {
    match follow.next().await? {
        Some(job) => Ok(job),
        None => bail!("patchjob {name:?} was deleted"),
    }
}
