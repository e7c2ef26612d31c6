//! What the engine learns about the encryption of a connection. Knows no cipher.

use super::allow::names::NAME_BYTES_MAX;
use super::message::ConnectionId;

/// Something that happened to the encryption of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncryptionEvent<'a> {
    /// The handshake is complete.
    Begun {
        /// Version and cipher suite.
        how: &'a str,
        /// The name in the peer's checked certificate; `None`: it has none, or was not asked for one. Not escaped.
        name: Option<&'a str>,
    },
    /// The peer's input ended without a close_notify: its end may have been cut off.
    Truncated,
    /// The peer speaks plain text, or sends nothing at all. It gets an error in plain text, and its input is ignored.
    Missing,
    /// The encryption failed; with the reason, already escaped. Nothing more can be sent.
    Failed(&'a str),
}

/// The most memory for a connection's certificate: its name, in a table that has just grown.
pub const ENTRY_BYTES: usize = NAME_BYTES_MAX + 2 * (size_of::<ConnectionId>() + size_of::<Box<str>>()) + 16;

/// The log's text for [`EncryptionEvent::Truncated`].
pub const TRUNCATED: &str = "its input ended without close_notify";
