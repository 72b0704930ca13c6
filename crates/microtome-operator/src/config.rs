//! The operator's configuration file: what is too structured for a flag. Unknown fields are refused, so that a misspelt one is
//! no silent default.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::Toleration;
use microtome_api::quantity::Quantity;
use serde::Deserialize;

/// The configuration file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Config {
    /// The kinds of nodes there are, or may be. Empty: the nodes there are.
    pub(crate) pools: Vec<Pool>,
    /// How long admitted pods may look for a node, before their quota is taken back.
    pub(crate) provisioning_timeout_seconds: u32,
    /// How long a head's node may be unreachable, before the next attempt is made.
    pub(crate) head_loss_seconds: u32,
    /// How the queue shares.
    pub(crate) fair_share: FairShare,
}

/// A kind of node.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Pool {
    pub(crate) name: String,
    /// The labels of its nodes.
    #[serde(default)]
    pub(crate) node_selector: BTreeMap<String, String>,
    /// What its nodes' taints ask for.
    #[serde(default)]
    pub(crate) tolerations: Vec<Toleration>,
    /// What pods can have of one node.
    pub(crate) node: BTreeMap<String, Quantity>,
    /// The most nodes that its autoscaler makes.
    pub(crate) max_nodes: u32,
}

/// How the queue shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct FairShare {
    /// After so long, use counts half.
    pub(crate) half_life_seconds: u32,
    pub(crate) reclaim: Reclaim,
}

/// Whether a team gets its guarantee back from those who borrowed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Reclaim {
    pub(crate) enabled: bool,
    /// Nothing is taken from a job before it has run for so long.
    pub(crate) min_runtime_seconds: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            pools: Vec::new(),
            // A node of a cloud is there in a few minutes, one with a GPU and a large image seldom in twenty.
            provisioning_timeout_seconds: 1800,
            // Kubernetes itself takes 40 s to call a node unreachable; a switch that restarts takes less than this.
            head_loss_seconds: 60,
            fair_share: FairShare::default(),
        }
    }
}

impl Default for FairShare {
    fn default() -> Self {
        // A week, as clusters of this size have it.
        Self { half_life_seconds: 604_800, reclaim: Reclaim::default() }
    }
}

impl Default for Reclaim {
    fn default() -> Self {
        Self { enabled: false, min_runtime_seconds: 3600 }
    }
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} is not a configuration", path.display())]
    Parse { path: PathBuf, source: serde_yaml::Error },
    #[error("{}: {field}: {reason}", path.display())]
    Invalid { path: PathBuf, field: String, reason: &'static str },
}

/// Reads the file; without one, the defaults.
pub(crate) fn read(path: Option<&Path>) -> Result<Config, Error> {
    let Some(path) = path else { return Ok(Config::default()) };
    let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let config = serde_yaml::from_str(&text).map_err(|source| Error::Parse { path: path.to_owned(), source })?;
    match fault(&config) {
        Some((field, reason)) => Err(Error::Invalid { path: path.to_owned(), field, reason }),
        None => Ok(config),
    }
}

fn fault(config: &Config) -> Option<(String, &'static str)> {
    if config.fair_share.half_life_seconds == 0 {
        return Some(("fairShare.halfLifeSeconds".to_owned(), "must be more than 0"));
    }
    if config.head_loss_seconds == 0 {
        return Some(("headLossSeconds".to_owned(), "must be more than 0: two heads would run side by side"));
    }
    config.pools.iter().enumerate().find_map(|(index, pool)| {
        let twice = config.pools.iter().take(index).any(|earlier| earlier.name == pool.name);
        let field = |name: &str| format!("pools[{index}].{name}");
        match () {
            () if twice => Some((field("name"), "another pool has this name")),
            () if pool.max_nodes == 0 => Some((field("maxNodes"), "must be at least 1")),
            () if pool.node.is_empty() => Some((field("node"), "must say what a node has, say cpu and memory")),
            () => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        read(Some(file.path())).map_err(|error| {
            let text = crate::logs::chain(&error);
            text.replace(&file.path().display().to_string(), "FILE")
        })
    }

    #[test]
    fn pools_are_read_as_they_are_written_in_the_charts_values() {
        let text = "pools:\n- {name: gpu, nodeSelector: {agentpool: gpu}, maxNodes: 4,\n   \
            tolerations: [{key: sku, value: gpu, effect: NoSchedule}], node: {nvidia.com/gpu: 8, memory: 860Gi}}\n\
            fairShare: {reclaim: {enabled: true}}\n";
        let config = parse(text).unwrap();
        assert_eq!((config.pools[0].max_nodes, config.pools[0].tolerations.len()), (4, 1));
        assert_eq!(config.fair_share.reclaim, Reclaim { enabled: true, min_runtime_seconds: 3600 });
        assert_eq!(parse("{}").unwrap(), Config::default());
        assert_eq!(read(None).unwrap(), Config::default());
    }

    #[test]
    fn what_is_wrong_is_named_by_its_field() {
        let pool = |rest: &str| format!("pools:\n- {{name: a, {rest}}}\n");
        let cases = [
            ("fairShare: {halfLifeSeconds: 0}".to_owned(), "FILE: fairShare.halfLifeSeconds: must be more than 0"),
            (pool("node: {}, maxNodes: 1"), "FILE: pools[0].node: must say what a node has, say cpu and memory"),
            (pool("node: {cpu: 1}, maxNodes: 0"), "FILE: pools[0].maxNodes: must be at least 1"),
            (
                pool("node: {cpu: 1}, maxNodes: 1}\n- {name: a, node: {cpu: 1}, maxNodes: 1"),
                "FILE: pools[1].name: another pool has this name",
            ),
        ];
        for (text, wanted) in cases {
            assert_eq!(parse(&text).unwrap_err(), wanted, "{text}");
        }
        assert!(parse("pool: []").unwrap_err().contains("unknown field `pool`"));
        assert!(parse(&pool("node: {cpu: lots}, maxNodes: 1")).unwrap_err().contains("not a quantity"));
    }
}
