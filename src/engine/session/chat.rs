//! A session in the chat: on its way in, and in the room.

use super::dialogue::Dialogue;
use crate::engine::EngineState;
use crate::engine::counters::ErrorKind;
use crate::engine::diagnosis;
use crate::engine::message::{CloseReason, Kind, Timestamp};
use crate::engine::room::MemberId;
use crate::engine::service::chat;
use crate::engine::text::is_empty;
use crate::engine::words::FAREWELL;

impl Dialogue {
    /// Its first message, which is its name.
    pub(super) fn name(&mut self, world: &mut EngineState, now: Timestamp, message: &[u8]) {
        let Some(message) = self.ask_passphrase(world, now, message) else { return };
        let bare = self.kind == Some(Kind::Raw);
        match chat::handle_name(&mut world.room, self.peer, self.origin, &message, bare) {
            chat::Verdict::Joined(seat, rest) => {
                self.welcome(world, seat);
                let name = world.room.name(seat).to_owned();
                self.hint(world, |world| diagnosis::of_name(&name, self.place(world)));
                if !is_empty(rest.as_bytes()) {
                    self.chat(world, now, seat, rest.as_bytes());
                }
            }
            chat::Verdict::Returned { seat, from, begun } => self.return_to(world, seat, from, begun),
            chat::Verdict::Erred(error) => self.err(world, ErrorKind::Name, error),
            chat::Verdict::Quit => self.finish(world, now, CloseReason::PeerQuit, Some(FAREWELL)),
            chat::Verdict::Done => {}
        }
    }

    /// What it says in the room.
    pub(super) fn chat(&mut self, world: &mut EngineState, now: Timestamp, seat: MemberId, message: &[u8]) {
        if self.is_muted(world, now, seat, message) {
            return;
        }
        if self.is_on_fifo() {
            return chat::say(&mut world.room, seat, message);
        }
        match chat::handle_message(&mut world.room, seat, self.origin, message) {
            chat::Verdict::Quit => self.finish(world, now, CloseReason::PeerQuit, Some(FAREWELL)),
            chat::Verdict::Erred(error) => self.note_error(world, ErrorKind::Command, error), // it heard of it in the room
            chat::Verdict::Done | chat::Verdict::Joined(..) | chat::Verdict::Returned { .. } => {}
        }
    }
}
