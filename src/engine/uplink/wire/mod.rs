//! The text protocol of a NATS server: bytes into frames, and commands into bytes.
//!
//! Input is bounded before it is kept: a line by [`LINE_BYTES_MAX`](decode::LINE_BYTES_MAX), a message by
//! [`MESSAGE_BYTES_MAX`](decode::MESSAGE_BYTES_MAX). A longer message is skipped rather than closing the connection: the log keeps
//! it, so it would come again after each reconnect.

pub mod connect;
pub mod decode;
pub mod encode;
pub mod info;
