//! The next piece to write to a member.

/// What a member can be sent next.
pub enum Offer<'a> {
    /// It has seen everything.
    Nothing,
    /// A piece said to it alone.
    DirectMessage(&'a [u8]),
    /// The room's log.
    Log {
        /// From this place on.
        from: u64,
        /// To this one.
        to: u64,
        /// Something that was said to it alone comes behind it.
        goes_on: bool,
    },
}
