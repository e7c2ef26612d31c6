//! A session that whoever runs the daemon puts out or mutes, and what such a one may still do.

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
    /// It has to go, and is told why.
    pub(in crate::engine) fn put_out(&mut self, world: &mut EngineState, now: Timestamp, words: &str) {
        if self.is_serving() {
            self.dialogue.finish(world, now, CloseReason::PutOut, Some(words));
        }
    }

    /// Something that it had done is told to the log and to those who watch.
    pub(in crate::engine) fn note(&self, world: &mut EngineState, what: EventKind) {
        self.dialogue.note(world, what);
    }
}

impl Dialogue {
    /// Whether a member who is muted wanted to be heard: it is told that it is not.
    pub(super) fn is_muted(
        &mut self,
        world: &mut EngineState,
        now: Timestamp,
        seat: MemberId,
        message: &[u8],
    ) -> bool {
        if world.mutes.is_empty() || !self.is_on_fifo() && !chat::is_to_be_heard(message) {
            return false;
        }
        let key = Key::new(world.room.name(seat));
        let is_here = |key: &Key| world.room.seat_of(key).is_some();
        let Some(until) = world.mutes.of(now, &key, Client::from(self.origin), is_here) else { return false };
        let error = words::muted(until.map(|until| until.since(now)));
        if !self.is_on_fifo() {
            world.room.tell(seat, &format!("{ERROR}{error}"));
        }
        self.note_error(world, ErrorKind::Denied, error);
        true
    }
}
