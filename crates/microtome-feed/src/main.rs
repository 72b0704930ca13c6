//! `microtome`: the data plane in one binary.

use std::process::ExitCode;

/// Patches and messages of megabytes come and go between threads. glibc's arenas held up to half again of a head's budget;
/// made to hold less, they spent a third of the head's time on page faults.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    microtome_feed::cmd::main()
}
