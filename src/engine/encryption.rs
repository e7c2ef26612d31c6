//! What the engine is told of the encryption of a connection. Knows no cipher.

/// Something that happened to the encryption of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncryptionEvent<'a> {
    /// The handshake is complete; with which version and cipher suite.
    Begun(&'a str),
    /// The peer ended its input without saying so: the end may have been cut off.
    Truncated,
    /// The peer speaks plain text, or says nothing at all. It is told so in plain text, and nothing that it says is heard.
    Missing,
    /// The encryption failed; with the reason, already escaped. Nobody can be told anything any more.
    Failed(&'a str),
}

/// What the log says of [`EncryptionEvent::Truncated`].
pub const TRUNCATED: &str = "its input ended without close_notify";
