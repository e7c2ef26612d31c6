//! The documentation is true: the manual, the README, the page of faults.

#[path = "../harness/mod.rs"]
mod harness;

mod commands;
mod manual;
mod promises;
mod readme;
mod sources;
mod version;
