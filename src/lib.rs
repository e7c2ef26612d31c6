//! ipcd: every small server of a networking course in one daemon.
pub mod config;
pub mod endpoint;
pub mod engine;
pub mod host;
pub mod transport;
