//! The next piece to write to a member.

/// An offer to a member.
pub enum Offer<'a> {
    /// It has seen everything.
    Nothing,
    /// A piece said to it alone.
    DirectMessage(&'a [u8]),
    /// The room's log.
    Log {
        /// Its beginning.
        from: u64,
        /// Its end.
        to: u64,
        /// A direct message follows.
        goes_on: bool,
    },
}
