//! The bytes that may be written to a peer, as slices of where they are stored.

/// The most slices of one [`Outgoing`].
pub const SLICES_MAX: usize = 4;

/// The bytes that may be written to a peer now, in order.
#[derive(Debug)]
pub struct Outgoing<'a> {
    pub(super) slices: [&'a [u8]; SLICES_MAX],
    pub(super) count: usize,
    /// Set if there may be more to write after these bytes.
    pub(super) is_part: bool,
}

impl<'a> Outgoing<'a> {
    /// The pieces.
    pub fn slices(&self) -> &[&'a [u8]] {
        &self.slices[..self.count]
    }

    /// Their total length in bytes.
    pub fn len(&self) -> usize {
        self.slices().iter().map(|slice| slice.len()).sum()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.slices().iter().all(|slice| slice.is_empty())
    }

    /// Whether there may be more to write after these bytes, even if nothing else happens.
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
