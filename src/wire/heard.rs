//! What a wire found in received bytes.

/// What was in bytes that were received.
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
    /// From here on what is said is encrypted.
    Secured {
        /// Version and cipher suite.
        how: &'a str,
        /// The name in the other side's certificate, if it has shown one that has a name.
        name: Option<&'a str>,
    },
    /// The end came without a word that it is the end: something may be missing before it.
    Truncated,
    /// What came is plain text, which this wire is from now on as well.
    PlainText,
    /// Nothing is heard or said any more; why. The reason may be held back, to be told.
    Failed(&'a str),
}
