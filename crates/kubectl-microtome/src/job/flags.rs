//! What a command line can say of a job.

use std::path::PathBuf;

use super::duration::seconds;

/// A job, from a file, from flags, or from a file in which flags replace something.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Flags {
    /// A PatchJob as YAML or JSON; - is standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) filename: Option<PathBuf>,
    /// The job's name
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// A module of yours that is not in the image: a folder or a file, at most 256 KiB as a tar
    #[arg(long, value_name = "PATH")]
    pub(crate) package: Option<PathBuf>,
    /// Where in storage the tar of --package lies (`render --package-file` makes it), instead of a ConfigMap
    #[arg(long, value_name = "URL", requires = "package")]
    pub(crate) package_url: Option<String>,
    #[command(flatten)]
    pub(crate) pods: PodFlags,
    #[command(flatten)]
    pub(crate) data: DataFlags,
    #[command(flatten)]
    pub(crate) run: RunFlags,
    /// The program and its arguments, after --
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// Head and workers.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Pods")]
pub(crate) struct PodFlags {
    /// The image in which the command runs
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// The platform's profile [default: default]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// GPUs of the head (nvidia.com/gpu)
    #[arg(long, value_name = "COUNT")]
    pub(crate) gpus: Option<u32>,
    /// CPUs of the head [default: 4]
    #[arg(long, value_name = "CPUS")]
    pub(crate) cpus: Option<String>,
    /// Memory of the head [default: 16Gi]
    #[arg(long, value_name = "MEMORY")]
    pub(crate) memory: Option<String>,
    /// Workers: how many, or from how many to how many [default: 1-8]
    #[arg(long, value_name = "MIN[-MAX]", value_parser = workers)]
    pub(crate) workers: Option<(i32, i32)>,
    /// CPUs of a worker [default: 4]
    #[arg(long, value_name = "CPUS")]
    pub(crate) worker_cpus: Option<String>,
    /// Memory of a worker [default: 4Gi]
    #[arg(long, value_name = "MEMORY")]
    pub(crate) worker_memory: Option<String>,
    /// Run on this standing PatchCluster instead of pods of its own
    #[arg(long, value_name = "NAME", conflicts_with_all = ["image", "profile", "gpus", "cpus", "memory", "workers", "worker_cpus", "worker_memory", "priority"])]
    pub(crate) cluster_name: Option<String>,
    /// Who of one team starts first: the higher
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub(crate) priority: Option<i32>,
}

/// What is read and stored.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Patches")]
pub(crate) struct DataFlags {
    /// The dataset that these flags are about [default: the file's first, or train]
    #[arg(long, value_name = "NAME")]
    pub(crate) dataset: Option<String>,
    /// A slide, a folder of slides (ends in /), or a table of them (.csv, .parquet); slides may be given several times
    #[arg(long, value_name = "URL")]
    pub(crate) slides: Vec<String>,
    /// Width and height of a patch in pixels [default: 256]
    #[arg(long, value_name = "PIXELS")]
    pub(crate) size: Option<u32>,
    /// Micrometres per pixel [default: 0.5]
    #[arg(long, value_name = "MPP", conflicts_with = "level")]
    pub(crate) mpp: Option<f64>,
    /// The slides' level instead of a resolution; 0 is the finest
    #[arg(long, value_name = "LEVEL")]
    pub(crate) level: Option<u32>,
    /// So many random patches of each slide
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["stride", "coordinates"])]
    pub(crate) per_slide: Option<u32>,
    /// Patches on a grid, so many pixels from one to the next [default: the size]
    #[arg(long, value_name = "PIXELS", conflicts_with = "coordinates")]
    pub(crate) stride: Option<u32>,
    /// Patches at the places of a table (url, x, y)
    #[arg(long, value_name = "URL")]
    pub(crate) coordinates: Option<String>,
    /// Only patches with so much tissue, in percent
    #[arg(long, value_name = "PERCENT")]
    pub(crate) min_tissue: Option<u8>,
    /// Patches a batch
    #[arg(long, value_name = "COUNT")]
    pub(crate) batch_size: Option<u32>,
    /// How often the program goes through the dataset
    #[arg(long, value_name = "COUNT")]
    pub(crate) epochs: Option<u32>,
    /// Fixes the order and every random coordinate
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Store the patches here, as tar files
    #[arg(long, value_name = "URL")]
    pub(crate) store: Option<String>,
}

/// How the program runs.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Run")]
pub(crate) struct RunFlags {
    /// How long the job may run, say 12h [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub(crate) deadline: Option<i64>,
    /// How often the program may fail and is started again
    #[arg(long, value_name = "COUNT")]
    pub(crate) backoff_limit: Option<i32>,
    /// How long the job and its log are kept after its end
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub(crate) ttl: Option<i64>,
    /// A variable of the program's environment; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) env: Vec<(String, String)>,
    /// A Secret of the namespace whose keys become environment; may be given several times
    #[arg(long, value_name = "NAME")]
    pub(crate) secret: Vec<String>,
    /// What outlives attempts: a folder in storage, or the name of a PersistentVolumeClaim
    #[arg(long, value_name = "URL|CLAIM")]
    pub(crate) checkpoints: Option<String>,
    /// Leave it out of the queue until `resume`
    #[arg(long)]
    pub(crate) suspended: bool,
}

fn workers(text: &str) -> Result<(i32, i32), String> {
    let wrong = |_| format!("{text:?} is no number of workers such as 4 or 1-8");
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    Ok((least.parse().map_err(wrong)?, most.parse().map_err(wrong)?))
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}
