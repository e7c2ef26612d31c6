//! The chat room: its members, a lesson in it, and its secrets.

#[path = "../harness/mod.rs"]
mod harness;

mod chat;
mod lesson;
mod privacy;
mod signals;
