//! Peers with shared memory: as long as neither side sleeps, no system call is needed to see whether there is a message.

use std::io;
use std::time::Duration;

use super::Reactor;
use super::slots::Slot;
use crate::engine::message::{ConnectionId, Input, Timestamp};

/// The most peers whose memory is polled; any more are told at once that we sleep.
const WATCHED_MAX: usize = 16;

/// The most consecutive turns without polling descriptors.
const UNPOLLED_MAX: u32 = 16;

/// Whether there is a message in its memory.
fn has_message(slot: &Slot) -> bool {
    slot.rings().is_some_and(|rings| rings.has_message())
}

impl Reactor {
    /// Handles that a peer has been read to the end. If it shares memory, it is polled for a while, or told that it must wake us.
    pub(super) fn note_empty(&mut self, peer: ConnectionId) {
        if self.slots.get_mut(peer).is_none_or(|slot| slot.rings().is_none()) {
            return;
        }
        if self.stopping || self.watched.peers.len() >= WATCHED_MAX {
            self.let_sleep(peer);
        } else if !self.watched.peers.contains(&peer) {
            self.watched.peers.push(peer);
        }
    }

    /// Tells the peer that it must wake us. Returns whether there is a message already.
    fn let_sleep(&mut self, peer: ConnectionId) -> bool {
        let Some(slot) = self.slots.get_mut(peer) else { return false };
        let has_message = slot.rings().is_some_and(|rings| !rings.may_sleep());
        if has_message {
            slot.readable = true;
            self.ready.push_peer(peer, slot);
        }
        has_message
    }

    /// Puts polled peers with a message on the ready list; returns whether there are any.
    fn take_watched(&mut self) -> bool {
        let (slots, ready) = (&mut self.slots, &mut self.ready);
        let before = self.watched.peers.len();
        self.watched.peers.retain(|peer| {
            let Some(slot) = slots.get_mut(*peer) else { return false };
            let found = has_message(slot);
            if found {
                slot.readable = true;
                ready.push_peer(*peer, slot);
            }
            !found
        });
        self.watched.peers.len() < before && !self.ready.is_empty()
    }

    /// Polls the memory of these peers before the loop waits for `timeout`. Returns how long it may still wait, or `None` if it
    /// need not even poll the descriptors.
    pub(super) fn poll_rings(&mut self, timeout: Option<Duration>) -> Option<Option<Duration>> {
        if self.watched.peers.is_empty() {
            return Some(timeout);
        }
        let found = match timeout {
            Some(Duration::ZERO) => self.take_watched(),
            _ => self.look_before_sleep(),
        };
        self.watched.unpolled = if found { self.watched.unpolled + 1 } else { 0 };
        match found {
            true if !self.watched.unpolled.is_multiple_of(UNPOLLED_MAX) => None,
            true => Some(Some(Duration::ZERO)),
            false => Some(timeout),
        }
    }

    fn look_before_sleep(&mut self) -> bool {
        let mut spin = std::mem::take(&mut self.watched.spin);
        let found = spin.spin(|| self.take_watched());
        self.watched.spin = spin;
        if found {
            return true;
        }
        let peers = std::mem::take(&mut self.watched.peers);
        // All of them must be told, not only those before the first message.
        peers.into_iter().filter(|peer| self.let_sleep(*peer)).count() > 0
    }

    /// Ends a peer that has broken a rule of its memory, with an error.
    pub(super) fn break_off(&mut self, now: Timestamp, peer: ConnectionId, error: &io::Error) {
        let reason = error.to_string();
        self.engine.handle(now, Input::Broken { peer, reason: &reason });
    }
}
