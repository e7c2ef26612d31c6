//! A session on multiply, or on the mux before a service is chosen.

use super::dialogue::{Dialogue, State};
use crate::engine::EngineState;
use crate::engine::codec::websocket;
use crate::engine::diagnosis;
use crate::engine::number;
use crate::engine::service::mux::{self, Choice};
use crate::engine::service::{Service, multiply};
use crate::engine::words::DATA_RECEIVED;

impl Dialogue {
    pub(super) fn multiply(&mut self, shared: &mut EngineState, message: &[u8]) {
        let encoding = self.encoding();
        if !self.outbox.has_open_line() {
            self.outbox.say(encoding, DATA_RECEIVED);
        }
        match multiply::evaluate(message) {
            Ok(value) => self.outbox.say(encoding, number::Text::of(value)),
            Err(complaint) => {
                self.err_about(shared, complaint.kind(), message, complaint.to_string());
                self.hint(shared, |shared| diagnosis::of_request(message, self.context(shared)));
                self.advise(shared, message);
            }
        }
    }

    /// Sends a client that wants them the hints that watchers get: in a binary frame, because replies are text.
    fn advise(&mut self, shared: &EngineState, message: &[u8]) {
        if matches!(self.state, State::Advised)
            && let Some(hint) = diagnosis::of_request(message, self.context(shared))
        {
            let mut frame = Vec::new();
            websocket::encode_binary(hint.text.as_bytes(), &mut frame);
            self.outbox.push(&frame);
        }
    }

    /// Whether multiply answers its next message.
    pub(super) fn is_multiplier(&self, shared: &EngineState) -> bool {
        match self.state {
            State::Multiply | State::Advised => true,
            State::Mux => shared.settings.mux_default == Service::Multiply,
            State::Greeting
            | State::Chat(_)
            | State::Joining
            | State::Plain(_)
            | State::Talk(_)
            | State::Stats(_)
            | State::Status(_)
            | State::Watch(_)
            | State::Outside
            | State::Page(_)
            | State::Guarded(_)
            | State::Control
            | State::Ordered => false,
        }
    }

    /// Whether multiply answers `bytes`, a complete request.
    pub(super) fn is_multiplication(&self, shared: &EngineState, bytes: &[u8]) -> bool {
        let is_default = || {
            let fits = bytes.len() <= shared.settings.of(Service::Multiply).message_bytes_max;
            fits && mux::choose(bytes) == Choice::Default
        };
        self.is_multiplier(shared) && (!matches!(self.state, State::Mux) || is_default())
    }
}
