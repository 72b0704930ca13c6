//! `microtome`: the data plane in one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    microtome_feed::cmd::main()
}
