//! The contents that a wire found in received bytes.

/// The contents of received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// Bytes of the conversation; `more`: others are there already, and follow.
    Bytes {
        /// The bytes.
        bytes: &'a [u8],
        /// Whether others follow.
        more: bool,
    },
    /// The other side says nothing more.
    End,
    /// The conversation is encrypted from here on.
    Secured {
        /// Version and cipher suite.
        how: &'a str,
        /// The name in the other side's certificate, if it has shown one that has a name.
        name: Option<&'a str>,
    },
    /// The end came without a word that it is the end: something may be missing before it.
    Truncated,
    /// The peer sends plain text, and from now on so does this wire.
    PlainText,
    /// The conversation is over, with the reason. An alert about it may be held back, still to be sent.
    Failed(&'a str),
}
