//! ipcd's engine as a library: every service, and not one socket. See [`engine`].

#[path = "../src/engine/mod.rs"]
pub mod engine;
