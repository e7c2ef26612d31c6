//! ipcd's engine as a library: every service, without any socket. See [`engine`].

#[path = "../src/engine/mod.rs"]
pub mod engine;
