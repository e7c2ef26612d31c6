//! ipcd.
fn main() {}
