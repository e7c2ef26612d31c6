//! A POSIX semaphore in shared memory (sem_overview(7)). Other processes can give it any value, or shorten its file.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::libc::{self, sem_t, timespec};

/// The size of a semaphore, in words.
pub const WORDS: usize = size_of::<sem_t>().div_ceil(size_of::<AtomicU32>());

/// The size of a semaphore, in bytes; also the size of the file of a named one.
pub const BYTES: usize = size_of::<sem_t>();

/// Aligned space for a semaphore in this process.
#[repr(align(16))]
struct Room([AtomicU32; WORDS]);

/// The contents of the file of a named semaphore with this value.
///
/// # Errors
/// The C library's (sem_init(3)).
pub fn image(value: u32) -> io::Result<Vec<u8>> {
    let room = Room(Default::default());
    Semaphore::of(&room.0).begin(value)?;
    let bytes = room.0.iter().flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes());
    Ok(bytes.take(BYTES).collect())
}

/// A semaphore in these words.
#[derive(Clone, Copy, Debug)]
pub struct Semaphore<'m>(&'m [AtomicU32; WORDS]);

fn checked(outcome: i32) -> io::Result<()> {
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl<'m> Semaphore<'m> {
    /// The semaphore at the beginning of `words`, which [`begin`](Self::begin) has initialized.
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

    /// Initializes it with this value, before any process uses it.
    ///
    /// # Errors
    /// The C library's (sem_init(3)).
    pub fn begin(self, value: u32) -> io::Result<()> {
        // SAFETY: room for a semaphore, aligned, and shared memory may change at any time: its words are atomic.
        checked(unsafe { libc::sem_init(self.pointer(), 1, value) })
    }

    /// Adds 1.
    ///
    /// # Errors
    /// The C library's (sem_post(3)).
    pub fn post(self) -> io::Result<()> {
        // SAFETY: a semaphore that `begin` has initialized; both sides change it only through these calls.
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

    /// Waits until it is not 0, and takes 1; returns whether it did so in this time, without a signal in between.
    ///
    /// # Errors
    /// The C library's (sem_timedwait(3)).
    pub fn wait_for(self, time: Duration) -> io::Result<bool> {
        // This function uses the clock that can be set.
        let until = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + time;
        let until = timespec { tv_sec: until.as_secs() as _, tv_nsec: until.subsec_nanos().into() };
        // SAFETY: as above; the time is only read.
        match checked(unsafe { libc::sem_timedwait(self.pointer(), &until) }) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::Interrupted) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Its value now: any number, because other processes can change it.
    ///
    /// # Errors
    /// The C library's (sem_getvalue(3)).
    pub fn value(self) -> io::Result<i32> {
        let mut value = 0;
        // SAFETY: as above; the value has room.
        checked(unsafe { libc::sem_getvalue(self.pointer(), &mut value) })?;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::raw::memory::{SharedWords, allocate};

    #[test]
    fn post_in_another_mapping_wakes_the_waiter() {
        let memory = allocate(WORDS).unwrap();
        let ours = SharedWords::map(&memory, WORDS).unwrap();
        Semaphore::of(&ours).begin(0).unwrap();
        let waiter = std::thread::spawn(move || {
            let theirs = SharedWords::map(&memory, WORDS).unwrap();
            (0..3).for_each(|_| Semaphore::of(&theirs).wait().unwrap());
        });
        (0..3).for_each(|_| Semaphore::of(&ours).post().unwrap());
        waiter.join().unwrap();
        assert!(!Semaphore::of(&ours).wait_for(Duration::ZERO).unwrap());
        assert_eq!(Semaphore::of(&ours).value().unwrap(), 0);
    }

    #[test]
    fn image_is_a_semaphore_with_its_value() {
        let memory = allocate(WORDS).unwrap();
        rustix::io::pwrite(&memory, &image(7).unwrap(), 0).unwrap();
        let words = SharedWords::map(&memory, WORDS).unwrap();
        let semaphore = Semaphore::of(&words);
        assert_eq!(semaphore.value().unwrap(), 7);
        assert!(semaphore.wait_for(Duration::ZERO).unwrap());
        assert_eq!(semaphore.value().unwrap(), 6);
    }
}
