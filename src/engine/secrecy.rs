//! What becomes known of the encryption that a conversation travels in. Knows no cipher: whoever has the keys tells it.

/// What happened between the conversation and the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrecy<'a> {
    /// The handshake is complete; with which version and cipher suite.
    Begun(&'a str),
    /// The peer ended its input without saying so: the end may have been cut off.
    Truncated,
    /// The peer speaks plain text, or says nothing at all. It is told so in plain text, and nothing that it says is heard.
    Missing,
    /// The encryption failed; with the reason, already escaped. Nobody can be told anything any more.
    Failed(&'a str),
}

/// What the log says of [`Secrecy::Truncated`].
pub const TRUNCATED: &str = "its input ended without close_notify";
