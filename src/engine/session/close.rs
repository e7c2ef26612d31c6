//! How a connection ends: with last words, a lingering close, or a reset.

use super::Session;
use super::dialogue::{Dialogue, Phase, State, Talk};
use crate::engine::codec::Encoding;
use crate::engine::codec::shape::Unreadable;
use crate::engine::counters::ErrorKind;
use crate::engine::diagnosis;
use crate::engine::effect::SessionEvent;
use crate::engine::limits::{CATCH_UP, LAST_WORDS, LEAVING, ROOM_GAP};
use crate::engine::message::{CloseReason, EventKind, FramingMode, Output, Timestamp};
use crate::engine::service::Service;
use crate::engine::transport::Lifetime;
use crate::engine::wrong_protocol::WrongProtocol;
use crate::engine::{EngineState, words};

impl Session {
    /// Handles a lost connection, on which nothing can be sent any more.
    pub(in crate::engine) fn lose(&mut self, shared: &mut EngineState) {
        self.dialogue.lose(shared);
    }

    /// Handles a broken rule of its transport: it gets an error, and its input is ignored.
    #[cold]
    #[inline(never)]
    pub(in crate::engine) fn handle_broken(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        reason: &str,
    ) {
        if self.is_serving() {
            self.dialogue.fail(shared, now, CloseReason::PeerBrokeMemory, reason.to_owned());
        }
    }

    /// Drops it because more waits for it than its backlog allows. It gets an error, if that can be sent.
    pub(in crate::engine) fn drop_slow(&mut self, shared: &mut EngineState, now: Timestamp) {
        self.dialogue.drop_slow(shared, now);
    }

    /// Closes it if its service has lost its last endpoint. In the middle of a long reply it is closed after that.
    pub(in crate::engine) fn withdraw(&mut self, shared: &mut EngineState, now: Timestamp, service: Service) {
        self.dialogue.withdraw(shared, now, service);
    }

    /// The next step of closing, if it is due; finally [`Output::Close`] or [`Output::Reset`].
    pub(in crate::engine) fn step(&mut self, shared: &mut EngineState, now: Timestamp) -> Option<Output> {
        let has_ended = self.intake.has_ended();
        self.dialogue.leave_when_withdrawn(shared, now);
        if has_ended && self.intake.is_empty() {
            self.dialogue.leave_at_end(shared, now, self.intake.guess.end_of_frames());
        }
        if !self.is_serving() && !self.intake.is_empty() {
            self.intake.clear(); // its input is ignored from now on
        }
        // A Telnet client or a WebSocket that has only signalled the end of its input may still send, and would get a reset.
        self.dialogue.step(shared, now, self.intake.is_at_end())
    }

    /// Removes the session from everything that refers to it.
    pub(in crate::engine) fn depart(&mut self, shared: &mut EngineState) {
        self.dialogue.depart(shared);
    }

    /// Closes the session when the daemon stops, once neither the kernel nor the session holds any of its input.
    pub(in crate::engine) fn stop(&mut self, shared: &mut EngineState, now: Timestamp) {
        self.dialogue.stop(shared, now);
    }

    /// Closes it if it is in the room or in a pair, because both end when the daemon stops.
    pub(in crate::engine) fn stop_talking(&mut self, shared: &mut EngineState, now: Timestamp) {
        self.dialogue.stop_talking(shared, now);
    }

    /// Notes that the kernel holds no more of its input.
    pub(in crate::engine) fn set_drained(&self, shared: &mut EngineState) {
        if let Some(stop) = &mut shared.stop {
            stop.drained.insert(self.peer());
        }
    }

    /// Whether all its input has been handled.
    pub(in crate::engine) fn is_settled(&self, shared: &EngineState) -> bool {
        // Messages that are kept for a later partner count as handled.
        let is_waiting = self.dialogue.is_alone(shared);
        let is_stalled = self.intake.is_stalled() && !is_waiting;
        !self.is_serving()
            || (shared.stop.as_ref().is_some_and(|stop| stop.drained.contains(&self.peer()))
                && !is_stalled
                && !self.intake.guess.holds_request()
                && !self.dialogue.is_answering())
    }
}

impl Dialogue {
    pub(super) fn reject(&mut self, shared: &mut EngineState, now: Timestamp, protocol: WrongProtocol) {
        let spoken = if self.kind == Some(FramingMode::Http) { "HTTP" } else { self.service().name() };
        let error = words::not_spoken_here(spoken, protocol.name());
        // This sentence ends with LF, whatever the other protocol is like: ipcd-protocol(7) says so.
        self.end_lines_with_lf();
        let service = self.service();
        self.hint(shared, |shared| {
            Some(diagnosis::of_wrong_protocol(protocol, service, self.context(shared)))
        });
        let reason = CloseReason::PeerWrongProtocol(protocol);
        match protocol {
            WrongProtocol::Http if self.kind != Some(FramingMode::Packet) => {
                let answer = words::bad_request(&error);
                self.note_error(shared, ErrorKind::WrongProtocol, error);
                self.finish(shared, now, reason, None);
                self.outbox.push(answer.as_bytes());
            }
            _ => self.fail(shared, now, reason, error),
        }
    }

    /// Rejects a client that does not send text. The error says what it sends; nothing of it is executed.
    pub(super) fn reject_unreadable(&mut self, shared: &mut EngineState, now: Timestamp, what: Unreadable) {
        self.hint_at_unreadable(shared, what);
        let error = match what {
            Unreadable::Utf16 => words::UTF_16,
            Unreadable::Java => words::JAVA_OBJECT,
            Unreadable::Pickle => words::PICKLE,
            Unreadable::Erlang => words::ERLANG_TERM,
            Unreadable::Gob => words::GOB,
            Unreadable::Ada => words::ADA_BOUNDS,
        };
        self.fail(shared, now, CloseReason::PeerUnreadable, error.to_owned());
    }

    pub(super) fn fail(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        reason: CloseReason,
        error: String,
    ) {
        self.note_error(shared, ErrorKind::of(reason), error.clone());
        self.finish(shared, now, reason, Some(&format!("Error: {error}")));
    }

    /// Begins to close. What is queued is still sent, and then `words`.
    pub(super) fn finish(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        reason: CloseReason,
        words: Option<&str>,
    ) {
        self.finish_with(shared, now, reason, words, None);
    }

    /// The same; `code`, if given, is the code of the close frame instead of the reason's.
    pub(super) fn finish_with(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        reason: CloseReason,
        words: Option<&str>,
        code: Option<u16>,
    ) {
        if let Some(member_id) = self.member_id() {
            let mut unsent = Vec::new();
            let encoding = self.encoding();
            if encoding != Encoding::Lines && !reason.is_too_slow() {
                let late = (CATCH_UP.as_millis() / ROOM_GAP.as_millis()) as usize;
                self.take_lines(shared, member_id, encoding, usize::MAX);
                if encoding.is_paced() && self.outbox.messages() > late {
                    self.outbox.join();
                }
            }
            let has_private = shared.room.has_private(member_id);
            match reason {
                reason if reason.is_too_slow() => shared.room.drop_member(member_id, &mut unsent),
                CloseReason::Stopping => shared.room.remove_all(member_id, &mut unsent),
                _ => shared.room.leave(member_id, &mut unsent),
            }
            if has_private && !unsent.is_empty() {
                self.outbox.mark_private();
            }
            // Reserves memory for everything that follows, which would otherwise grow twice.
            self.outbox.expect(unsent.len() + words.map_or(0, |words| words.len() + 2));
            self.outbox.push(&unsent);
        }
        self.hang_up(shared);
        if let State::Stats(telling) = &mut self.state {
            *telling = None; // the missing last line shows the client that the list is incomplete
        }
        if let Some(FramingMode::Http | FramingMode::WebSocket) = self.kind {
            self.say_last(reason, words, code);
        } else if let Some(words) = words {
            self.say(words);
        }
        self.phase = Phase::Draining(reason, now);
    }

    /// Leaves its partner, stops watching, and no longer joins the room.
    fn hang_up(&mut self, shared: &mut EngineState) {
        self.look_away(shared);
        if self.is_joining() {
            shared.room.forget_newcomer(self.peer);
            self.state = State::Chat(Err(shared.now));
        }
        if let State::Talk(talk) = &mut self.state
            && let Some(pair_end) = std::mem::replace(talk, Talk::Over).end()
            && let Some(partner) = shared.talk.leave(pair_end)
        {
            shared.tell(partner, SessionEvent::Left);
        }
    }

    fn lose(&mut self, shared: &mut EngineState) {
        self.hint_at_reset(shared);
        if let Some(member_id) = self.member_id() {
            shared.room.drop_member(member_id, &mut Vec::new());
        }
        self.hang_up(shared);
        self.outbox.clear();
        if self.is_serving() {
            self.phase = Phase::Draining(CloseReason::PeerReset, Timestamp::default());
        }
    }

    fn drop_slow(&mut self, shared: &mut EngineState, now: Timestamp) {
        shared.counters.of_mut(self.service()).too_slow += 1;
        self.finish(shared, now, CloseReason::PeerTooSlow, Some(words::TOO_SLOW));
    }

    fn withdraw(&mut self, shared: &mut EngineState, now: Timestamp, service: Service) {
        if self.is_serving() && self.binding.service == service && self.service() == service {
            match self.is_answering() {
                false => self.leave_withdrawn(shared, now),
                true => self.phase = Phase::Withdrawn,
            }
        }
    }

    /// Whether the rest of an answer is still to come: of a report, a list, or an order.
    fn is_answering(&self) -> bool {
        self.report().is_some() || self.is_telling() || matches!(self.state, State::Ordered)
    }

    fn leave_when_withdrawn(&mut self, shared: &mut EngineState, now: Timestamp) {
        if matches!(self.phase, Phase::Withdrawn) && !self.is_answering() {
            self.leave_withdrawn(shared, now);
        }
    }

    fn leave_withdrawn(&mut self, shared: &mut EngineState, now: Timestamp) {
        let words = format!("Error: {} is no longer offered here", self.service());
        self.finish(shared, now, CloseReason::Withdrawn, Some(&words));
    }

    /// Closes it, because its input has ended and was all answered. `frames`: how those of a WebSocket ended.
    fn leave_at_end(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        frames: Option<(u16, Option<&str>)>,
    ) {
        if self.is_serving() && !self.is_answering() {
            if let Some((code, error)) = frames {
                return self.end_frames(shared, now, code, error.map(str::to_owned));
            }
            if self.is_joining() {
                return; // its lines are still to be sent
            }
            // A standing session ends with its endpoint, not with its writers.
            let reason = match self.transport().lifetime {
                Lifetime::Endpoint => CloseReason::Withdrawn,
                Lifetime::Connection | Lifetime::Message => CloseReason::PeerClosed,
            };
            self.finish(shared, now, reason, None);
        }
    }

    fn step(&mut self, shared: &mut EngineState, now: Timestamp, has_ended: bool) -> Option<Output> {
        match self.phase {
            Phase::Serving | Phase::Withdrawn => None,
            Phase::Draining(..) if !self.outbox.is_empty() => None,
            Phase::Draining(reason, _)
                if reason.is_refusal()
                    && !self.is_counted()
                    && shared.refused_lingering >= shared.settings.refused_lingering_max =>
            {
                Some(Output::Close(self.peer))
            }
            Phase::Draining(reason, _) if has_ended && shared.event_ring.suspects(self.peer) => {
                self.phase = Phase::Lingering(reason, now + LEAVING);
                Some(Output::ShutdownWrite(self.peer))
            }
            Phase::Draining(..) if has_ended || !self.transport().half_close => {
                Some(Output::Close(self.peer))
            }
            Phase::Draining(reason, _) if self.parts_with_reset() => {
                self.phase = Phase::AwaitingReset(reason, now + LAST_WORDS);
                None
            }
            Phase::Draining(reason, _) => {
                self.phase = Phase::Lingering(reason, now + shared.settings.linger);
                if !self.is_counted() {
                    shared.refused_lingering += 1;
                }
                Some(Output::ShutdownWrite(self.peer))
            }
            Phase::AwaitingReset(..) | Phase::Lingering(..)
                if has_ended && !shared.event_ring.suspects(self.peer) =>
            {
                Some(Output::Close(self.peer))
            }
            Phase::AwaitingReset(_, until) if until <= now => Some(Output::Reset(self.peer)),
            Phase::Lingering(_, until) if until <= now => Some(Output::Close(self.peer)),
            Phase::AwaitingReset(..) | Phase::Lingering(..) => None,
        }
    }

    /// A raw chat client takes end of file for an endless stream of empty messages. A reset stops it.
    pub(super) fn parts_with_reset(&self) -> bool {
        let may_be_window = match self.kind {
            Some(kind) => kind == FramingMode::Raw,
            // The user of such a client still types a name.
            None => matches!(self.state, State::Chat(_) | State::Joining),
        };
        may_be_window && self.transport().reset && self.service().facts().is_shared
    }

    fn depart(&mut self, shared: &mut EngineState) {
        if let Some(member_id) = self.member_id() {
            shared.room.drop_member(member_id, &mut Vec::new());
            self.state = State::Chat(Err(shared.now)); // it is no longer a member, so its name must not be looked up
        }
        self.hang_up(shared);
        let reason = match self.phase {
            Phase::Serving | Phase::Withdrawn => CloseReason::Stopping,
            Phase::Draining(reason, _) | Phase::AwaitingReset(reason, _) | Phase::Lingering(reason, _) => {
                reason
            }
        };
        if self.is_counted() {
            shared.connection_counts.release(self.service(), self.remote);
        } else if matches!(self.phase, Phase::Lingering(..)) {
            shared.refused_lingering -= 1;
        }
        shared.paces.remove(self.peer);
        shared.guests.remove(self.peer);
        shared.certified.remove(self.peer);
        shared.unread.remove(self.peer);
        if let Some(stop) = &mut shared.stop {
            stop.drained.remove(&self.peer);
        }
        self.hint_at_end(shared, reason);
        self.leave_roster(shared);
        self.note(shared, EventKind::Closed(reason));
    }

    fn stop(&mut self, shared: &mut EngineState, now: Timestamp) {
        if self.is_serving() && !self.service().facts().is_shared {
            self.finish(shared, now, CloseReason::Stopping, None);
        }
    }

    fn stop_talking(&mut self, shared: &mut EngineState, now: Timestamp) {
        if self.is_serving() {
            self.finish(shared, now, CloseReason::Stopping, Some(words::SHUTTING_DOWN));
        }
    }
}
