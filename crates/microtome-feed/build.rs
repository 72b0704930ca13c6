//! Compiles the two protocols without a protoc binary.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let protos = [("proto", "feed.proto"), ("../microtome-api/proto", "control.proto")];
    for (directory, file) in protos {
        println!("cargo::rerun-if-changed={directory}/{file}");
        let descriptors = protox::compile([file], [directory])?;
        // `bytes` fields become views of the received frame: pixels are not copied again.
        tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    }
    Ok(())
}
