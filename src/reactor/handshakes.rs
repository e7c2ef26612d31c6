//! The handshakes that go on: when each is given up, and how many steps a turn has room for.

use std::collections::VecDeque;

use crate::engine::message::{ConnectionId, Timestamp};

/// Steps of handshakes that are taken in one turn. The longest, in which a key is exchanged and something signed, takes a fifth
/// of a millisecond: for so long others wait.
const STEPS_PER_TURN: usize = 8;

/// The handshakes that go on.
#[derive(Debug, Default)]
pub(super) struct Handshakes {
    /// In the order in which they began.
    pub(super) deadlines: VecDeque<(Timestamp, ConnectionId)>,
    pub(super) steps: usize,
}

impl Handshakes {
    /// When the next one is given up.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        self.deadlines.front().map(|(at, _)| *at)
    }

    /// Whether one more step has room in this turn.
    pub(super) fn take_step(&mut self) -> bool {
        self.steps += 1;
        self.steps <= STEPS_PER_TURN
    }
}
