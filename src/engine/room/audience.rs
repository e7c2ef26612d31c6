//! Who hears what is said to the room now. Knows numbers, and no name.

/// Those who hear it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The members of this daemon, to which alone the room belongs.
    Here(usize),
    /// The members on all machines, and the number of machines.
    Everywhere(usize, usize),
    /// Nobody before the room is whole: it is cut off from its other machines.
    Later,
}
