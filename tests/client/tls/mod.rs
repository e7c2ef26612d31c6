//! The client over TLS, against a server of these tests.

pub mod server;
