//! A lesson: who may join, who is kicked, and a teacher's view of thirty students.

mod addresses;
mod class;
mod orders;
mod passphrase;

/// A daemon with this does not wait, at its end, for clients that a test keeps open.
const BRISK: &str = "[limits]\nshutdown_grace = \"200ms\"\n";
