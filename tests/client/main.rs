//! `ipcctl`, and what it shows.

#[path = "../harness/mod.rs"]
mod harness;

mod bench;
mod ipcctl;
mod report;
#[cfg(feature = "tui")]
mod screens;
mod status;
#[cfg(feature = "tui")]
mod terminal;
mod watch;
