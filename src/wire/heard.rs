//! What a wire has found in received bytes.

/// The contents of received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// Bytes of the conversation; `more`: others have arrived and follow.
    Bytes {
        /// The bytes.
        bytes: &'a [u8],
        /// Whether others follow.
        more: bool,
    },
    /// The other side sends nothing more.
    End,
    /// The conversation is encrypted from here on.
    Secured {
        /// Version and cipher suite.
        how: &'a str,
        /// The name in the other side's certificate, if there is one.
        name: Option<&'a str>,
    },
    /// The stream ended without the message that ends it: something may be missing.
    Truncated,
    /// The peer sends plain text, and from now on so does this wire.
    PlainText,
    /// The conversation has failed, for this reason. An alert about it may still have to be sent.
    Failed(&'a str),
}
