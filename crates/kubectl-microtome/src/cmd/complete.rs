//! `__complete`: what a shell offers next, as kubectl asks its plugins for it (`kubectl_complete-microtome`).

use std::collections::BTreeSet;
use std::time::Duration;

use clap::{CommandFactory, Parser};
use kube::api::ListParams;
use kube::config::Kubeconfig;
use kube::{Api, Resource, ResourceExt};

use super::Cli;
use crate::client::Cluster;
use crate::complete::{Offer, Source, answer, offer};
use crate::output;
use crate::target::Target;

/// Who has pressed a key waits no longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// More names than these nobody reads.
const NAMES: u32 = 500;

/// Words of the command line; the last is the one that is being written.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

pub(super) async fn run(args: &Args, own: Target) -> anyhow::Result<()> {
    let Offer { mut words, source } = offer(Cli::command(), &args.words);
    // A name that cannot be found out is not offered.
    match source {
        Source::Jobs | Source::Heads => {
            let kinds = (source == Source::Heads, &target(&args.words).or(own));
            words.extend(tokio::time::timeout(PATIENCE, names(kinds)).await.ok().flatten().unwrap_or_default());
        }
        Source::Contexts => words.extend(contexts().unwrap_or_default()),
        Source::Files | Source::Nothing => {}
    }
    let prefix = args.words.last().map_or("", String::as_str);
    output::print(&answer(&words, prefix, source))
}

/// The cluster flags among the words that are there so far.
fn target(words: &[String]) -> Target {
    #[derive(Parser)]
    #[command(ignore_errors = true, disable_help_flag = true)]
    struct Line {
        #[command(flatten)]
        target: Target,
        #[arg(trailing_var_arg = true, hide = true)]
        rest: Vec<String>,
    }
    let known = flags_alone(words);
    Line::try_parse_from(known).map(|line| line.target).unwrap_or_default()
}

/// The cluster flags with their values, without all other words.
fn flags_alone(words: &[String]) -> Vec<String> {
    const FLAGS: [&str; 8] =
        ["-n", "--namespace", "--context", "--cluster", "--user", "--kubeconfig", "--as", "--as-group"];
    let mut known = vec!["kubectl microtome".to_owned()];
    let mut words = words.iter().take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if FLAGS.contains(&word.as_str()) {
            known.extend([Some(word), words.next()].into_iter().flatten().cloned());
        } else if FLAGS.iter().any(|flag| word.strip_prefix(flag).is_some_and(|rest| rest.starts_with('='))) {
            known.push(word.clone());
        }
    }
    known
}

async fn names((with_clusters, target): (bool, &Target)) -> Option<Vec<(String, String)>> {
    let cluster = Cluster::connect(target).await.ok()?;
    let mut names: BTreeSet<String> = listed(cluster.jobs()).await.unwrap_or_default();
    if with_clusters {
        names.extend(listed(cluster.clusters()).await.unwrap_or_default());
    }
    Some(names.into_iter().map(|name| (name, String::new())).collect())
}

/// Names alone: not the whole objects.
async fn listed<K>(api: Api<K>) -> Option<BTreeSet<String>>
where
    K: Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let listed = api.list_metadata(&ListParams::default().limit(NAMES)).await.ok()?;
    Some(listed.items.iter().map(ResourceExt::name_any).collect())
}

fn contexts() -> Option<Vec<(String, String)>> {
    let contexts = Kubeconfig::read().ok()?.contexts;
    Some(contexts.into_iter().map(|context| (context.name, String::new())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cluster_is_that_of_the_flags() {
        let words = ["status", "-n", "x", "--watch", "--as=me", "--context", "c", "t"].map(str::to_owned);
        let target = target(&words);
        assert_eq!((target.namespace.as_deref(), target.context.as_deref()), (Some("x"), Some("c")));
        assert_eq!(target.impersonate.as_deref(), Some("me"));
    }
}
