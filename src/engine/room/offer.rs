//! The next piece to write to a member.

/// An offer to a member.
pub enum Offer<'a> {
    /// There is nothing new for it.
    Nothing,
    /// A part of a direct message.
    DirectMessage(&'a [u8]),
    /// A part of the room's log.
    Log {
        /// Where it begins.
        from: u64,
        /// Where it ends.
        to: u64,
        /// Whether a direct message follows.
        goes_on: bool,
    },
}
