//! The text protocol of a NATS server: bytes into frames, and commands into bytes. Knows the protocol; has never seen a
//! room.
//!
//! What a server sends is bounded before it is kept: a line by [`LINE_BYTES_MAX`](decode::LINE_BYTES_MAX), a message by
//! [`MESSAGE_BYTES_MAX`](decode::MESSAGE_BYTES_MAX). A longer message is passed over, because a log keeps it: whoever closed
//! the connection instead would meet it again after each reconnect.

pub mod connect;
pub mod decode;
pub mod encode;
pub mod info;
