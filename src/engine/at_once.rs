//! Bursts of plain requests that are answered at once, with [replies that are lent](super::lent_reply) to the reactor.

use super::Engine;
use super::message::{ConnectionId, Timestamp};

/// The longest burst that is answered like this. A longer one gains nothing.
const BURST_BYTES_MAX: usize = 4096;

impl Engine {
    /// Answers received bytes, if they are plain requests and nothing else is to be done for their session. Returns whether they
    /// were.
    #[inline]
    pub(super) fn answer_at_once(&mut self, now: Timestamp, peer: ConnectionId, bytes: &[u8]) -> bool {
        if self.lent.owner().is_some() || bytes.len() > BURST_BYTES_MAX {
            return false;
        }
        let Some(session) = self.sessions.get_mut(peer) else { return false };
        let is_answered = session.answer_at_once(&mut self.shared, now, bytes, self.lent.bytes_mut());
        if is_answered {
            self.lent.lend_to(peer, session.service());
        }
        is_answered
    }

    /// Whether these sent bytes were the lent replies, all of them: then nothing is left to do.
    #[inline]
    pub(super) fn is_lent_reply(&mut self, peer: ConnectionId, bytes: usize) -> bool {
        let Some((of, service)) = self.lent.owner() else { return false };
        if of != peer || bytes != self.lent.bytes().len() {
            return false;
        }
        self.shared.counters.of_mut(service).bytes_out += bytes as u64;
        self.lent.clear();
        true
    }

    /// Queues the lent replies in their session, because something else happens before they were sent.
    #[inline]
    pub(super) fn queue_lent_reply(&mut self, now: Timestamp) {
        if let Some((peer, _)) = self.lent.owner() {
            self.queue_reply_to(now, peer);
        }
    }

    #[cold]
    #[inline(never)]
    fn queue_reply_to(&mut self, now: Timestamp, peer: ConnectionId) {
        let bytes = self.lent.take();
        // The check of the memory for all queues comes later: the next input may say how much of the first reply was sent.
        self.act_on(now, peer, |session, _| session.queue(&bytes));
    }
}

#[cfg(test)]
mod tests;
