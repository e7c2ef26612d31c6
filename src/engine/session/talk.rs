//! A session in talk: one end of a line, and what comes from the other end.

use super::Session;
use super::dialogue::{Dialogue, State};
use crate::engine::limits::OUTBOX_BYTES_HIGH;
use crate::engine::message::{CloseReason, ConnectionId, EventKind, Timestamp};
use crate::engine::service::Service;
use crate::engine::service::talk::{self, PairEnd};
use crate::engine::text::clean;
use crate::engine::{EngineState, SessionEvent};

impl Session {
    /// Another session has something for it.
    pub(in crate::engine) fn handle_letter(
        &mut self,
        world: &mut EngineState,
        now: Timestamp,
        letter: SessionEvent,
    ) {
        if !self.is_serving() {
            return;
        }
        match letter {
            SessionEvent::Met(partner) => {
                self.dialogue.note(world, EventKind::Met(partner));
                self.resume(world, now);
                if let Some(partner) = self.dialogue.partner(world) {
                    world.letters.push_back((partner, SessionEvent::GoOn));
                }
            }
            SessionEvent::Said(text) => {
                self.dialogue.say(&text);
                self.dialogue.report_held(world);
            }
            SessionEvent::GoOn => {
                self.dialogue.flags.meeting = false;
                self.resume(world, now);
            }
            SessionEvent::Left => {
                self.dialogue.state = State::Talk(None);
                self.dialogue.finish(world, now, CloseReason::PartnerLeft, None);
            }
            SessionEvent::Replaced(begun) => self.dialogue.make_way(world, now, &begun),
        }
    }
}

impl Dialogue {
    /// Whether it waits for somebody to talk with.
    pub(super) fn is_alone(&self, world: &EngineState) -> bool {
        matches!(self.state, State::Talk(Some(_))) && self.partner(world).is_none()
    }

    /// Whom it talks with.
    pub(super) fn partner(&self, world: &EngineState) -> Option<ConnectionId> {
        let State::Talk(Some(chair)) = self.state else { return None };
        world.talk.partner(chair)
    }

    /// Takes its place at a line; who waited there hears of it.
    pub(super) fn meet(&mut self, world: &mut EngineState) {
        if let Some(partner) = self.partner(world) {
            self.flags.meeting = true;
            world.letters.push_back((partner, SessionEvent::Met(self.origin)));
        }
    }

    pub(super) fn talk(&mut self, world: &mut EngineState, now: Timestamp, chair: PairEnd, message: &[u8]) {
        let Some(partner) = world.talk.partner(chair) else { return };
        let text = clean(message);
        if !text.trim().is_empty() {
            world.talk.add(chair, text.len() + 1);
            world.letters.push_back((partner, SessionEvent::Said(text)));
        }
        if talk::is_bye(message) {
            self.finish(world, now, CloseReason::PeerQuit, None);
        }
    }

    /// Its partner may say more once little enough waits to be sent.
    pub(super) fn report_held(&mut self, world: &mut EngineState) {
        if let State::Talk(Some(chair)) = self.state
            && let Some(partner) = world.talk.set_held(chair, self.outbox.len(), line_bytes_max(world))
        {
            world.letters.push_back((partner, SessionEvent::GoOn));
        }
    }
}

/// Bytes waiting for a talker, from which on its partner's next messages wait.
pub(super) fn line_bytes_max(world: &EngineState) -> usize {
    OUTBOX_BYTES_HIGH.min(world.settings.of(Service::Talk).backlog_bytes_max)
}
