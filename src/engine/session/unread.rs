//! A peer that accepts none of its queued bytes, and how long that may last.

use super::Session;
use super::dialogue::{Dialogue, Phase, Sending};
use super::timeouts::seconds;
use crate::engine::EngineState;
use crate::engine::message::{CloseReason, Timestamp};

impl Session {
    /// Whether to write to it once more; that counts as the retry.
    pub(in crate::engine) fn take_retry(&mut self) -> bool {
        let is_wanted = self.dialogue.sending == Sending::RetryWanted;
        if is_wanted {
            self.dialogue.sending = Sending::Retried;
        }
        is_wanted
    }
}

impl Dialogue {
    pub(super) fn note_blocked(&mut self, shared: &mut EngineState, now: Timestamp, blocked: bool) {
        match blocked {
            true => {
                self.sending = Sending::Blocked;
                shared.unread.set(self.peer, now);
            }
            false => {
                self.sending = Sending::Free;
                shared.unread.remove(self.peer);
            }
        }
    }

    /// Since when the kernel accepts nothing, if we still wait for that.
    pub(super) fn unread_since(&self, shared: &EngineState) -> Option<Timestamp> {
        if self.sending == Sending::Blocked { shared.unread.get(self.peer).copied() } else { None }
    }

    /// When it must have accepted something. For a lossy connection there is no such time, because it may have no reader.
    pub(super) fn unread_deadline(&self, shared: &EngineState) -> Option<Timestamp> {
        let since = self.unread_since(shared).filter(|_| !self.transport().lossy);
        since.map(|since| since + shared.settings.send_timeout)
    }

    /// Asks for one more try, because its time is over.
    pub(super) fn retry(&mut self) {
        if self.sending == Sending::Blocked {
            self.sending = Sending::RetryWanted;
        }
    }

    /// Gives up, because it has accepted nothing in all its time: it gets an error, if that can be sent, or its last words are
    /// dropped.
    pub(super) fn give_up_sending(&mut self, shared: &mut EngineState, now: Timestamp) {
        if self.sending != Sending::Retried {
            return;
        }
        self.note_blocked(shared, now, true);
        match self.phase {
            Phase::Serving | Phase::Withdrawn => {
                shared.counters.of_mut(self.service()).too_slow += 1;
                let words = format!("Error: nothing read for {}", seconds(shared.settings.send_timeout));
                // After a report that is cut off, an error could not be told from the report.
                let words = Some(words).filter(|_| self.report().is_none());
                self.finish(shared, now, CloseReason::PeerNotReading, words.as_deref());
            }
            Phase::Draining(..) => self.outbox.clear(),
            Phase::AwaitingReset(..) | Phase::Lingering(..) => {}
        }
    }
}
