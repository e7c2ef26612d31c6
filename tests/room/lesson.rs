//! A lesson: who comes in, who is put out, and what a teacher sees of thirty students.

mod addresses;
mod class;
mod orders;
mod passphrase;
