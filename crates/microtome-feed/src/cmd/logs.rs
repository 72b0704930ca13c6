//! The log: events on stderr, lowercase, facts as fields; lines of JSON unless somebody looks on.
//!
//! Keys never get in. Head and worker log in the job's own namespace, where a slide may be named: events about a slide have
//! its hash in the field `slide`, by which other logs and metrics know it, and its name only in a `reason`.

use std::io::{self, IsTerminal as _};

use anyhow::{Result, bail};
use tracing_subscriber::EnvFilter;

/// `text` or `json`; by default what suits stderr.
const FORMAT: &str = "MICROTOME_LOG_FORMAT";

/// Starts logging what `RUST_LOG` asks for, or else `default`.
pub(super) fn start(default: &str) -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let json = match std::env::var(FORMAT).ok().as_deref() {
        None | Some("") => !io::stderr().is_terminal(),
        Some("json") => true,
        Some("text") => false,
        Some(other) => bail!("{FORMAT} must be text or json, not {other:?}"),
    };
    if json {
        builder.json().flatten_event(true).init();
    } else {
        builder.with_ansi(false).init();
    }
    Ok(())
}
