//! A session in the chat: before it has a name, and as a member of the room.

use super::dialogue::{Dialogue, State};
use crate::engine::EngineState;
use crate::engine::counters::ErrorKind;
use crate::engine::diagnosis;
use crate::engine::message::{CloseReason, FramingMode, Timestamp};
use crate::engine::room::MemberId;
use crate::engine::service::chat;
use crate::engine::text::is_empty;
use crate::engine::words::{self, FAREWELL};

impl Dialogue {
    /// Handles its first message, which is its name.
    pub(super) fn name(&mut self, shared: &mut EngineState, now: Timestamp, message: &[u8]) {
        let Some(message) = self.ask_passphrase(shared, now, message) else { return };
        let bare = self.kind == Some(FramingMode::Raw);
        shared.effort.count_name(&message);
        match chat::handle_name(&mut shared.room, self.peer, self.remote, &message, bare) {
            chat::Outcome::Joined(member_id, rest) => self.come_in(shared, now, member_id, &rest),
            chat::Outcome::Waits => self.wait_to_join(shared),
            chat::Outcome::Returned { member_id, from, begun } => {
                self.return_to(shared, member_id, from, begun)
            }
            chat::Outcome::Erred(error) => self.refuse_name(shared, &message, error),
            chat::Outcome::Quit => self.finish(shared, now, CloseReason::PeerQuit, Some(FAREWELL)),
            chat::Outcome::Done | chat::Outcome::Whispered => {}
        }
    }

    /// Handles its becoming a member. `rest`: what the client sent after the name.
    pub(super) fn come_in(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        member_id: MemberId,
        rest: &str,
    ) {
        self.welcome(shared, member_id);
        let name = shared.room.name(member_id).to_owned();
        self.hint(shared, |shared| diagnosis::of_name(&name, true, self.context(shared)));
        if !is_empty(rest.as_bytes()) {
            self.chat(shared, now, member_id, rest.as_bytes());
        }
    }

    /// Waits until its name is in the shared log.
    fn wait_to_join(&mut self, shared: &mut EngineState) {
        self.state = State::Joining;
        if shared.room.is_cut_off() {
            self.say(words::CUT_OFF_BEFORE);
        }
    }

    #[cold]
    #[inline(never)]
    fn refuse_name(&mut self, shared: &mut EngineState, message: &[u8], error: String) {
        self.err_about(shared, ErrorKind::Name, message, error);
        self.hint(shared, |shared| {
            let name = std::str::from_utf8(message).ok().filter(|_| !self.is_private(shared, message))?;
            diagnosis::of_name(name, false, self.context(shared))
        });
    }

    /// Handles a message that it says in the room.
    pub(super) fn chat(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        member_id: MemberId,
        message: &[u8],
    ) {
        if self.is_muted(shared, now, member_id, message) {
            return;
        }
        if self.transport().many_writers {
            return chat::say(&mut shared.room, member_id, message);
        }
        match chat::handle_message(&mut shared.room, member_id, self.remote, message) {
            chat::Outcome::Quit => self.finish(shared, now, CloseReason::PeerQuit, Some(FAREWELL)),
            chat::Outcome::Erred(error) => {
                shared.effort.count_name(message);
                self.note_error_about(shared, ErrorKind::Command, message, error); // the error itself was sent through the room
            }
            chat::Outcome::Whispered => shared.effort.count_name(message),
            chat::Outcome::Done
            | chat::Outcome::Joined(..)
            | chat::Outcome::Waits
            | chat::Outcome::Returned { .. } => {}
        }
    }
}
