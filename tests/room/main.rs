//! The chat room: its members, a lesson in it, and what nobody is told.

#[path = "../harness/mod.rs"]
mod harness;

mod chat;
mod lesson;
mod privacy;
