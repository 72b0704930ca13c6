//! `parity`: pixels against libjpeg-turbo. `speed` (default): time beside libjpeg-turbo and zune-jpeg.

mod parity;
mod random;
mod speed;
mod tissue;
mod turbo;

fn main() {
    let tissue = tissue::Tissue::read();
    match std::env::args().nth(1).as_deref() {
        Some("parity") => parity::run(&tissue),
        _ => speed::run(&tissue),
    }
}
