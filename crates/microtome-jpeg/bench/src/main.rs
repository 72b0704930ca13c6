//! `goldens`: writes the files of `tests/tiles`. `parity`: pixels against libjpeg-turbo. A sampling, or nothing: time beside libjpeg-turbo and zune-jpeg.
//! `profile`, `profile-patches`, `profile-tables`: this crate alone, for a profiler.

mod goldens;
mod parity;
mod random;
mod speed;
mod tissue;
mod turbo;

fn main() {
    let tissue = tissue::Tissue::read();
    match std::env::args().nth(1).as_deref() {
        Some("parity") => parity::run(&tissue),
        Some("goldens") => goldens::run(&tissue),
        Some("profile") => speed::profile(&tissue, 256, false),
        Some("profile-patches") => speed::profile(&tissue, 1, false),
        Some("profile-tables") => speed::profile(&tissue, 1, true),
        only => speed::run(&tissue, only),
    }
}
