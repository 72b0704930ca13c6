//! Compiles the control protocol without a protoc binary.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = "../microtome-api/proto";
    println!("cargo::rerun-if-changed={directory}");
    let descriptors = protox::compile(["control.proto"], [directory])?;
    tonic_prost_build::configure().build_client(true).build_server(true).compile_fds(descriptors)?;
    Ok(())
}
