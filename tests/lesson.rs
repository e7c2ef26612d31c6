//! A lesson: who comes in, who is put out, and what a teacher sees of thirty students.

mod harness;

#[path = "lesson/addresses.rs"]
mod addresses;
#[path = "lesson/class.rs"]
mod class;
#[path = "lesson/orders.rs"]
mod orders;
#[path = "lesson/passphrase.rs"]
mod passphrase;
