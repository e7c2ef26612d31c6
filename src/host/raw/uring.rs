//! One io_uring (io_uring(7)) that waits until a word has changed: IORING_OP_FUTEX_WAIT, since Linux 6.7.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::libc;

use super::memory::SharedWords;

/// Bytes of a word, and of an entry of the ring of completions.
const WORD: u32 = 4;
const CQE: u32 = 16;

/// Words of an entry of the ring of submissions.
const SQE_WORDS: usize = 16;

/// The word has 32 bits, and may be another process's too (FUTEX2_SIZE_U32).
const SHARED_WORD: u32 = 2;

/// The operation, how to wait for its end, and where the entries are mapped (linux/io_uring.h).
const FUTEX_WAIT: u8 = 51;
const GETEVENTS: u32 = 1;
const SQES: u64 = 0x1000_0000;

/// That both rings are mapped at once.
const SINGLE_MMAP: u32 = 1;

/// The kernel's description of a ring: the offsets of its parts, in bytes.
#[derive(Debug, Default)]
#[repr(C)]
struct Params {
    sq_entries: u32,
    cq_entries: u32,
    flags: [u32; 3],
    features: u32,
    more: [u32; 4],
    sq: Offsets,
    cq: Offsets,
}

/// Where the parts of one of its two rings are.
#[derive(Debug, Default)]
#[repr(C)]
struct Offsets {
    head: u32,
    tail: u32,
    mask: u32,
    more: [u32; 2],
    /// Of completions: the entries.
    cqes: u32,
    /// Of submissions: the numbers of the entries.
    array: u32,
    rest: [u32; 3],
}

/// A ring for one wait at a time.
#[derive(Debug)]
pub struct Uring {
    fd: OwnedFd,
    params: Params,
    rings: SharedWords,
    entries: SharedWords,
}

impl Uring {
    /// Sets one up.
    ///
    /// # Errors
    /// ENOSYS, EPERM: the kernel or a sandbox does not allow it.
    pub fn new() -> io::Result<Uring> {
        let mut params = Params::default();
        // SAFETY: parameters of the right size that are all zero, which ask for nothing that refers to memory of ours.
        let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, &mut params) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just opened it for us.
        let fd = unsafe { OwnedFd::from_raw_fd(fd as i32) };
        if params.features & SINGLE_MMAP == 0 {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let bytes =
            (params.sq.array + params.sq_entries * WORD).max(params.cq.cqes + params.cq_entries * CQE);
        let rings = SharedWords::map_at(&fd, bytes.div_ceil(WORD) as usize, 0)?;
        let entries = SharedWords::map_at(&fd, SQE_WORDS, SQES)?;
        Ok(Uring { fd, params, rings, entries })
    }

    fn ring(&self, offset: u32) -> &AtomicU32 {
        &self.rings[(offset / WORD) as usize]
    }

    /// Sleeps until a process wakes the waiters of `word`, if the word still has this value.
    ///
    /// # Errors
    /// EINVAL: the kernel is older than 6.7.
    pub fn wait(&self, word: &AtomicU32, value: u32) -> io::Result<()> {
        let address = word.as_ptr().expose_provenance() as u64;
        let mut entry = [0; SQE_WORDS];
        entry[0] = u32::from_ne_bytes([FUTEX_WAIT, 0, 0, 0]);
        entry[1] = SHARED_WORD;
        entry[2] = value; // in 64 bits, as the address and the mask
        [entry[4], entry[5]] = [address as u32, (address >> 32) as u32];
        entry[12] = u32::MAX; // any waker
        self.entries.iter().zip(entry).for_each(|(word, new)| word.store(new, Ordering::Relaxed));
        let Params { sq, cq, .. } = &self.params;
        self.ring(sq.array).store(0, Ordering::Relaxed);
        let tail = self.ring(sq.tail);
        tail.store(tail.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
        let (head, mut submitted) = (self.ring(cq.head), 1_u32);
        let begun = head.load(Ordering::Relaxed);
        while self.ring(cq.tail).load(Ordering::Acquire) == begun {
            // SAFETY: the one entry refers to a word that is borrowed until its completion has come: this function does not
            // return before, whatever interrupts it.
            let outcome = unsafe {
                let (fd, nothing) = (self.fd.as_raw_fd(), std::ptr::null::<u8>());
                libc::syscall(libc::SYS_io_uring_enter, fd, submitted, 1, GETEVENTS, nothing, 0_usize)
            };
            if outcome < 0 && submitted > 0 {
                return Err(io::Error::last_os_error());
            }
            submitted = 0; // interrupted or not: it waits
        }
        let at = (begun & self.ring(cq.mask).load(Ordering::Relaxed)) * CQE;
        let result = self.ring(cq.cqes + at + 8).load(Ordering::Relaxed) as i32;
        head.store(begun.wrapping_add(1), Ordering::Release);
        match -result {
            ..=0 => Ok(()),
            errno if errno == rustix::io::Errno::AGAIN.raw_os_error() => Ok(()), // it has changed already
            errno => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::thread::futex;

    use super::*;
    use crate::host::raw::memory::allocate;

    #[test]
    fn wait_ends_at_a_wake_up_or_if_the_word_has_changed() {
        let Ok(ring) = Uring::new() else { return }; // this kernel or sandbox has none
        let memory = allocate(1).unwrap();
        let words = SharedWords::map(&memory, 1).unwrap();
        match ring.wait(&words[0], 1) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return, // before Linux 6.7
            outcome => outcome.unwrap(),
        }
        for turn in 0..20 {
            let memory = memory.try_clone().unwrap();
            let waker = std::thread::spawn(move || {
                let theirs = SharedWords::map(&memory, 1).unwrap();
                std::thread::sleep(Duration::from_millis(turn % 3));
                theirs[0].store(turn as u32 + 1, Ordering::Release);
                futex::wake(&theirs[0], futex::Flags::empty(), 1).unwrap();
            });
            while words[0].load(Ordering::Acquire) == turn as u32 {
                ring.wait(&words[0], turn as u32).unwrap();
            }
            waker.join().unwrap();
        }
    }
}
