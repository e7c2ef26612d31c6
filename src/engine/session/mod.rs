//! One peer. [`Intake`] cuts its bytes into messages, and [`Dialogue`] is its conversation with the service: bytes go
//! through [`Session::handle_bytes`] → intake → [`Dialogue::handle_message`] → outbox.

mod admission;
mod chat;
mod check;
mod close;
mod dialogue;
mod dispatch;
mod encryption;
mod flow;
mod guest;
mod holding;
mod intake;
mod multiply;
mod mux;
mod naming;
mod overlong;
mod pace;
mod page;
mod plain;
mod privacy;
mod putting_out;
mod restart;
mod run;
mod standing;
mod stats;
mod status;
mod talk;
mod tally;
mod timeouts;
mod unread;
mod unreported;
mod watcher;
mod watching;
mod wrong_protocol;

use std::rc::Rc;

use super::codec::Encoding;
use super::engine_state::EngineState;
use super::message::{Binding, ConnectionId, FramingMode, RemoteAddress};
use super::outbox::Outbox;
use super::room::{Hearing, MemberId, Room};
use super::service::Service;
use super::timer_queue::Timer;
use dialogue::Dialogue;
use intake::Intake;

/// One connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) timer: Timer,
    intake: Intake,
    dialogue: Dialogue,
}

impl Session {
    /// Its connection.
    pub(super) fn peer(&self) -> ConnectionId {
        self.dialogue.peer
    }

    /// The endpoint that accepted it.
    pub(super) fn binding(&self) -> &Rc<Binding> {
        &self.dialogue.binding
    }

    /// Its remote address.
    pub(super) fn remote(&self) -> RemoteAddress {
        self.dialogue.remote
    }

    /// Its service.
    pub(super) fn service(&self) -> Service {
        self.dialogue.service()
    }

    /// Its id in the room, while it is a member.
    pub(super) fn member_id(&self) -> Option<MemberId> {
        self.dialogue.member_id()
    }

    /// How the room's messages go to it, if it is a member.
    #[inline]
    pub(super) fn hearing(&self) -> Hearing {
        match self.dialogue.kind {
            _ if !self.dialogue.outbox.is_empty() || self.intake.is_stalled() => Hearing::Queued,
            Some(FramingMode::Line) => Hearing::Lines,
            Some(FramingMode::WebSocket) => Hearing::Frames,
            _ => Hearing::Queued,
        }
    }

    /// Its id in the room, if its messages go to it in this way.
    #[inline]
    pub(super) fn member_id_hearing(&self, hearing: Hearing) -> Option<MemberId> {
        self.member_id().filter(|_| self.hearing() == hearing)
    }

    /// Tells the room how its messages go to it.
    #[inline]
    pub(super) fn tell_hearing(&self, room: &mut Room) {
        if let Some(member_id) = self.member_id() {
            room.set_hearing(member_id, self.hearing());
        }
    }

    /// Copies the frames that are lent to it into its own queue, because they were not sent completely.
    pub(super) fn keep_lent(&mut self, shared: &mut EngineState, member_id: MemberId) {
        self.dialogue.outbox.push(shared.frames.bytes());
        shared.room.sent(member_id, shared.frames.log_bytes());
    }

    pub(super) fn is_serving(&self) -> bool {
        self.dialogue.is_serving()
    }

    pub(super) fn is_counted(&self) -> bool {
        self.dialogue.is_counted()
    }

    /// Whether replies that are not read are dropped.
    pub(super) fn is_lossy(&self) -> bool {
        self.dialogue.transport().lossy
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.dialogue.outbox
    }

    /// How its messages are encoded.
    pub(super) fn encoding(&self) -> Encoding {
        self.dialogue.encoding()
    }
}
