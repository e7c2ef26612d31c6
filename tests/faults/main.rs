//! The catalogue of faults that docs/faults.md promises to survive: in each a healthy client goes on beside the fault,
//! and descriptors, memory and log are as before when it is over.
//!
//! A little of each runs with all tests. As much as the catalogue says, with what was measured:
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
