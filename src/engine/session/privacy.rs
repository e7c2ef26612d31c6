//! Private messages between two members: their text appears neither in `watch` nor in the log.

use super::Session;
use super::dialogue::{Dialogue, State};
use crate::engine::EngineState;
use crate::engine::message::EventKind;
use crate::engine::service::chat;
use crate::engine::service::mux::{self, Choice};
use crate::engine::service::page;
use crate::engine::text::quote;

impl Dialogue {
    /// The event for one of its messages, as others may see it.
    pub(super) fn saying(&self, shared: &EngineState, message: &[u8]) -> EventKind {
        match self.is_private(shared, message) {
            true => EventKind::SaidPrivately(message.len()),
            false => EventKind::Said(quote(message)),
        }
    }

    /// Whether its message, or the beginning of one, is private.
    pub(super) fn is_private(&self, shared: &EngineState, message: &[u8]) -> bool {
        match self.state {
            State::Talk(_) | State::Guarded(_) => true,
            State::Page(_) => page::is_confidential(message),
            // If there are many writers, everything goes to the whole room.
            State::Chat(Ok(_)) => !self.transport().many_writers && chat::is_private(message),
            State::Chat(Err(_)) => self.is_asked(shared) || chat::is_private_behind_name(message),
            State::Mux if mux::choose(message) == Choice::Default => {
                (shared.settings.mux_default.facts().is_private)(message)
            }
            State::Outside
            | State::Multiply
            | State::Advised
            | State::Greeting
            | State::Joining
            | State::Plain(_)
            | State::Stats(_)
            | State::Status(_)
            | State::Watch(_)
            | State::Mux
            | State::Control
            | State::Ordered => false,
        }
    }
}

impl Session {
    /// Whether its outbox may hold private messages.
    pub(in crate::engine) fn may_hold_private(&self) -> bool {
        self.dialogue.outbox.is_private() || matches!(self.dialogue.state, State::Talk(_))
    }
}

#[cfg(test)]
mod tests;
