//! The data of a shared room, in an ipcd that was built without NATS.

/// No room has this.
#[derive(Debug)]
pub enum Shared {}

impl Shared {
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
}
