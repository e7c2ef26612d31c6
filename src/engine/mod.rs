//! The whole daemon without its sockets.
pub mod limits;
pub mod message;
pub mod number;
pub mod service;
