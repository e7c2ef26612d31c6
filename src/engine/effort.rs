//! Messages that cost much more than others: names in the room, requests that are wrong, and requests for all machines. What they
//! take together in a turn has a bound, besides one message of each session that is read, so that nobody waits long for them. A
//! session that has more of them gives way, and goes on in a later turn.

use super::limits::EFFORT_PER_TURN;
use super::name::BEGINNING_BYTES_MAX;

/// The bytes of a name for which as much is counted as for a wrong request. A letter can become 18 when it is compared.
const NAME_BYTES: usize = 2;

/// The same for a name in ASCII, which is compared as it is.
const PLAIN_NAME_BYTES: usize = 16;

/// What such messages have taken in this turn. The unit is one wrong request.
#[derive(Debug, Default)]
pub(super) struct Effort {
    spent: usize,
}

impl Effort {
    /// Begins a turn.
    pub(super) fn renew(&mut self) {
        self.spent = 0;
    }

    /// What was taken so far.
    #[inline]
    pub(super) fn spent(&self) -> usize {
        self.spent
    }

    /// Whether the next such message is for another turn.
    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.spent >= EFFORT_PER_TURN
    }

    /// The same for a session that has taken something itself, since this much was taken: each one that is read may take one message.
    #[inline]
    pub(super) fn is_over_since(&self, spent: usize) -> bool {
        self.spent > spent && self.is_over()
    }

    /// Counts a line of the list of machines.
    pub(super) fn count_machine(&mut self) {
        self.spent += 1;
    }

    /// Counts a wrong request.
    pub(super) fn count_error(&mut self) {
        self.spent += 1;
    }

    /// Counts a message that begins with a name.
    pub(super) fn count_name(&mut self, message: &[u8]) {
        let of_one = if message.is_ascii() { PLAIN_NAME_BYTES } else { NAME_BYTES };
        self.spent += 1 + message.len().min(BEGINNING_BYTES_MAX) / of_one;
    }
}

#[cfg(test)]
mod tests;
