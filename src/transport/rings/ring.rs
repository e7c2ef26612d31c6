//! One ring of messages in shared memory, each behind its length: one writer, one reader, and no lock. Everything that the
//! other side has written may be wrong and may change at any time, so each word is read once and checked.
//!
//! A side is woken only if it sleeps. A side that finds nothing to read, or no room to write, sets a word of the ring and checks
//! once more before it sleeps; a side that adds or takes a message checks that word afterwards. Because both sides have a fence
//! between the two steps, at least one of them sees what the other has done.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering, fence};

/// A word in the shared memory.
pub(super) trait Word {
    fn load(&self, order: Ordering) -> u32;
    fn store(&self, value: u32, order: Ordering);
    /// Orders the stores before it before the loads after it.
    fn fence();
}

impl Word for AtomicU32 {
    fn load(&self, order: Ordering) -> u32 {
        AtomicU32::load(self, order)
    }

    fn store(&self, value: u32, order: Ordering) {
        AtomicU32::store(self, value, order);
    }

    fn fence() {
        fence(Ordering::SeqCst);
    }
}

/// The rule that the other side has broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A position is further from ours than the ring is long.
    Position,
    /// A message would be longer than what was written, or than a message may be.
    Length,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Broken::Position => {
                "a position in the shared memory is outside the ring; add as many words as the message has"
            }
            Broken::Length => {
                "a length in the shared memory is longer than what was written, or than a message may be"
            }
        })
    }
}

impl std::error::Error for Broken {}

/// One ring. Positions are totals of words, which start again at 0 after 2^32; the ring has a power of two of them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ring<'m, W> {
    /// The total of words written.
    pub(super) written: &'m W,
    /// The total of words read.
    pub(super) read: &'m W,
    /// Whether the reader must be woken when there is a message.
    pub(super) reader_waits: &'m W,
    /// Whether the writer must be woken when there is room.
    pub(super) writer_waits: &'m W,
    pub(super) data: &'m [W],
}

/// Whether the other side waits. Clears the word: the caller must wake the other side.
fn take<W: Word>(flag: &W) -> bool {
    W::fence();
    let waits = flag.load(Ordering::Relaxed) != 0;
    if waits {
        flag.store(0, Ordering::Relaxed);
    }
    waits
}

/// The words of a message, with its length.
fn words_of(bytes: usize) -> usize {
    1 + bytes.div_ceil(4)
}

impl<W: Word> Ring<'_, W> {
    fn at(&self, position: u32) -> &W {
        &self.data[position as usize & (self.data.len() - 1)]
    }

    // ---- the writer

    fn room(&self, written: u32) -> Result<usize, Broken> {
        let used = written.wrapping_sub(self.read.load(Ordering::Acquire)) as usize;
        self.data.len().checked_sub(used).ok_or(Broken::Position)
    }

    /// Adds a message at `written`, and returns the new position. `None`: there is no room, and the reader will wake us when
    /// there is.
    pub(super) fn put(&self, written: u32, pieces: &[&[u8]]) -> Result<Option<u32>, Broken> {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        let needed = words_of(length);
        if self.room(written)? < needed {
            self.writer_waits.store(1, Ordering::Relaxed);
            W::fence();
            if self.room(written)? < needed {
                return Ok(None);
            }
            self.writer_waits.store(0, Ordering::Relaxed);
        }
        self.at(written).store(length as u32, Ordering::Relaxed);
        let mut at = written.wrapping_add(1);
        let (mut word, mut filled) = ([0; 4], 0);
        for piece in pieces {
            let (first, rest) = piece.split_at(piece.len().min((4 - filled) % 4));
            for byte in first {
                word[filled] = *byte;
                filled += 1;
            }
            if filled == 4 {
                self.at(at).store(u32::from_ne_bytes(word), Ordering::Relaxed);
                (at, filled) = (at.wrapping_add(1), 0);
            }
            let (fours, rest) = rest.as_chunks::<4>();
            for four in fours {
                self.at(at).store(u32::from_ne_bytes(*four), Ordering::Relaxed);
                at = at.wrapping_add(1);
            }
            for byte in rest {
                word[filled] = *byte;
                filled += 1;
            }
        }
        if filled > 0 {
            word[filled..].fill(0);
            self.at(at).store(u32::from_ne_bytes(word), Ordering::Relaxed);
            at = at.wrapping_add(1);
        }
        self.written.store(at, Ordering::Release);
        Ok(Some(at))
    }

    /// Whether the reader sleeps, and must be woken now.
    pub(super) fn must_wake_reader(&self) -> bool {
        take(self.reader_waits)
    }

    // ---- the reader

    /// Whether there is a message at `read`.
    pub(super) fn has_message(&self, read: u32) -> bool {
        self.written.load(Ordering::Relaxed) != read
    }

    /// Takes the message at `read`, if there is one: returns its length in `buffer`, and the new position.
    pub(super) fn take(&self, read: u32, buffer: &mut [u8]) -> Result<Option<(usize, u32)>, Broken> {
        let there = self.written.load(Ordering::Acquire).wrapping_sub(read) as usize;
        if there == 0 {
            return Ok(None);
        }
        if there > self.data.len() {
            return Err(Broken::Position);
        }
        let length = self.at(read).load(Ordering::Relaxed) as usize;
        let words = words_of(length);
        let Some(message) = buffer.get_mut(..length).filter(|_| words <= there) else {
            return Err(Broken::Length);
        };
        let mut at = read.wrapping_add(1);
        for four in message.chunks_mut(4) {
            let word = self.at(at).load(Ordering::Relaxed).to_ne_bytes();
            four.copy_from_slice(&word[..four.len()]);
            at = at.wrapping_add(1);
        }
        self.read.store(at, Ordering::Release);
        Ok(Some((length, at)))
    }

    /// Whether the writer sleeps, and must be woken now.
    pub(super) fn must_wake_writer(&self) -> bool {
        take(self.writer_waits)
    }

    /// Announces that the reader goes to sleep. `false`: it must not, because there is a message.
    pub(super) fn may_sleep(&self, read: u32) -> bool {
        self.reader_waits.store(1, Ordering::Relaxed);
        W::fence();
        let is_empty = self.written.load(Ordering::Relaxed) == read;
        if !is_empty {
            self.reader_waits.store(0, Ordering::Relaxed);
        }
        is_empty
    }
}

#[cfg(test)]
mod model;
