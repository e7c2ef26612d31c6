//! A lesson: who comes in, who is put out, and what a teacher sees of thirty students.

mod addresses;
mod class;
mod orders;
mod passphrase;

/// At the end nobody waits for clients that a test keeps open.
const BRISK: &str = "[limits]\nshutdown_grace = \"200ms\"\n";
