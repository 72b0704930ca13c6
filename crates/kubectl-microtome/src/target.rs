//! Which cluster, as whom, and where in it: kubectl's own flags.

use std::path::PathBuf;

/// Flags that every verb takes, before it or after it.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct Target {
    /// Namespace; otherwise the context's
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Context of the kubeconfig; otherwise its current one
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub(crate) context: Option<String>,
    /// Cluster of the kubeconfig; otherwise the context's
    #[arg(long, global = true, value_name = "CLUSTER")]
    pub(crate) cluster: Option<String>,
    /// User of the kubeconfig; otherwise the context's
    #[arg(long, global = true, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// The kubeconfig; otherwise $KUBECONFIG, then ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Act as this user
    #[arg(long = "as", global = true, value_name = "USER")]
    pub(crate) impersonate: Option<String>,
    /// With --as: act as a member of this group; may be given several times
    #[arg(long = "as-group", global = true, value_name = "GROUP")]
    pub(crate) impersonate_groups: Vec<String>,
}

impl Target {
    /// What is not said here is as it is said there.
    pub(crate) fn or(self, other: Self) -> Self {
        let groups = if self.impersonate.is_some() { self.impersonate_groups } else { other.impersonate_groups };
        Self {
            namespace: self.namespace.or(other.namespace),
            context: self.context.or(other.context),
            cluster: self.cluster.or(other.cluster),
            user: self.user.or(other.user),
            kubeconfig: self.kubeconfig.or(other.kubeconfig),
            impersonate: self.impersonate.or(other.impersonate),
            impersonate_groups: groups,
        }
    }

    /// What is wrong with the flags together. (clap does not see global flags of two levels as one command line.)
    pub(crate) fn fault(&self) -> Option<&'static str> {
        let has_groups = !self.impersonate_groups.is_empty();
        (has_groups && self.impersonate.is_none()).then_some("--as-group needs --as: nobody is only a group")
    }
}

/// Which objects of the cluster.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Selection {
    /// Of all namespaces; -n then says nothing
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// Only objects with these labels, say `run=7,stage!=test`
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub(crate) selector: Option<String>,
}
