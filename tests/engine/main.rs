//! Tests without a daemon: the map of the source, numbers, the keys of the configuration, the fuzz claims.

mod circles;
mod fuzz;
mod keys;
mod layering;
mod map;
mod numbers;
