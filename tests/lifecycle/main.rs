//! From the start to the stop, with a service manager and without one.

#[path = "../harness/mod.rs"]
mod harness;

mod detached;
mod first_minute;
mod inherited;
mod log;
mod namespaces;
mod reload;
mod restart;
mod sharing;
mod start;
mod stopping;
mod upgrade;
mod websockets;
