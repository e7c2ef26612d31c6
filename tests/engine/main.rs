//! What needs no daemon: the map of the source, numbers, the keys of the configuration, the claims of the fuzzers.

mod fuzz;
mod keys;
mod layering;
mod numbers;
