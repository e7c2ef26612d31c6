//! What clients may use, and what happens when something runs out.

#[path = "../harness/mod.rs"]
mod harness;

mod allow;
mod bounds;
mod descriptors;
mod injection;
mod limits;
mod memory;
mod soak;
