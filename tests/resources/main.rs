//! The resources that clients may use, and what the daemon does when one runs out.

#[path = "../harness/mod.rs"]
mod harness;

mod allow;
mod bounds;
mod descriptors;
mod idle;
mod injection;
mod limits;
mod memory;
mod rest;
mod soak;
