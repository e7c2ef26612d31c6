//! The catalogue of faults in docs/faults.md. Beside each fault a healthy client continues, and afterwards descriptors, memory and
//! log are as before.
//!
//! A little of each runs with all tests. This runs as much as the catalogue says, and prints the measurements:
//!
//! `IPCD_FAULTS=full IPCD_SEED=1 cargo test --release --test faults -- --include-ignored --nocapture --test-threads=1`

mod abuse;
mod chaos;
mod fixture;
#[path = "../harness/mod.rs"]
mod harness;
mod life;
mod outside;
mod room;
#[cfg(feature = "nats")]
mod servers;
mod streams;
