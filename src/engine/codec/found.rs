//! The position of a message in the received bytes.

/// The position of the next message in some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The number of bytes before it.
    pub start: usize,
    /// Its end.
    pub end: usize,
    /// The number of bytes up to here, including the mark that ends it.
    pub taken: usize,
}
