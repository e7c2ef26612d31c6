//! Messages through shared memory: a ring of words for each direction, with one writer and one reader. There is no
//! busy-waiting: a reader that finds nothing sleeps in the kernel, until a futex, an eventfd, a semaphore or a signal wakes it.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ipcd::host::raw::memory::SharedWords;
use ipcd::host::raw::semaphore;
use ipcd::host::raw::semaphore::Semaphore;
use ipcd::host::raw::signal;
use ipcd::host::raw::sysv;
use ipcd::host::raw::uring::Uring;
use rustix::io::{Errno, read, retry_on_intr, write};
use rustix::thread::futex;

use super::protocol::MESSAGE_BYTES_MAX;

/// The size of a ring in words; a power of two, because positions wrap around.
const RING_WORDS: usize = 4096;

/// Before the ring: the total of words written, and, in another cache line, the total of words read.
const WRITTEN: usize = 0;
const READ: usize = 16;
const HEADER_WORDS: usize = 32;

/// Two rings.
const RINGS_WORDS: usize = 2 * (HEADER_WORDS + RING_WORDS);

/// The memory of two rings, with a semaphore for each.
pub(crate) const WORDS: usize = RINGS_WORDS + 2 * semaphore::WORDS;

/// The two sides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Asks,
    Answers,
}

impl Side {
    fn other(self) -> Side {
        if self == Side::Asks { Side::Answers } else { Side::Asks }
    }

    fn index(self) -> u16 {
        u16::from(self == Side::Answers)
    }
}

/// The semaphore that this side posts.
fn semaphore(words: &SharedWords, of: Side) -> Semaphore<'_> {
    Semaphore::of(&words[RINGS_WORDS + usize::from(of.index()) * semaphore::WORDS..])
}

/// Makes the semaphores in new memory.
pub(crate) fn begin_semaphores(words: &SharedWords) -> io::Result<()> {
    [Side::Asks, Side::Answers].into_iter().try_for_each(|side| semaphore(words, side).begin(0))
}

/// An interrupted wait counts as over: the caller checks the ring again.
fn uninterrupted(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        outcome => outcome,
    }
}

/// How long to wait for a signal before checking the ring again. No signal is lost, so the time may be long.
const WAIT: Duration = Duration::from_secs(3600);

/// How to wake the reader of a ring.
pub(crate) enum Wakeup {
    /// It sleeps on the word with the total of words written.
    Futex,
    /// It sleeps on the same word, in io_uring_enter().
    Uring(Uring),
    /// It sleeps in read().
    EventFd { to: OwnedFd, from: OwnedFd },
    /// It waits for a POSIX semaphore behind the rings.
    Semaphores,
    /// It waits for one of two System V semaphores.
    SystemV(i32),
    /// It waits for a signal of this process.
    Signal(i32),
}

pub(crate) struct Memory {
    words: SharedWords,
    side: Side,
    wakeup: Wakeup,
    /// Our own positions for writing and reading. The other side's copy is not trusted.
    written: u32,
    read: u32,
}

impl Memory {
    pub(crate) fn new(words: SharedWords, side: Side, wakeup: Wakeup) -> Memory {
        Memory { words, side, wakeup, written: 0, read: 0 }
    }

    fn ring(&self, of: Side) -> &[AtomicU32] {
        let (first, second) = self.words[..RINGS_WORDS].split_at(RINGS_WORDS / 2);
        if of == Side::Asks { first } else { second }
    }

    fn ours(&self) -> &[AtomicU32] {
        self.ring(self.side)
    }

    fn theirs(&self) -> &[AtomicU32] {
        self.ring(self.side.other())
    }

    /// Writes messages, and wakes the other side once.
    pub(crate) fn send(&mut self, messages: &[&[u8]]) -> io::Result<()> {
        let mut at = self.written;
        let ring = self.ours();
        let read = ring[READ].load(Ordering::Acquire);
        for message in messages {
            let needed = 1 + message.len().div_ceil(4);
            if at.wrapping_sub(read) as usize + needed > RING_WORDS {
                return Err(io::Error::other("the ring in the shared memory is full"));
            }
            put(ring, &mut at, message.len() as u32);
            for four in message.chunks(4) {
                let mut word = [0; 4];
                word[..four.len()].copy_from_slice(four);
                put(ring, &mut at, u32::from_ne_bytes(word));
            }
        }
        ring[WRITTEN].store(at, Ordering::Release);
        match &self.wakeup {
            Wakeup::Futex | Wakeup::Uring(_) => drop(futex::wake(&ring[WRITTEN], futex::Flags::empty(), 1)?),
            Wakeup::EventFd { to, .. } => drop(retry_on_intr(|| write(to, &1_u64.to_ne_bytes()))?),
            Wakeup::Semaphores => semaphore(&self.words, self.side).post()?,
            Wakeup::SystemV(id) => match sysv::change(*id, self.side.index(), 1) {
                // The count is as high as it can be (32,767), because a side that is awake takes nothing from it.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::RANGE) => {}
                outcome => outcome?,
            },
            Wakeup::Signal(to) => match signal::queue(*to, 1) {
                // The limit of queued signals is reached, and one that waits is enough.
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                outcome => outcome?,
            },
        }
        self.written = at;
        Ok(())
    }

    /// Waits for a message.
    pub(crate) fn receive(&mut self, message: &mut Vec<u8>) -> io::Result<()> {
        let mut at = self.read;
        let ring = self.theirs();
        let written = loop {
            let written = ring[WRITTEN].load(Ordering::Acquire);
            if written != at {
                break written;
            }
            match &self.wakeup {
                // Does not sleep if something has been written since.
                Wakeup::Futex => match futex::wait(&ring[WRITTEN], futex::Flags::empty(), at, None) {
                    Ok(()) | Err(Errno::AGAIN | Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                },
                Wakeup::Uring(uring) => uring.wait(&ring[WRITTEN], at)?,
                // It counts signals, so none is missed; it may wake for data that was already read.
                Wakeup::EventFd { from, .. } => drop(retry_on_intr(|| read(from, &mut [0; 8]))?),
                Wakeup::Semaphores => uninterrupted(semaphore(&self.words, self.side.other()).wait())?,
                Wakeup::SystemV(id) => uninterrupted(sysv::change(*id, self.side.other().index(), -1))?,
                Wakeup::Signal(_) => uninterrupted(signal::wait(WAIT).map(drop))?,
            }
        };
        let length = get(ring, &mut at) as usize;
        let there = written.wrapping_sub(at) as usize;
        if length > MESSAGE_BYTES_MAX || length.div_ceil(4) > there || there > RING_WORDS {
            return Err(io::Error::other("the shared memory holds no message"));
        }
        while message.len() < length {
            message.extend_from_slice(&get(ring, &mut at).to_ne_bytes());
        }
        message.truncate(length);
        ring[READ].store(at, Ordering::Release);
        self.read = at;
        Ok(())
    }
}

fn put(ring: &[AtomicU32], at: &mut u32, word: u32) {
    ring[HEADER_WORDS + *at as usize % RING_WORDS].store(word, Ordering::Relaxed);
    *at = at.wrapping_add(1);
}

fn get(ring: &[AtomicU32], at: &mut u32) -> u32 {
    let word = ring[HEADER_WORDS + *at as usize % RING_WORDS].load(Ordering::Relaxed);
    *at = at.wrapping_add(1);
    word
}

#[cfg(test)]
mod tests {
    use ipcd::host::raw::memory::allocate;

    use super::*;

    fn pair() -> (Memory, Memory) {
        let memory = allocate(WORDS).unwrap();
        let side = |side| Memory::new(SharedWords::map(&memory, WORDS).unwrap(), side, Wakeup::Futex);
        (side(Side::Asks), side(Side::Answers))
    }

    #[test]
    fn side_that_stays_awake_is_sent_more_messages_than_a_count_holds() {
        let (memory, id) = (allocate(WORDS).unwrap(), sysv::new_semaphores().unwrap());
        let side = |side| Memory::new(SharedWords::map(&memory, WORDS).unwrap(), side, Wakeup::SystemV(id));
        let (mut ours, mut theirs) = (side(Side::Asks), side(Side::Answers));
        let mut heard = Vec::new();
        let sent = (0..40_000).try_for_each(|_| {
            heard.clear();
            ours.send(&[b"5 10"])?;
            theirs.receive(&mut heard)
        });
        sysv::remove_semaphores(id);
        sent.unwrap();
    }

    #[test]
    fn messages_stay_whole_and_ordered_when_the_ring_wraps() {
        let (mut ours, mut theirs) = pair();
        // Positions run over as well.
        for memory in [&mut ours, &mut theirs] {
            (memory.written, memory.read) = (u32::MAX - 100, u32::MAX - 100);
        }
        for ring in [ours.ours(), ours.theirs()] {
            for position in [WRITTEN, READ] {
                ring[position].store(u32::MAX - 100, Ordering::Relaxed);
            }
        }
        let mut heard = Vec::new();
        for turn in 0..5000_usize {
            let (first, second) = (vec![b'x'; turn % 9], vec![turn as u8; turn % MESSAGE_BYTES_MAX]);
            ours.send(&[&first, &second]).unwrap();
            for sent in [first, second] {
                heard.clear();
                theirs.receive(&mut heard).unwrap();
                assert_eq!(heard, sent);
            }
        }
    }

    #[test]
    fn full_ring_and_wrong_length_are_errors() {
        let (mut ours, mut theirs) = pair();
        let message = [7; MESSAGE_BYTES_MAX];
        let sent = (0..100).take_while(|_| ours.send(&[&message]).is_ok()).count();
        assert_eq!(sent, RING_WORDS / (1 + MESSAGE_BYTES_MAX / 4));
        ours.ours()[HEADER_WORDS].store(u32::MAX, Ordering::Relaxed);
        assert!(theirs.receive(&mut Vec::new()).is_err());
    }
}
