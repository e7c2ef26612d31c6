//! What the engine is told of the encryption of a connection. Knows no cipher.

use super::allow::names::NAME_BYTES_MAX;
use super::message::ConnectionId;

/// Something that happened to the encryption of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncryptionEvent<'a> {
    /// The handshake is complete.
    Begun {
        /// Version and cipher suite.
        how: &'a str,
        /// The name in the peer's certificate, which was checked; `None`: it has none, or was not asked for one. Not escaped.
        name: Option<&'a str>,
    },
    /// The peer ended its input without saying so: the end may have been cut off.
    Truncated,
    /// The peer speaks plain text, or says nothing at all. It is told so in plain text, and nothing that it says is heard.
    Missing,
    /// The encryption failed; with the reason, already escaped. Nobody can be told anything any more.
    Failed(&'a str),
}

/// What is kept of a connection's certificate takes so many bytes at most: its name, in a table that has just grown.
pub const ENTRY_BYTES: usize = NAME_BYTES_MAX + 2 * (size_of::<ConnectionId>() + size_of::<Box<str>>()) + 16;

/// What the log says of [`EncryptionEvent::Truncated`].
pub const TRUNCATED: &str = "its input ended without close_notify";
