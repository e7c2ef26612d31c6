//! The running handshakes: when each is given up, and how many steps fit into a turn.

use std::collections::VecDeque;

use crate::engine::message::{ConnectionId, Timestamp};

/// Handshake steps in one turn. The longest one, a key exchange with a signature, takes a fifth of a millisecond, in which other
/// peers wait.
const STEPS_PER_TURN: usize = 8;

/// This many deadlines are kept, whatever became of their handshakes.
const DEADLINES_MIN: usize = 1024;

/// The unfinished handshakes.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    /// Deadlines in the order of their beginning.
    pub(super) deadlines: VecDeque<(Timestamp, ConnectionId)>,
    pub(super) steps: usize,
    /// Once there are this many deadlines, those of finished handshakes are dropped.
    crowded: usize,
}

impl Handshakes {
    /// Begins one. Deadlines of finished handshakes may be behind one that is not finished. They are dropped when there are many,
    /// so that there are never more than twice as many deadlines as handshakes, plus [`DEADLINES_MIN`].
    pub(super) fn begin(
        &mut self,
        until: Timestamp,
        peer: ConnectionId,
        mut goes_on: impl FnMut(ConnectionId) -> bool,
    ) {
        if self.deadlines.len() >= self.crowded.max(DEADLINES_MIN) {
            self.deadlines.retain(|(_, peer)| goes_on(*peer));
            self.crowded = 2 * self.deadlines.len();
        }
        self.deadlines.push_back((until, peer));
    }

    /// When the next handshake is given up.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.deadlines.front().map(|(at, _)| *at)
    }

    /// Whether one more step fits into this turn.
    pub(super) fn take_step(&mut self) -> bool {
        self.steps += 1;
        self.steps <= STEPS_PER_TURN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_handshakes_are_dropped_behind_a_stalled_one() {
        let mut handshakes = Handshakes::default();
        for index in 0..100_000 {
            let peer = ConnectionId { index, generation: 1 };
            handshakes.begin(Timestamp::at(u64::from(index)), peer, |peer| peer.index < 700);
            assert!(handshakes.deadlines.len() <= 2 * 700 + DEADLINES_MIN);
        }
        assert!(
            handshakes.deadlines.iter().take(700).all(|(_, peer)| peer.index < 700),
            "those stay, in order"
        );
    }
}
