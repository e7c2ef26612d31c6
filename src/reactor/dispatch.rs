//! What is done in a turn with the entries of the ready list, and in which order.

use super::Reactor;
use super::readiness::ENDS_PER_TURN;
use super::slots::Source;
use crate::engine::message::Timestamp;

/// Connections accepted from one listener in one turn. An estimate; measure before you change it.
const ACCEPTS_PER_TURN: usize = 64;

impl Reactor {
    /// Handles each entry of the ready list once: peers first, then new connections, then ends of streams. Each peer is answered
    /// before the next one, while the data about it is in the processor's caches.
    #[inline]
    pub(super) fn dispatch(&mut self, now: Timestamp) {
        self.answer(now); // after this, a peer may be read from again
        for _ in 0..self.ready.len() {
            match self.ready.pop() {
                Some(Source::ConnectionId(peer)) => self.read(now, peer),
                Some(Source::Attempt(attempt)) => self.attempts.settle(self.poll.registry(), attempt),
                #[cfg(feature = "nats")]
                Some(Source::Link(link)) => self.drive_link(now, link),
                #[cfg(feature = "nats")]
                Some(Source::Resolver) => {}
                Some(Source::Signals | Source::ListenerSlot(_)) | None => {}
            }
            self.settle_entry(now);
        }
        if self.ready.has_arrivals_or_ends() {
            self.admit_and_part(now);
        }
    }

    /// Accepts connections, and handles the ends of streams.
    #[cold]
    #[inline(never)]
    fn admit_and_part(&mut self, now: Timestamp) {
        self.accepted = 0;
        for _ in 0..self.ready.listeners() {
            if let Some(listener_slot) = self.ready.pop_listener() {
                self.accept(now, listener_slot, ACCEPTS_PER_TURN);
                self.settle_entry(now);
            }
        }
        for _ in 0..self.ready.ended().min(ENDS_PER_TURN + self.accepted) {
            if let Some(peer) = self.ready.pop_ended() {
                self.read(now, peer);
                self.settle_entry(now);
            }
        }
    }

    /// Logs and does what an entry has led to.
    #[inline(always)] // there are nearly always no events
    fn settle_entry(&mut self, now: Timestamp) {
        self.report.take(now, &mut self.engine);
        self.answer(now);
    }
}
