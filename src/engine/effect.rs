//! What handling one session leaves for the engine to do: to other sessions, by the daemon. The engine applies it once the
//! session's own step is over, in the order in which it came.

use super::message::{ConnectionId, RemoteAddress, Request};
use super::service::control::Order;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Effect {
    /// This session is told something.
    Tell(ConnectionId, SessionEvent),
    /// This one asks something of the daemon.
    Ask(ConnectionId, Request),
    /// This one wants something done to others.
    Order(ConnectionId, Order),
}

/// What one session has for another.
#[derive(Debug)]
pub(super) enum SessionEvent {
    /// Somebody to talk with has come.
    Met(RemoteAddress),
    /// This was said to it.
    Said(String),
    /// There is room for what it has to say.
    GoOn,
    /// The one it talked with has left.
    Left,
    /// Another connection has its place in the room. The rest of a line that was sent in part.
    Replaced(Vec<u8>),
}
