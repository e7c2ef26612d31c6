//! Counts a session's requests and errors, which takes one addition each. Now and then, and at the session's end, the counts go to
//! the [roster](crate::engine::roster).

use super::Session;
use super::dialogue::{Dialogue, Heard, State};
use super::unreported::{LastMessage, Unreported};
use crate::engine::EngineState;
use crate::engine::client::Client;
use crate::engine::counters::ErrorKind;
use crate::engine::diagnosis;
use crate::engine::limits::{OUTBOX_BYTES_HIGH, SILENCE, SILENCE_SEEN};
use crate::engine::message::Timestamp;
use crate::engine::roster::Tally;

/// From so many unreported requests on, they are reported; as many more still fit into the counter.
const MANY: u16 = 1 << 15;

impl Session {
    /// Reports new counts to the roster.
    pub(in crate::engine) fn report_tally(&mut self, shared: &mut EngineState) {
        if self.is_counted() {
            self.dialogue.report_tally(shared);
            self.dialogue.note_silence(shared);
        }
    }
}

impl Dialogue {
    pub(super) fn client(&self) -> Client {
        Client::from(self.remote)
    }

    /// Counts requests, no more than one queue has room to answer.
    #[inline]
    pub(super) fn count_requests(&mut self, shared: &mut EngineState, requests: usize) {
        const { assert!(OUTBOX_BYTES_HIGH / 2 <= MANY as usize) }; // no reply is shorter than two bytes
        self.unreported.requests += requests as u16;
        self.unreported.last = LastMessage::Good;
        if self.unreported.requests >= MANY {
            self.report_tally(shared);
        }
    }

    pub(super) fn count_error(&mut self, shared: &mut EngineState) {
        self.unreported.errors += 1;
        self.unreported.last = LastMessage::Erred;
        if self.unreported.errors == u8::MAX {
            self.report_tally(shared);
        }
    }

    /// Reports new counts to the roster.
    pub(super) fn report_tally(&mut self, shared: &mut EngineState) {
        if (self.unreported.requests, self.unreported.errors) != (0, 0) {
            let tally = self.take_tally();
            shared.roster.count(shared.now, self.client(), self.service(), tally);
        }
    }

    /// Whether it observes the daemon or gives it orders.
    fn is_observer(&self) -> bool {
        matches!(
            self.state,
            State::Status(_) | State::Watch(_) | State::Control | State::Ordered | State::Guarded(_)
        )
    }

    /// Reports an error to the roster, if it says something about the client's program.
    pub(super) fn remember_error(&self, shared: &mut EngineState, kind: ErrorKind, error: &str) {
        let is_about_it = match kind {
            ErrorKind::Request
            | ErrorKind::Result
            | ErrorKind::Name
            | ErrorKind::Command
            | ErrorKind::Unavailable
            | ErrorKind::TooLong
            | ErrorKind::Unfinished
            | ErrorKind::WrongProtocol => true,
            ErrorKind::Nameless | ErrorKind::Idle | ErrorKind::Silent | ErrorKind::Denied => false,
        };
        if is_about_it && self.is_counted() && !self.is_observer() {
            shared.roster.set_error(shared.now, self.client(), self.service(), Some(self.peer), error);
        }
    }

    fn take_tally(&mut self) -> Tally {
        let Unreported { requests, errors, last } = &mut self.unreported;
        let good = (*requests > 0 && *last == LastMessage::Good).then_some(self.active);
        let tally =
            Tally { requests: std::mem::take(requests).into(), errors: std::mem::take(errors).into(), good };
        // A client that observes the daemon is not one of the students.
        if self.is_observer() { Tally::default() } else { tally }
    }

    /// Reports a silence where a message is expected, which is also a problem. This is checked when a report is requested.
    fn note_silence(&self, shared: &mut EngineState) {
        let is_silent = self.is_serving() && self.heard < Heard::Bytes;
        // A person reads before typing.
        let silence = if self.service().facts().is_typed { SILENCE } else { SILENCE_SEEN };
        let is_known = shared.roster.knows_of_silence(self.client(), self.opened);
        if is_silent && !is_known && shared.now.since(self.opened) >= silence {
            let service = self.service();
            if let Some(hint) = diagnosis::of_silence(service, false) {
                shared.roster.set_hint(shared.now, self.client(), service, Some(self.peer), &hint);
            }
        }
    }

    /// Notes that it was admitted.
    pub(super) fn enter_roster(&self, shared: &mut EngineState, now: Timestamp) {
        shared.roster.enter(now, self.client());
    }

    /// Notes that it has left.
    pub(super) fn leave_roster(&mut self, shared: &mut EngineState) {
        if self.is_counted() {
            let tally = self.take_tally();
            shared.roster.leave(self.client(), self.service(), tally);
        }
    }
}
