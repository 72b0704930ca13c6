//! Shared memory in which a program gets pixels: memfds that it maps once, and that are written to again when it has done
//! with them.
//!
//! The head only ever writes, so nothing that a program does to its end can hurt it. Their size is sealed and their pages are
//! there from the start, so that neither end can be hurt by the other, or by memory that is not there.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, memfd_create};
use vm_memory::{FileOffset, MmapRegion, VolatileMemory};

/// The segments of one connection.
#[derive(Debug, Default)]
pub(super) struct Segments {
    slots: Vec<Segment>,
}

#[derive(Debug)]
struct Segment {
    memory: File,
    mapped: MmapRegion,
    bytes: u64,
    /// The program may be looking at it.
    lent: bool,
}

/// A segment that is being filled.
#[derive(Debug)]
pub(super) struct Filling<'a> {
    memory: BorrowedFd<'a>,
    mapped: &'a MmapRegion,
    filled: usize,
    pub(super) slot: usize,
    /// Its size, if the program does not know it yet.
    pub(super) new: Option<u64>,
}

impl Segments {
    /// A segment of at least so many bytes that nobody looks at: one of before, or a new one, of `most` bytes.
    pub(super) fn lend(&mut self, bytes: u64, most: u64) -> io::Result<Filling<'_>> {
        let free = self.slots.iter().position(|segment| !segment.lent && segment.bytes >= bytes);
        let new = free.is_none().then_some(most.max(bytes));
        if let Some(bytes) = new {
            self.slots.push(Segment::new(bytes)?);
        }
        let slot = free.unwrap_or(self.slots.len() - 1);
        let segment = &mut self.slots[slot];
        segment.lent = true;
        Ok(Filling { memory: segment.memory.as_fd(), mapped: &segment.mapped, filled: 0, slot, new })
    }

    /// The program has done with a segment.
    pub(super) fn release(&mut self, slot: usize) {
        if let Some(segment) = self.slots.get_mut(slot) {
            segment.lent = false;
        }
    }
}

impl Segment {
    fn new(bytes: u64) -> io::Result<Self> {
        let memory = memfd_create("microtome", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        fallocate(&memory, FallocateFlags::empty(), 0, bytes)?;
        fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let memory = File::from(memory);
        let size = usize::try_from(bytes).map_err(io::Error::other)?;
        let mapped = MmapRegion::from_file(FileOffset::new(memory.try_clone()?, 0), size).map_err(io::Error::other)?;
        Ok(Self { memory, mapped, bytes, lent: false })
    }
}

impl<'a> Filling<'a> {
    /// Appends bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let room = self.mapped.get_slice(self.filled, bytes.len()).map_err(io::Error::other)?;
        room.copy_from(bytes);
        self.filled += bytes.len();
        Ok(())
    }

    /// What to send along, if the program does not have it yet.
    pub(super) fn to_send(&self) -> Option<BorrowedFd<'a>> {
        self.new.map(|_| self.memory)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use rustix::fs::ftruncate;

    use super::*;

    #[test]
    fn a_segment_is_written_again_only_when_it_was_given_back() {
        let mut segments = Segments::default();
        let lend = |segments: &mut Segments| {
            let mut filling = segments.lend(3, 4).unwrap();
            filling.write(b"abc").unwrap();
            (filling.slot, filling.new)
        };
        assert_eq!([lend(&mut segments), lend(&mut segments)], [(0, Some(4)), (1, Some(4))]);
        segments.release(0);
        assert_eq!([lend(&mut segments), lend(&mut segments)], [(0, None), (2, Some(4))]);
        segments.release(1);
        segments.release(99);
        let larger = segments.lend(5, 4).unwrap();
        assert_eq!((larger.slot, larger.new), (3, Some(5)), "none that is free is large enough");
    }

    #[test]
    fn its_size_is_fixed() {
        let mut segments = Segments::default();
        let filling = segments.lend(3, 4).unwrap();
        assert!(ftruncate(filling.memory, 2).is_err() && ftruncate(filling.memory, 8).is_err());
    }

    #[test]
    fn no_more_is_written_than_there_is_room() {
        let mut segments = Segments::default();
        let mut filling = segments.lend(3, 4).unwrap();
        filling.write(b"abc").unwrap();
        assert!(filling.write(b"de").is_err());
        filling.write(b"d").unwrap();
        let mut read = [0; 4];
        segments.slots[0].memory.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(&read, b"abcd");
    }
}
