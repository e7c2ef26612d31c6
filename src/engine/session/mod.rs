//! One peer. [`Intake`] makes messages of its bytes, [`Dialogue`] is what its service says to it; here they meet: bytes fall
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
mod standing;
mod stats;
mod status;
mod strangers;
mod talk;
mod tally;
mod timeouts;
mod unread;
mod unreported;
mod watcher;
mod watching;

use std::rc::Rc;

use super::codec::Encoding;
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
    /// Whom it is with.
    pub(super) fn peer(&self) -> ConnectionId {
        self.dialogue.peer
    }

    /// Where it came in.
    pub(super) fn binding(&self) -> &Rc<Binding> {
        &self.dialogue.binding
    }

    /// Who that is.
    pub(super) fn remote(&self) -> RemoteAddress {
        self.dialogue.remote
    }

    /// The service it is in.
    pub(super) fn service(&self) -> Service {
        self.dialogue.service()
    }

    /// Its place in the room, while it has one.
    pub(super) fn member_id(&self) -> Option<MemberId> {
        self.dialogue.member_id()
    }

    /// Its place in the room, if it is sent the room's own lines, only these wait for it, and nothing that it has said waits for room.
    pub(super) fn listening_member_id(&self) -> Option<MemberId> {
        let is_line = self.dialogue.kind == Some(FramingMode::Line);
        self.member_id().filter(|_| is_line && self.dialogue.outbox.is_empty() && !self.intake.is_stalled())
    }

    pub(super) fn is_serving(&self) -> bool {
        self.dialogue.is_serving()
    }

    pub(super) fn is_counted(&self) -> bool {
        self.dialogue.is_counted()
    }

    /// Whether what nobody reads is dropped.
    pub(super) fn is_lossy(&self) -> bool {
        self.dialogue.transport().lossy
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.dialogue.outbox
    }

    /// How its messages are told apart on the way out.
    pub(super) fn encoding(&self) -> Encoding {
        self.dialogue.encoding()
    }
}
