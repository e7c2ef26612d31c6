//! The stop: accepts and reads what has arrived in the kernel's buffers, and tells the engine when it has all of it.

use std::time::Duration;

use crate::endpoint::ResolvedEndpoint;
use crate::engine::message::{ConnectionId, Input, Timestamp};

use super::Reactor;

/// While the daemon stops: how long to wait for more from a peer that has just filled our kernel's buffer. The rest of its data is
/// in its own kernel until ours has room.
const QUIET: Duration = Duration::from_millis(100);

impl Reactor {
    /// Begins to stop: accepts what waits, closes the listeners, and gives the engine `grace` to finish.
    pub fn stop(&mut self, grace: Duration, backlog: usize) {
        self.stopping = true;
        // Pairs stay open, because their contents are still answered.
        let places: Vec<ResolvedEndpoint> = self
            .slots
            .listener_slots()
            .map(|(_, listener_slot)| listener_slot.listener.place().clone())
            .collect();
        for place in &places {
            self.remove(place, backlog);
        }
        let now = self.clock.now();
        self.give_up_handshakes(now);
        self.engine.handle(now, Input::Stop { by: now + grace });
        // The contents of the kernel's buffers count as received, even if no event has reported them.
        let peers: Vec<ConnectionId> = self.slots.peers().collect();
        for peer in peers {
            if let Some(slot) = self.slots.get_mut(peer) {
                slot.readable = true;
                self.ready.push_peer(peer, slot);
            }
        }
    }

    /// Notes that the kernel has no more input of this peer at the moment.
    pub(super) fn note_drained(&mut self, now: Timestamp, peer: ConnectionId) {
        let Some(slot) = self.slots.get_mut(peer) else { return };
        let was_filled = std::mem::take(&mut slot.bulk_sender);
        if !self.stopping {
            return;
        }
        if was_filled {
            let at = now + QUIET;
            self.drained.insert(peer, at);
            self.quiescing.push_back((at, peer));
        } else if self.drained.get(&peer).is_none_or(|at| *at <= now) {
            self.engine.handle(now, Input::Drained { peer });
        }
    }

    /// Reads again from peers that have sent nothing for a while.
    pub(super) fn resume_quiescing(&mut self, now: Timestamp) {
        while self.quiescing.front().is_some_and(|(at, _)| *at <= now) {
            let Some((at, peer)) = self.quiescing.pop_front() else { return };
            if let Some(slot) = self.slots.get_mut(peer)
                && self.drained.get(&peer) == Some(&at)
            {
                slot.readable = true;
                self.ready.push_peer(peer, slot);
            }
        }
    }
}
