//! Reasons, each with its sentence for members, for authors and for the log.

use std::fmt;

use super::super::text::quote;

/// Why the room is cut off, a connection ended, or an entry was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// There was no connection yet.
    NotConnected,
    /// The reactor's reason: refused, reset, no such host, a certificate.
    Network(String),
    /// The server closed without an error.
    Closed,
    /// It did not answer a ping in time.
    NoPong,
    /// Its first line did not arrive in time.
    Silent,
    /// It sends, and does not read.
    Deaf,
    /// It does not speak the protocol.
    Protocol(&'static str),
    /// It has no TLS, although the configuration requires it.
    NoTls,
    /// It requires a signature, and the credentials have no key; or the other way round.
    NoNonce,
    /// It refuses the credentials.
    Unauthorized(String),
    /// It closed with another error.
    ServerError(String),
    /// It is about to close.
    LameDuck,
    /// It has no JetStream, or the account may not use it.
    NoJetStream,
    /// JetStream does not answer, because its servers have no quorum.
    NoQuorum,
    /// The stream with the house's name does not store the house's rooms.
    WrongStream(String),
    /// The stream cannot be created or read.
    Stream(String),
    /// The credentials lack a permission.
    NoRight(String),
    /// The server will not store this.
    NotStored(String),
    /// The configuration was reloaded.
    Reconfigured,
    /// The log is being read.
    CatchingUp,
    /// No member of ours has that name at that position of the log.
    NotInTheRoom,
    /// The room is full.
    RoomFull,
    /// It is not a name.
    NoName,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = |text: &String| quote(text.as_bytes());
        match self {
            Why::NotConnected => f.write_str("not connected yet"),
            Why::Network(text) => f.write_str(&told(text)),
            Why::Closed => f.write_str("the server closed the connection"),
            Why::NoPong => f.write_str("the server does not answer"),
            Why::Silent => f.write_str("connected, but no NATS server answers there"),
            Why::Deaf => f.write_str("the server does not read what it is sent"),
            Why::Protocol(what) => write!(f, "that is no NATS server: {what}"),
            Why::NoTls => f.write_str("the server has no TLS, which tls:// asks for"),
            Why::NoNonce => f.write_str(
                "the server asks for no signature, which these credentials need: check its authorization",
            ),
            Why::Unauthorized(text) => write!(f, "the server refuses the credentials ({})", told(text)),
            Why::ServerError(text) => write!(f, "the server closed: {}", told(text)),
            Why::LameDuck => f.write_str("the server is about to close"),
            Why::NoJetStream => f.write_str(
                "the server has no JetStream for us: start it with -js, or allow the account to use it",
            ),
            Why::NoQuorum => {
                f.write_str("the server does not store messages: too few servers of the cluster are up")
            }
            Why::WrongStream(text) => write!(f, "the stream is not one for rooms: {}", told(text)),
            Why::Stream(text) => write!(f, "the stream cannot be used: {}", told(text)),
            Why::NoRight(text) => write!(f, "the credentials lack a right: {}", told(text)),
            Why::NotStored(text) => write!(f, "the server does not store it: {}", told(text)),
            Why::Reconfigured => f.write_str("the configuration was read again"),
            Why::CatchingUp => f.write_str("the room's log is being read"),
            Why::NotInTheRoom => f.write_str("you are not in the room"),
            Why::RoomFull => f.write_str("the room is full"),
            Why::NoName => f.write_str("that is no name"),
        }
    }
}
