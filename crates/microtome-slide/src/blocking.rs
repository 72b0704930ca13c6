//! Work that waits for a disk, kept off the threads that do other IO.

use std::io;

/// Does the work on a thread of its own, or here if there is no runtime whose tasks could wait for it.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => runtime.spawn_blocking(work).await.map_err(io::Error::other),
        Err(_) => Ok(work()),
    }
}
