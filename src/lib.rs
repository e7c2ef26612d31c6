//! ipcd: every small server of a networking course in one daemon.
pub mod config;
pub mod daemon;
pub mod endpoint;
pub mod engine;
pub mod host;
pub mod reactor;
pub mod transport;
