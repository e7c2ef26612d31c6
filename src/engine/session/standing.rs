//! A session that lasts as long as its endpoint, for example two FIFOs, message queues or a buffer: any number of writers come and go. It has
//! no first or last message, and a close would reach no client. So it answers errors and continues.

use super::Session;
use super::dialogue::{Dialogue, Heard, State};
use crate::engine::EngineState;
use crate::engine::counters::ErrorKind;
use crate::engine::message::{Dropped, EventKind, Timestamp};
use crate::engine::room::MemberId;
use crate::engine::service::chat;

impl Dialogue {
    /// Begins the session. No limit applies, because no client would get the error.
    pub(super) fn open_standing(&mut self, shared: &mut EngineState, now: Timestamp) {
        self.heard = Heard::Message; // other protocols are not detected, because any byte may be in the middle of a message
        shared.connection_counts.count(self.binding.service, self.remote);
        self.note(shared, EventKind::Opened);
        self.enter(shared, now, self.binding.service);
    }

    /// Joins the room under the file's name, without a greeting.
    pub(super) fn join_as_endpoint(&mut self, shared: &mut EngineState) {
        let endpoint = &self.binding.endpoint;
        let name = match endpoint.split_once(":///").filter(|_| self.transport().is_one_way) {
            // Names and sizes follow the object's name.
            Some((_, place)) => place.split('?').next(),
            None => endpoint.rsplit('/').next(),
        };
        match chat::enter_as(&mut shared.room, self.peer, name.unwrap_or_default()) {
            Some(member_id) => self.be_member_as_endpoint(shared, member_id),
            None => self.state = State::Joining,
        }
    }

    /// Handles its becoming a member.
    pub(super) fn be_member_as_endpoint(&mut self, shared: &mut EngineState, member_id: MemberId) {
        if self.transport().lossy {
            shared.room.set_lossy(member_id);
        }
        shared.room.set_blocked(member_id, self.is_blocked());
        self.state = State::Chat(Ok(member_id));
        self.note(shared, EventKind::Joined(shared.room.name(member_id).to_owned()));
    }

    /// Drops the oldest of the replies that nobody reads. While the pipe accepts them, none is dropped.
    pub(super) fn drop_unread(&mut self, shared: &mut EngineState) {
        if !self.is_blocked() {
            return;
        }
        let max = self.settings(shared).backlog_bytes_max;
        let dropped = self.outbox.drop_oldest(max);
        shared.counters.of_mut(self.service()).count_dropped(Dropped::Unread, dropped);
    }
}

impl Session {
    /// Drops an unfinished line that has timed out. Its writer may be gone; the next line begins with what follows.
    pub(super) fn drop_fragment(&mut self, shared: &mut EngineState, error: String) {
        // For an overlong line, the error was sent already.
        if !self.intake.give_up() {
            self.dialogue.err_in_order(shared, ErrorKind::Unfinished, error);
        }
    }
}
