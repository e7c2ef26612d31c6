//! Transports of bytes: open, accept, read, write, close. Never parses a byte and never blocks.
//!
//! [`open`](open::open) turns a [`ResolvedEndpoint`](crate::endpoint::ResolvedEndpoint) into a [`Listener`](listener::Listener) or says
//! what blocks it; a listener accepts [`Connection`](connection::Connection)s. Everything here is a descriptor that
//! does not block: when to try again is the reactor's business.
pub mod buffer;
pub mod connect;
pub mod connection;
mod credentials;
pub mod datagram;
mod direction;
pub mod directory;
pub mod error;
pub mod fifo;
pub mod group;
mod inet;
pub mod listener;
pub mod lock;
mod messages;
mod on_drop;
pub mod open;
mod options;
pub mod owner;
pub mod pair;
mod passing;
mod permissions;
pub mod queue;
pub mod rings;
pub mod sockopt;
pub mod stdio;
mod unix;
