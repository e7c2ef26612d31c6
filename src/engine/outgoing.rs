//! The bytes that may be written to a peer, at their place in memory.

/// Pieces of memory that one [`Outgoing`] can name.
pub const SLICES_MAX: usize = 4;

/// The bytes that may be written to a peer now, in order.
#[derive(Debug)]
pub struct Outgoing<'a> {
    pub(super) slices: [&'a [u8]; SLICES_MAX],
    pub(super) count: usize,
    /// There may be more to write after it.
    pub(super) is_part: bool,
}

impl<'a> Outgoing<'a> {
    /// The pieces.
    pub fn slices(&self) -> &[&'a [u8]] {
        &self.slices[..self.count]
    }

    /// Their bytes in all.
    pub fn len(&self) -> usize {
        self.slices().iter().map(|slice| slice.len()).sum()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.slices().iter().all(|slice| slice.is_empty())
    }

    /// Whether more may be written once it is, without anything else happening.
    pub fn is_part(&self) -> bool {
        self.is_part
    }

    pub(super) fn push(&mut self, slice: &'a [u8]) {
        if !slice.is_empty() && self.count < SLICES_MAX {
            self.slices[self.count] = slice;
            self.count += 1;
        }
    }
}
