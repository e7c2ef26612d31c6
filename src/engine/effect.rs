//! What a session asks the engine to do to others: to another session, or to the daemon. The engine applies effects
//! after the session's own step, in order.

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
    /// It is in the room, at its place in the log of all machines; with what it said behind its name.
    #[cfg(feature = "nats")]
    Joined(MemberId, Box<str>),
    /// Somebody else has its name there; with lines that it was not sent yet.
    #[cfg(feature = "nats")]
    NameTaken(Box<str>, Vec<u8>),
    /// Another connection is this member now; with the rest of a line that was sent in part.
    Replaced(Vec<u8>),
}
