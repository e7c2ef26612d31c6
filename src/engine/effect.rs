//! What a session asks the engine to do to another session or to the daemon. The engine applies effects in order, after the
//! session's own step.

use super::message::{ConnectionId, RemoteAddress, Request};
#[cfg(feature = "nats")]
use super::room::MemberId;
use super::service::control::Order;

/// One effect.
#[derive(Debug)]
pub(super) enum Effect {
    /// Tells another session something.
    Tell(ConnectionId, SessionEvent),
    /// A session has a request to the daemon.
    Ask(ConnectionId, Request),
    /// A session gives an order about other clients.
    Order(ConnectionId, Order),
}

/// What one session tells another.
#[derive(Debug)]
pub(super) enum SessionEvent {
    /// A partner has come.
    Met(RemoteAddress),
    /// The partner said this.
    Said(String),
    /// The other end has room again.
    GoOn,
    /// Its partner has left.
    Left,
    /// It is in the room now, at its place in the shared log; with what the client had sent after its name.
    #[cfg(feature = "nats")]
    Joined(MemberId, Box<str>),
    /// Another member has its name in the shared room; with lines that were not sent to it yet.
    #[cfg(feature = "nats")]
    NameTaken(Box<str>, Vec<u8>),
    /// Another connection has taken over this member; with the rest of a line that was sent in part.
    Replaced(Vec<u8>),
}
