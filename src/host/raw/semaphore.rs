//! A POSIX semaphore in shared memory (sem_overview(7)), for processes that trust each other: others could break it.

use std::io;
use std::sync::atomic::AtomicU32;

use nix::libc::{self, sem_t};

/// The words of one.
pub const WORDS: usize = size_of::<sem_t>().div_ceil(size_of::<AtomicU32>());

/// A semaphore in these words.
#[derive(Clone, Copy, Debug)]
pub struct Semaphore<'m>(&'m [AtomicU32; WORDS]);

fn checked(outcome: i32) -> io::Result<()> {
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl<'m> Semaphore<'m> {
    /// The one at the beginning of `words`, which [`begin`](Self::begin) has made.
    ///
    /// # Panics
    /// There are too few, or they are not aligned.
    pub fn of(words: &'m [AtomicU32]) -> Semaphore<'m> {
        let words = words.first_chunk().expect("words for a semaphore");
        assert!(words.as_ptr().cast::<sem_t>().is_aligned());
        Semaphore(words)
    }

    fn pointer(self) -> *mut sem_t {
        self.0.as_ptr().cast_mut().cast()
    }

    /// Makes it, with the value 0, before anybody uses it.
    ///
    /// # Errors
    /// The C library's (sem_init(3)).
    pub fn begin(self) -> io::Result<()> {
        // SAFETY: room for a semaphore, aligned, and shared memory may change at any time: its words are atomic.
        checked(unsafe { libc::sem_init(self.pointer(), 1, 0) })
    }

    /// Adds 1.
    ///
    /// # Errors
    /// The C library's (sem_post(3)).
    pub fn post(self) -> io::Result<()> {
        // SAFETY: a semaphore that `begin` has made; both sides change it only through these calls.
        checked(unsafe { libc::sem_post(self.pointer()) })
    }

    /// Waits until it is not 0, and takes 1.
    ///
    /// # Errors
    /// The C library's (sem_wait(3)).
    pub fn wait(self) -> io::Result<()> {
        // SAFETY: as above.
        checked(unsafe { libc::sem_wait(self.pointer()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::raw::memory::{SharedWords, allocate};

    #[test]
    fn other_mapping_wakes_who_waits() {
        let memory = allocate(WORDS).unwrap();
        let ours = SharedWords::map(&memory, WORDS).unwrap();
        Semaphore::of(&ours).begin().unwrap();
        let waiter = std::thread::spawn(move || {
            let theirs = SharedWords::map(&memory, WORDS).unwrap();
            (0..3).for_each(|_| Semaphore::of(&theirs).wait().unwrap());
        });
        (0..3).for_each(|_| Semaphore::of(&ours).post().unwrap());
        waiter.join().unwrap();
    }
}
