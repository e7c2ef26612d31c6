//! A session that an administrator kicks or mutes, and what a muted member may still do.

use super::Session;
use super::dialogue::Dialogue;
use crate::engine::EngineState;
use crate::engine::client::Client;
use crate::engine::counters::ErrorKind;
use crate::engine::message::{CloseReason, EventKind, Timestamp};
use crate::engine::name::Key;
use crate::engine::room::MemberId;
use crate::engine::service::chat;
use crate::engine::words::{self, ERROR};

impl Session {
    /// Closes it with these last words.
    pub(in crate::engine) fn put_out(&mut self, shared: &mut EngineState, now: Timestamp, words: &str) {
        if self.is_serving() {
            self.dialogue.finish(shared, now, CloseReason::PutOut, Some(words));
        }
    }

    /// Reports its own order to the log and the watchers.
    pub(in crate::engine) fn note(&self, shared: &mut EngineState, what: EventKind) {
        self.dialogue.note(shared, what);
    }
}

impl Dialogue {
    /// Whether a muted member tried to speak; if so, it gets an error.
    pub(super) fn is_muted(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        member_id: MemberId,
        message: &[u8],
    ) -> bool {
        if shared.mutes.is_empty() || !self.transport().many_writers && !chat::is_to_be_heard(message) {
            return false;
        }
        let key = Key::new(shared.room.name(member_id));
        let is_here = |key: &Key| shared.room.member_id_of(key).is_some();
        let Some(until) = shared.mutes.of(now, &key, Client::from(self.remote), is_here) else {
            return false;
        };
        let error = words::muted(until.map(|until| until.since(now)));
        if !self.transport().many_writers {
            shared.room.send_to(member_id, &format!("{ERROR}{error}"));
        }
        self.note_error(shared, ErrorKind::Denied, error);
        true
    }
}
