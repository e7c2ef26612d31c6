//! One peer. [`Intake`] makes messages of its bytes, [`Dialogue`] is what its service says to it; here they meet: bytes fall
//! through [`Session::handle_bytes`] → intake → [`Dialogue::handle_message`] → outbox.

mod admission;
mod chat;
mod close;
mod dialogue;
mod dispatch;

mod flow;
mod guest;
mod holding;
mod intake;
mod multiply;
mod mux;
mod naming;
mod overlong;
mod pace;
mod plain;
mod privacy;
mod putting_out;
mod restart;
mod standing;
mod state;
mod stats;
mod strangers;
mod talk;
mod tally;
mod timeouts;
mod unread;
mod watching;

use std::rc::Rc;

use super::codec::Style;
use super::message::{Binding, ConnectionId, Kind, RemoteAddress};
use super::outbox::Outbox;
use super::room::MemberId;
use super::service::Service;
use super::timer_queue::Timer;
use dialogue::Dialogue;
pub(super) use guest::{Guest, NAME_BYTES_MAX};
use intake::Intake;
pub(super) use privacy::replied;
pub(super) use stats::ListCursor;
pub(super) use unread::Unread;

/// One connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) timer: Timer,
    intake: Intake,
    dialogue: Dialogue,
}

/// In which of the engine's lists it stands, and what its last message came to: a bit each, for a session has no room for more.
#[derive(Debug, Default)]
pub(super) struct Lists(u8);

impl Lists {
    /// Those to be flushed.
    const FLUSH: u8 = 1;
    /// Those that wait for room in the chat's log.
    const WAITING: u8 = 2;
    /// Those whose report goes on.
    const REPORTING: u8 = 4;
    /// No list: it was told an error for its last message.
    const ERRED: u8 = 8;

    /// Sets one; whether it was.
    fn set(&mut self, bit: u8, on: bool) -> bool {
        let was = self.0 & bit != 0;
        self.0 = if on { self.0 | bit } else { self.0 & !bit };
        was
    }

    fn set_erred(&mut self, erred: bool) {
        self.set(Lists::ERRED, erred);
    }

    fn has_erred(&self) -> bool {
        self.0 & Lists::ERRED != 0
    }
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
    pub(super) fn origin(&self) -> RemoteAddress {
        self.dialogue.origin
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
        let is_line = self.dialogue.kind == Some(Kind::Line);
        self.member_id().filter(|_| is_line && self.dialogue.outbox.is_empty() && !self.intake.stalled)
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
    pub(super) fn style(&self) -> Style {
        self.dialogue.style()
    }
}
