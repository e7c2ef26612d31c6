//! `ipcctl`, and its output.

#[path = "../harness/mod.rs"]
mod harness;

mod bench;
#[cfg(feature = "tls")]
mod certificate;
mod ipcctl;
mod page;
mod report;
#[cfg(feature = "tui")]
mod screens;
mod status;
#[cfg(feature = "tui")]
mod terminal;
#[cfg(feature = "tls")]
mod tls;
mod watch;
