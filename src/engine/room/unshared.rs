//! What a room would have that several machines share, in an ipcd that was built without NATS.

/// No room has this.
#[derive(Debug)]
pub enum Shared {}

impl Shared {
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
}
