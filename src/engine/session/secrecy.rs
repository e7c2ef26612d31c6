//! How a session ends whose encryption never began, or failed.

use super::Session;
use crate::engine::message::{CloseReason, EventKind, Timestamp};
use crate::engine::{EngineState, words};

impl Session {
    /// The peer speaks plain text where it should not: that is all it is told, also if something else was to be said.
    pub(in crate::engine) fn refuse_plain_text(&mut self, shared: &mut EngineState, now: Timestamp) {
        self.dialogue.outbox.clear();
        self.dialogue.end_lines_with_lf();
        self.dialogue.fail(shared, now, CloseReason::PeerInClear, words::SPEAKS_TLS.to_owned());
        self.dialogue.outbox.end_pause();
    }

    /// The encryption failed: nothing can be said any more, and the peer leaves.
    pub(in crate::engine) fn give_up_secrecy(&mut self, shared: &mut EngineState, now: Timestamp, why: &str) {
        self.dialogue.note(shared, EventKind::Unsecured(why.to_owned()));
        if self.is_serving() {
            self.dialogue.finish(shared, now, CloseReason::PeerUnsecured, None);
        }
        self.dialogue.outbox.clear();
    }

    /// Another process goes on with the others; this one is told so.
    pub(in crate::engine) fn part_at_restart(&mut self, shared: &mut EngineState, now: Timestamp) {
        if self.is_serving() {
            self.dialogue.finish(shared, now, CloseReason::Stopping, Some(words::RESTARTING));
        }
        if self.dialogue.style().is_paced() {
            self.dialogue.outbox.join(); // there is no time for pauses
        }
    }
}
