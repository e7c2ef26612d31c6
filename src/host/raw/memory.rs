//! Memory shared by two processes (memfd_create(2), mmap(2)), only as atomic words.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::AtomicU32;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create};
use rustix::io::retry_on_intr;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Shared words, initially zero. Another process may change them at any time, so all access is atomic.
#[derive(Debug)]
pub struct SharedWords {
    start: NonNull<AtomicU32>,
    count: usize,
}

/// Creates memory of `count` words, for [`SharedWords::map`] in this and another process. Its size is sealed.
///
/// # Errors
/// The kernel's.
pub fn allocate(count: usize) -> io::Result<OwnedFd> {
    let fd = memfd_create("ipcd", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    retry_on_intr(|| ftruncate(&fd, (count * size_of::<AtomicU32>()) as u64))?;
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(fd)
}

impl SharedWords {
    /// Maps the first `count` words (at least one) of memory that [`allocate`] made.
    ///
    /// # Errors
    /// It has fewer, or could lose them: its size is not sealed.
    pub fn map(memory: impl AsFd, count: usize) -> io::Result<SharedWords> {
        match fcntl_get_seals(&memory)?.contains(SealFlags::SHRINK) {
            true => SharedWords::map_unsealed(memory, count),
            false => Err(io::Error::other("others could shorten this memory")),
        }
    }

    /// Maps the first `count` words of a file that others may shorten. Then the kernel ends this process when it uses them
    /// (SIGBUS): only for a process that does nothing else.
    ///
    /// # Errors
    /// It has fewer now.
    pub fn map_unsealed(memory: impl AsFd, count: usize) -> io::Result<SharedWords> {
        let wrong = || io::Error::other("this is not shared memory of that size");
        let bytes = count.checked_mul(size_of::<AtomicU32>()).ok_or_else(wrong)?;
        if u64::try_from(fstat(&memory)?.st_size).is_ok_and(|size| size < bytes as u64) {
            return Err(wrong());
        }
        SharedWords::map_at(memory, count, 0)
    }

    /// Maps `count` words from `offset` on. The kernel has said that the file has them.
    pub(super) fn map_at(memory: impl AsFd, count: usize, offset: u64) -> io::Result<SharedWords> {
        let bytes = count * size_of::<AtomicU32>();
        // SAFETY: a new mapping, at an address that the kernel chooses, replaces none.
        let start = unsafe {
            mmap(null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, memory, offset)
        }?;
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::other("mapped at address 0"))?;
        Ok(SharedWords { start, count })
    }
}

impl Deref for SharedWords {
    type Target = [AtomicU32];

    fn deref(&self) -> &[AtomicU32] {
        // SAFETY: `map` made `count` words readable and writable from here on; a mapping begins at a page, so they are
        // aligned; if their file shrinks, using them ends the process, and nothing else; they stay until `drop`, which no
        // borrow outlives. Any bits are a valid AtomicU32, and another process may change it at any time.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: the mapping that `map` made, whole; nothing borrows from it any more. It can fail only for an address
        // outside any mapping.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.count * size_of::<AtomicU32>()) };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn writes_to_one_mapping_appear_in_the_other() {
        let memory = allocate(2000).unwrap();
        let (ours, theirs) =
            (SharedWords::map(&memory, 2000).unwrap(), SharedWords::map(&memory, 2000).unwrap());
        drop(memory);
        assert_eq!((ours.len(), theirs[1999].load(Ordering::Relaxed)), (2000, 0));
        ours[1999].store(7, Ordering::Release);
        drop(ours);
        assert_eq!(theirs[1999].load(Ordering::Acquire), 7);
    }

    #[test]
    fn shrinkable_or_too_small_memory_is_refused() {
        let unsealed = memfd_create("ipcd", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&unsealed, 4096).unwrap();
        assert!(SharedWords::map(&unsealed, 1).is_err());
        assert!(SharedWords::map(allocate(1024).unwrap(), 1025).is_err());
    }
}
