//! A peer that takes nothing of what is queued for it, and for how long that goes on.

use super::Session;
use super::dialogue::{Dialogue, Phase};
use super::timeouts::seconds;
use crate::engine::EngineState;
use crate::engine::message::{CloseReason, Timestamp};
use crate::engine::unread::Unread;

impl Session {
    /// Whether the kernel is to be asked once more.
    pub(in crate::engine) fn is_to_be_retried(&self, shared: &mut EngineState) -> bool {
        let unread = match self.dialogue.flags.blocked {
            true => shared.unread.get_mut(self.dialogue.peer),
            false => None,
        };
        unread
            .filter(|unread| **unread == Unread::RetryWanted)
            .map(|unread| *unread = Unread::Retried)
            .is_some()
    }
}

impl Dialogue {
    pub(super) fn note_blocked(&self, shared: &mut EngineState, now: Timestamp, blocked: bool) {
        match blocked {
            true => shared.unread.set(self.peer, Unread::Since(now)),
            false => shared.unread.remove(self.peer),
        }
    }

    fn unread(&self, shared: &EngineState) -> Option<Unread> {
        if self.flags.blocked { shared.unread.get(self.peer).copied() } else { None }
    }

    /// Since when the kernel takes nothing, as long as that is waited for.
    pub(super) fn unread_since(&self, shared: &EngineState) -> Option<Timestamp> {
        match self.unread(shared) {
            Some(Unread::Since(since)) => Some(since),
            _ => None,
        }
    }

    /// When it must have taken something of what is queued for it. Of a lossy one nobody knows whether there is a reader.
    pub(super) fn unread_deadline(&self, shared: &EngineState) -> Option<Timestamp> {
        let since = self.unread_since(shared).filter(|_| !self.transport().lossy);
        since.map(|since| since + shared.settings.send_timeout)
    }

    /// Its time is over.
    pub(super) fn retry(&self, shared: &mut EngineState) {
        if !self.is_retried(shared) {
            shared.unread.set(self.peer, Unread::RetryWanted);
        }
    }

    pub(super) fn is_retried(&self, shared: &EngineState) -> bool {
        self.unread(shared) == Some(Unread::Retried)
    }

    /// It has taken nothing in all its time: it is told so, if that can be sent, or its last words are given up.
    pub(super) fn give_up_sending(&mut self, shared: &mut EngineState, now: Timestamp) {
        if !self.is_retried(shared) {
            return;
        }
        shared.unread.set(self.peer, Unread::Since(now));
        match self.phase {
            Phase::Serving | Phase::Withdrawn => {
                shared.counters.of_mut(self.service()).too_slow += 1;
                let words = format!("Error: nothing read for {}", seconds(shared.settings.send_timeout));
                // A report that is cut off has no end that something could be said behind.
                let words = Some(words).filter(|_| self.report().is_none());
                self.finish(shared, now, CloseReason::PeerNotReading, words.as_deref());
            }
            Phase::Draining(..) => self.outbox.clear(),
            Phase::Parting(..) | Phase::Lingering(..) => {}
        }
    }
}
