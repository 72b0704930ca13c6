//! Memory of pixels, used again and again.
//!
//! Patches come and go in their thousands, and are megabytes large. From the allocator the same bytes would be fresh pages
//! each time, or leave holes in the arena of each thread: more than a head's budget by a half, measured with 3 MiB patches.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

/// Buffers that come back; clones share them. They are never more than were in use at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers {
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A buffer in use; it comes back when the last reference to its [`Bytes`] has gone.
struct Held {
    buffer: Vec<u8>,
    spare: Arc<Mutex<Vec<Vec<u8>>>>,
    /// What bounds how many there are, if anything does.
    _room: Option<OwnedSemaphorePermit>,
}

impl Buffers {
    /// A buffer with whatever it held before, the one that came back last.
    pub(crate) fn take(&self) -> Vec<u8> {
        lock(&self.spare).pop().unwrap_or_default()
    }

    /// What is in a buffer, to be shared. It takes `room` as long as anybody looks at it.
    pub(crate) fn share(&self, buffer: Vec<u8>, room: Option<OwnedSemaphorePermit>) -> Bytes {
        Bytes::from_owner(Held { buffer, spare: Arc::clone(&self.spare), _room: room })
    }

    /// A copy of pixels.
    pub(crate) fn copy(&self, pixels: &[u8]) -> Bytes {
        let mut buffer = self.take();
        buffer.clear();
        buffer.reserve_exact(pixels.len());
        buffer.extend_from_slice(pixels);
        self.share(buffer, None)
    }

    /// Gives a buffer back that was not shared.
    pub(crate) fn give_back(&self, buffer: Vec<u8>) {
        lock(&self.spare).push(buffer);
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        lock(&self.spare).push(std::mem::take(&mut self.buffer));
    }
}

fn lock(spare: &Mutex<Vec<Vec<u8>>>) -> MutexGuard<'_, Vec<Vec<u8>>> {
    spare.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again_and_never_while_it_is_read() {
        let buffers = Buffers::default();
        let (first, second) = (buffers.copy(&[1, 2, 3]), buffers.copy(&[4, 5, 6]));
        let (place, slice) = (first.as_ptr(), first.slice(1..));
        drop(first);
        let third = buffers.copy(&[7, 8, 9]);
        assert_ne!(third.as_ptr(), place, "a slice of it is still read");
        assert_eq!((&slice[..], &second[..]), (&[2, 3][..], &[4, 5, 6][..]));
        drop(slice);
        let fourth = buffers.copy(&[10, 11, 12]);
        assert_eq!((fourth.as_ptr(), &fourth[..]), (place, &[10, 11, 12][..]));
    }
}
