//! The place of a message in the received bytes.

/// Where the next message in some bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// How many bytes come before it.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// How many bytes they are in all, with what ends it.
    pub taken: usize,
}
