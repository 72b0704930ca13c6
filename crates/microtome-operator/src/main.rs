//! The operator: admits clusters by team, builds head and workers, and follows jobs to their end.
//!
//! ```text
//! PatchJob ─ job/ ─► PatchCluster ─ cluster/ ─► ConfigMap, Secret, Service, head Pod, worker Deployment
//!    ▲                  ▲    ▲
//!    │                  │    └ admission/: Teams and what is held ─ microtome_queue ─► condition Admitted
//!    └ control/: what heads report          team/: the right to write in a team's namespaces
//!      scale/: from what heads report to the number of workers
//! ```
//!
//! Each controller is the same steps in files of the same names: observe (reads) → decide (pure, total) → apply (ordered
//! writes, then orphans) → status (pure) → patch. This file declares and wires; `cmd/` carries the verbs out. `simulate/` plays
//! scenarios and `replay/` what the log recorded, for the verbs of those names; they touch no cluster.

mod admission;
mod args;
mod backoff;
mod behind;
mod bell;
mod client;
mod cluster;
mod cmd;
mod config;
mod context;
mod control;
mod controller;
mod events;
mod health;
mod job;
mod leader;
mod logs;
mod metrics;
mod replay;
mod scale;
mod settings;
mod simulate;
mod team;
mod tenancy;
#[cfg(test)]
mod testing;
mod watch;
mod world;
mod write;

use std::process::ExitCode;

use clap::Parser;

/// Watches and passes make and drop many small objects on several threads: this one gives the memory back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args::Args { verb } = args::Args::parse();
    match verb {
        args::Verb::Run(run) => cmd::run::run(run.try_into()?).await.map(|()| ExitCode::SUCCESS),
        args::Verb::Replay(replay) => cmd::replay::run(&replay.into()),
        args::Verb::Simulate(simulate) => cmd::simulate::run(&simulate.into()),
    }
}
