//! Where things lie in the pods: the contract between the operator, which mounts, and the programs, which read.

/// The directory into which the init container copies the `microtome` binary.
pub const TOOLS: &str = "/opt/microtome";
/// The folder in [`TOOLS`] with the Python package `microtome`; on the program's PYTHONPATH.
pub const PYTHON: &str = "python";
/// The folder in [`TOOLS`] with the job's own module, unpacked; on the program's PYTHONPATH before everything else.
pub const PACKAGE: &str = "package";
/// Where our own image holds the Python package.
pub const IMAGE_PYTHON: &str = "/usr/local/share/microtome/python";
/// The job's own module as a tar, mounted from a ConfigMap.
pub const PACKAGE_FILE: &str = "/etc/microtome/package/package.tar";
/// The tar's key in its ConfigMap.
pub const PACKAGE_KEY: &str = "package.tar";
/// Where a job's checkpoints are, on a claim or on the node's disk.
pub const CHECKPOINTS: &str = "/checkpoints";
/// The work order: a PatchJob as JSON, mounted from a ConfigMap.
pub const JOB_FILE: &str = "/etc/microtome/job/job.json";
/// The work order's key in its ConfigMap.
pub const JOB_KEY: &str = "job.json";
/// The directory of [`TLS_CA`], [`TLS_CERTIFICATE`], [`TLS_KEY`], and in a head [`CONTROL_CA`].
pub const TLS: &str = "/etc/microtome/tls";
/// The authority that signed head and workers of one attempt.
pub const TLS_CA: &str = "ca.crt";
/// This pod's certificate.
pub const TLS_CERTIFICATE: &str = "tls.crt";
/// This pod's key.
pub const TLS_KEY: &str = "tls.key";
/// The authority that signed the operator's certificate.
pub const CONTROL_CA: &str = "control-ca.crt";
/// The head's projected service-account token.
pub const TOKEN_FILE: &str = "/var/run/secrets/microtome/token";

/// The environment variable with the Unix socket from which the program reads its patches.
pub const FEED_VARIABLE: &str = "MICROTOME_FEED";
/// The socket to which the program hands over files that are to be stored at the job's output.
pub const OUTPUT_VARIABLE: &str = "MICROTOME_OUTPUT";
/// The environment variable with the bytes of patches that a head may hold, as a quantity.
pub const MEMORY_VARIABLE: &str = "MICROTOME_MEMORY";
/// The environment variable with the job's UID.
pub const JOB_UID_VARIABLE: &str = "MICROTOME_JOB_UID";
/// The environment variable with the attempt; counts from 1.
pub const ATTEMPT_VARIABLE: &str = "MICROTOME_ATTEMPT";
/// The environment variable with the directory that outlives attempts; not set for a job without checkpoints.
pub const CHECKPOINTS_VARIABLE: &str = "MICROTOME_CHECKPOINTS";
/// Before the names of the storage client's variables in a head that reads or writes storage itself: the head takes them
/// away from the program.
pub const STORAGE_PREFIX: &str = "MICROTOME_STORAGE_";
