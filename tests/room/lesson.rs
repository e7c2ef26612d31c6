//! A lesson: who may join, who is kicked, and a teacher's view of thirty students.

mod addresses;
mod class;
mod orders;
mod passphrase;

/// At the end it does not wait for clients that a test keeps open.
const BRISK: &str = "[limits]\nshutdown_grace = \"200ms\"\n";
