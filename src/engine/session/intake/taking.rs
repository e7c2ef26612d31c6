//! What becomes of the waiting bytes: whether messages are taken from them, and if not, what they wait for.

use super::{Intake, Taking};

impl Intake {
    /// Whether the rest of an overlong message is still to come.
    #[inline]
    pub fn is_skipping(&self) -> bool {
        self.taking == Taking::RestOfOverlong
    }

    /// Whether it holds messages that wait: for room in a queue, or for another turn.
    #[inline]
    pub fn is_stalled(&self) -> bool {
        matches!(self.taking, Taking::Nothing | Taking::Later)
    }

    /// Whether they wait for room.
    pub fn lacks_room(&self) -> bool {
        self.taking == Taking::Nothing
    }

    /// Whether they wait for another turn.
    #[inline]
    pub fn gives_way(&self) -> bool {
        self.taking == Taking::Later
    }

    /// Makes the messages wait, because a queue has no room.
    pub fn stall(&mut self) {
        self.taking = Taking::Nothing;
    }

    /// Makes the messages wait for another turn.
    pub fn give_way(&mut self) {
        self.taking = Taking::Later;
    }

    /// Takes messages again, if there is room. Returns whether bytes must be [skipped](Self::skip) first.
    #[inline]
    pub fn go_on(&mut self) -> bool {
        let is_skipping = self.is_skipping();
        if !is_skipping {
            self.taking = Taking::Messages;
        }
        is_skipping
    }
}
