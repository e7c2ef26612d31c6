//! What needs no daemon: the map of the source, numbers, the claims of the fuzzers.

mod fuzz;
mod layering;
mod numbers;
