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
use super::room::MemberId;
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

    /// Its id in the room, if it gets the lines of the room's log unchanged and has no bytes in its own queue or input.
    pub(super) fn listening_member_id(&self) -> Option<MemberId> {
        let is_line = self.dialogue.kind == Some(FramingMode::Line);
        self.member_id().filter(|_| is_line && self.dialogue.outbox.is_empty() && !self.intake.is_stalled())
    }

    /// The same for a member that gets the lines in WebSocket frames.
    #[inline]
    pub(super) fn framed_member_id(&self) -> Option<MemberId> {
        if self.dialogue.kind != Some(FramingMode::WebSocket) {
            return None;
        }
        self.member_id().filter(|_| self.dialogue.outbox.is_empty() && !self.intake.is_stalled())
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
