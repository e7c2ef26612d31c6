//! Reasons, each with a sentence for members and the log.

use std::fmt;

use super::super::text::quote;

/// Why the room is cut off, a connection ended, or an entry was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
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
    NotReading,
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
    NoPermission(String),
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
    /// It is not a valid name.
    NoName,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &String| quote(text.as_bytes());
        match self {
            Reason::NotConnected => f.write_str("not connected yet"),
            Reason::Network(text) => f.write_str(&quoted(text)),
            Reason::Closed => f.write_str("the server closed the connection"),
            Reason::NoPong => f.write_str("the server does not answer"),
            Reason::Silent => f.write_str("connected, but no NATS server answers"),
            Reason::NotReading => f.write_str("the server does not read its input"),
            Reason::Protocol(what) => write!(f, "that is not a NATS server: {what}"),
            Reason::NoTls => f.write_str("the server has no TLS, which tls:// asks for"),
            Reason::NoNonce => f.write_str(
                "these credentials need a signature, for which the server does not ask: check its authorization",
            ),
            Reason::Unauthorized(text) => write!(f, "the server refuses the credentials ({})", quoted(text)),
            Reason::ServerError(text) => write!(f, "the server closed: {}", quoted(text)),
            Reason::LameDuck => f.write_str("the server is about to close"),
            Reason::NoJetStream => f.write_str(
                "the server does not offer JetStream: start it with -js, or allow the account to use it",
            ),
            Reason::NoQuorum => {
                f.write_str("the server does not store messages: too few servers of the cluster are up")
            }
            Reason::WrongStream(text) => write!(f, "the stream is not for these rooms: {}", quoted(text)),
            Reason::Stream(text) => write!(f, "the stream cannot be used: {}", quoted(text)),
            Reason::NoPermission(text) => write!(f, "the credentials lack a permission: {}", quoted(text)),
            Reason::NotStored(text) => write!(f, "the server does not store it: {}", quoted(text)),
            Reason::Reconfigured => f.write_str("the configuration was read again"),
            Reason::CatchingUp => f.write_str("the room's log is being read"),
            Reason::NotInTheRoom => f.write_str("you are not in the room"),
            Reason::RoomFull => f.write_str("the room is full"),
            Reason::NoName => f.write_str("that is not a name"),
        }
    }
}
