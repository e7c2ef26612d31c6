//! A session in talk: its end of a pair, and what comes from the other end.

use super::Session;
use super::dialogue::{Dialogue, State, Talk};
use crate::engine::EngineState;
use crate::engine::effect::SessionEvent;
use crate::engine::limits::OUTBOX_BYTES_HIGH;
use crate::engine::message::{CloseReason, ConnectionId, EventKind, Timestamp};
use crate::engine::service::Service;
use crate::engine::service::talk::{self, PairEnd};
use crate::engine::text::clean;

impl Session {
    /// Handles an event from another session.
    pub(in crate::engine) fn handle_event(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        event: SessionEvent,
    ) {
        if !self.is_serving() {
            return;
        }
        match event {
            SessionEvent::Met(partner) => {
                self.dialogue.note(shared, EventKind::Met(partner));
                self.resume(shared, now);
                if let Some(partner) = self.dialogue.partner(shared) {
                    shared.tell(partner, SessionEvent::GoOn);
                }
            }
            SessionEvent::Said(text) => {
                self.dialogue.say(&text);
                self.dialogue.report_held(shared);
            }
            SessionEvent::GoOn => {
                if let State::Talk(talk @ Talk::Meeting(_)) = &mut self.dialogue.state
                    && let Some(end) = talk.end()
                {
                    *talk = Talk::Here(end);
                }
                self.resume(shared, now);
            }
            SessionEvent::Left => {
                self.dialogue.state = State::Talk(Talk::Over);
                self.dialogue.finish(shared, now, CloseReason::PartnerLeft, None);
            }
            #[cfg(feature = "nats")]
            SessionEvent::Joined(member_id, rest) => {
                match self.dialogue.transport().many_writers {
                    true => self.dialogue.be_member_as_endpoint(shared, member_id),
                    false => self.dialogue.come_in(shared, now, member_id, &rest),
                }
                self.resume(shared, now);
            }
            #[cfg(feature = "nats")]
            SessionEvent::NameTaken(name, unsent) => {
                self.dialogue.outbox.push(&unsent);
                self.dialogue.lose_name_elsewhere(shared, now, &name);
                self.resume(shared, now);
            }
            SessionEvent::Replaced(begun) => self.dialogue.make_way(shared, now, &begun),
        }
    }
}

impl Dialogue {
    /// Whether it waits for a partner.
    pub(super) fn is_alone(&self, shared: &EngineState) -> bool {
        matches!(self.state, State::Talk(talk) if talk.end().is_some()) && self.partner(shared).is_none()
    }

    /// Its partner.
    pub(super) fn partner(&self, shared: &EngineState) -> Option<ConnectionId> {
        let State::Talk(talk) = self.state else { return None };
        shared.talk.partner(talk.end()?)
    }

    /// Lets it be paired, because its handshake is complete.
    pub(super) fn come_to_talk(&mut self, shared: &mut EngineState) {
        if matches!(self.state, State::Talk(Talk::Coming)) {
            self.state = State::Talk(Talk::Here(shared.talk.join(self.peer)));
            self.meet(shared);
        }
    }

    /// Joins a pair; a waiting partner is told.
    pub(super) fn meet(&mut self, shared: &mut EngineState) {
        if let State::Talk(talk) = &mut self.state
            && let Some(end) = talk.end()
            && let Some(partner) = shared.talk.partner(end)
        {
            *talk = Talk::Meeting(end);
            shared.tell(partner, SessionEvent::Met(self.remote));
        }
    }

    pub(super) fn talk(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        pair_end: PairEnd,
        message: &[u8],
    ) {
        let Some(partner) = shared.talk.partner(pair_end) else { return };
        let text = clean(message);
        if !text.trim().is_empty() {
            shared.talk.add(pair_end, text.len() + 1);
            shared.tell(partner, SessionEvent::Said(text));
        }
        if talk::is_bye(message) {
            self.finish(shared, now, CloseReason::PeerQuit, None);
        }
    }

    /// Lets its partner continue once few enough bytes wait to be sent.
    pub(super) fn report_held(&mut self, shared: &mut EngineState) {
        if let State::Talk(talk) = self.state
            && let Some(pair_end) = talk.end()
            && let Some(partner) = shared.talk.set_held(pair_end, self.outbox.len(), line_bytes_max(shared))
        {
            shared.tell(partner, SessionEvent::GoOn);
        }
    }
}

/// While this many bytes wait for a client, its partner's next messages wait.
pub(super) fn line_bytes_max(shared: &EngineState) -> usize {
    OUTBOX_BYTES_HIGH.min(shared.settings.of(Service::Talk).backlog_bytes_max)
}
