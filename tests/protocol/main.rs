//! The protocol on every kind of endpoint.

#[path = "../harness/mod.rs"]
mod harness;

mod buffer;
mod conversations;
mod datagrams;
mod fifo;
mod framing;
mod outgoing;
mod packets;
mod page;
mod pieces;
mod queue;
mod shared;
mod stats;
mod stdio;
mod talk;
mod teacher;
#[cfg(feature = "tls")]
mod tls;
mod wrong_protocols;
