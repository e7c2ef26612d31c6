//! A session that lasts as long as its endpoint, such as two FIFOs or message queues: any number of writers come and go. It has no first message
//! and no last one, and no client that a close would reach. So it answers errors and goes on.

use super::Session;
use super::dialogue::{Dialogue, Heard, State};
use crate::engine::EngineState;
use crate::engine::counters::ErrorKind;
use crate::engine::message::{Dropped, EventKind, Timestamp};
use crate::engine::room::MemberId;
use crate::engine::service::chat;

impl Dialogue {
    /// Begins it. No limit refuses it, since no client would get the error.
    pub(super) fn open_standing(&mut self, shared: &mut EngineState, now: Timestamp) {
        self.heard = Heard::Message; // no byte is known to be a client's first one: other protocols cannot be detected
        shared.connection_counts.count(self.binding.service, self.remote);
        self.note(shared, EventKind::Opened);
        self.enter(shared, now, self.binding.service);
    }

    /// Joins the room, under the file's name and without a greeting.
    pub(super) fn join_as_endpoint(&mut self, shared: &mut EngineState) {
        let name = self.binding.endpoint.rsplit('/').next().unwrap_or_default();
        match chat::enter_as(&mut shared.room, self.peer, name) {
            Some(member_id) => self.be_member_as_endpoint(shared, member_id),
            None => self.state = State::Joining,
        }
    }

    /// It is a member of the room now.
    pub(super) fn be_member_as_endpoint(&mut self, shared: &mut EngineState, member_id: MemberId) {
        if self.transport().lossy {
            shared.room.set_lossy(member_id);
        }
        shared.room.set_blocked(member_id, self.is_blocked());
        self.state = State::Chat(Ok(member_id));
        self.note(shared, EventKind::Joined(shared.room.name(member_id).to_owned()));
    }

    /// Drops the oldest of the replies that nobody reads. As long as the pipe accepts them, none is dropped.
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
    /// An unfinished line has timed out: its writer may have gone, and the next line begins afresh.
    pub(super) fn drop_fragment(&mut self, shared: &mut EngineState, error: String) {
        // If it was too long, the error was sent already.
        if !self.intake.give_up() {
            self.dialogue.err_in_order(shared, ErrorKind::Unfinished, error);
        }
    }
}
