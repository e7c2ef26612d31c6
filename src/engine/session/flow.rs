//! Backpressure: whether a peer is read from, whether its messages are handled, and what was sent to it.

use std::time::Duration;

use super::Session;
use super::dialogue::{Dialogue, Phase, Sending, State, Talk};
use crate::engine::EngineState;
use crate::engine::codec::Encoding;
use crate::engine::limits::{
    CATCH_UP, CATCH_UP_BYTES, OUTBOX_BYTES_HIGH, READ_BYTES_MAX, ROOM_BURST_BYTES, ROOM_GAP, ROOM_QUEUE_BYTES,
};
use crate::engine::message::Timestamp;
use crate::engine::ready_list::Membership;
use crate::engine::room::MemberId;
use crate::engine::service::facts::Keeps;

impl Session {
    // ---- input

    /// Whether to read from the peer. Not if the peer itself does not read.
    pub(in crate::engine) fn wants_input(&self, shared: &EngineState) -> bool {
        !self.intake.is_at_end() && (!self.is_serving() || !self.is_held_back(shared))
    }

    /// Whether its stream has ended.
    pub(in crate::engine) fn is_at_end(&self) -> bool {
        self.intake.is_at_end()
    }

    /// Whether the reactor reads from it.
    pub(in crate::engine) fn is_reading(&self) -> bool {
        !self.intake.paused
    }

    pub(super) fn is_held_back(&self, shared: &EngineState) -> bool {
        let dialogue = &self.dialogue;
        if dialogue.transport().lossy {
            return self.intake.is_stalled();
        }
        // What a client says before its partner comes is kept for the partner.
        let keeps = || {
            dialogue.is_alone(shared) && self.intake.len() < dialogue.settings(shared).backlog_bytes_max
                || self.keeps_bursts_apart(shared)
        };
        (self.intake.is_stalled() && !keeps())
            || (dialogue.is_blocked() && dialogue.member_id().is_some())
            || dialogue.outbox.len() >= OUTBOX_BYTES_HIGH
            || (dialogue.is_blocked() && !dialogue.outbox.is_empty())
    }

    /// What the reactor must be told about reading from it, if that has changed. The reactor knows about the end of the stream
    /// itself.
    #[inline]
    pub(in crate::engine) fn change_reading(&mut self, shared: &EngineState, now: Timestamp) -> Option<bool> {
        let reading = self.wants_input(shared);
        if reading != std::mem::replace(&mut self.intake.paused, !reading) {
            return None;
        }
        if reading {
            self.intake.begin_again(now);
        }
        (!self.intake.is_at_end()).then_some(reading)
    }

    /// Whether its next message, or the rest of a list, waits for another turn.
    #[inline]
    pub(in crate::engine) fn gives_way(&self, shared: &EngineState) -> bool {
        self.intake.gives_way() || self.dialogue.tells_later(shared)
    }

    // ---- output

    /// The first `count` bytes of the outbox were sent.
    pub(in crate::engine) fn handle_sent(&mut self, shared: &mut EngineState, now: Timestamp, count: usize) {
        self.dialogue.handle_sent(shared, now, count);
    }

    /// Takes its messages from the room, unless it gets the room's log unchanged.
    pub(in crate::engine) fn hear_room(&mut self, shared: &mut EngineState) {
        self.dialogue.hear_room(shared);
    }

    /// Notes whether the kernel accepts bytes for it.
    pub(in crate::engine) fn set_blocked(&mut self, shared: &mut EngineState, now: Timestamp, blocked: bool) {
        if blocked && self.dialogue.is_blocked() {
            return self.dialogue.give_up_sending(shared, now);
        }
        self.dialogue.note_blocked(shared, now, blocked);
        if let Some(member_id) = self.member_id() {
            shared.room.set_blocked(member_id, blocked);
        }
    }

    /// Whether the outbox holds bytes that may be sent now.
    pub(in crate::engine) fn is_flushable(&self) -> bool {
        let Dialogue { sending, outbox, .. } = &self.dialogue;
        *sending == Sending::Free && !outbox.is_empty() && outbox.pause().is_none()
    }

    // ---- the engine's lists

    /// The lists that contain it.
    pub(in crate::engine) fn membership(&mut self) -> &mut Membership {
        &mut self.dialogue.membership
    }

    /// Whether it has messages, and room for their replies, and waits only for room in the chat's log.
    pub(in crate::engine) fn is_waiting_for_room(&self, shared: &EngineState) -> bool {
        self.intake.lacks_room()
            && self.member_id().is_some()
            && (self.dialogue.has_own_room(shared) || self.dialogue.transport().lossy)
            && (!self.dialogue.is_blocked() || self.dialogue.transport().lossy)
            && self.dialogue.paced_until(shared).is_none()
            && !shared.room.is_full()
    }
}

impl Dialogue {
    /// Whether services may handle more of its messages, while it is served.
    pub(super) fn has_room(&self, shared: &mut EngineState) -> bool {
        if matches!(self.phase, Phase::Withdrawn) || self.paced_until(shared).is_some() {
            return false;
        }
        let is_member = match self.state {
            State::Status(Some(_)) | State::Stats(Some(_)) | State::Page(Some(_)) | State::Ordered => {
                return false; // its requests are handled one after the other
            }
            State::Talk(Talk::Here(pair_end)) => {
                let max = super::talk::line_bytes_max(shared);
                return shared.talk.has_room(pair_end, max);
            }
            State::Talk(Talk::Coming | Talk::Meeting(_)) | State::Joining => return false,
            State::Chat(Ok(_)) if shared.room.fresh() >= ROOM_BURST_BYTES => return false,
            State::Chat(Ok(_)) => true,
            State::Chat(Err(_)) | State::Mux if self.must_give_way(shared) => return false,
            State::Outside
            | State::Multiply
            | State::Advised
            | State::Greeting
            | State::Chat(Err(_))
            | State::Plain(_)
            | State::Talk(Talk::Over)
            | State::Stats(None)
            | State::Status(None)
            | State::Watch(_)
            | State::Mux
            | State::Page(None)
            | State::Guarded(_)
            | State::Control => false,
        };
        if self.transport().lossy && self.is_blocked() {
            return true; // there is always room, because unread replies are dropped
        }
        self.has_own_room(shared) && !(is_member && self.is_blocked())
    }

    /// Whether its next message, a name, is for a later turn.
    pub(super) fn must_give_way(&self, shared: &EngineState) -> bool {
        let may_be_name = matches!(self.state, State::Chat(Err(_)))
            || matches!(self.state, State::Mux) && shared.settings.mux_default.facts().keeps == Keeps::OfRoom;
        may_be_name && shared.effort.is_over()
    }

    /// Whether its own queue is short enough.
    fn has_own_room(&self, shared: &EngineState) -> bool {
        self.own_room(shared) > 0
    }

    /// The number of bytes until enough wait in its own queue.
    #[inline]
    pub(super) fn own_room(&self, shared: &EngineState) -> usize {
        let max = OUTBOX_BYTES_HIGH.min(self.settings(shared).backlog_bytes_max);
        max.saturating_sub(self.outbox.len())
    }

    fn handle_sent(&mut self, shared: &mut EngineState, now: Timestamp, count: usize) {
        let encoding = self.encoding();
        let mut gap = self.gap(shared);
        if let Some(stop) = shared.stop.as_ref().filter(|_| encoding.is_paced()) {
            // A long paced queue must not outlast the grace period.
            gap = gap.min(stop.by.since(now) / (2 * (self.outbox.messages() as u32 + 1)));
        }
        self.outbox.sent(encoding, count, now, gap);
        if self.outbox.is_empty() {
            self.active = now;
        }
        self.report_held(shared);
        if let Phase::Draining(_, progress) = &mut self.phase {
            *progress = now;
        }
    }
    /// The pause between two messages for a client that gets each on its own.
    fn gap(&self, shared: &EngineState) -> Duration {
        let gap = self.settings(shared).raw_gap;
        if matches!(self.state, State::Chat(_) | State::Joining) { gap.min(ROOM_GAP) } else { gap }
    }

    /// Takes about `max` bytes of lines from the room.
    pub(super) fn take_lines(
        &mut self,
        shared: &mut EngineState,
        member_id: MemberId,
        encoding: Encoding,
        max: usize,
    ) {
        shared.room.take_lines(member_id, max, |line, is_private| {
            if is_private {
                self.outbox.mark_private();
            }
            self.outbox.say(encoding, line);
        });
    }

    fn hear_room(&mut self, shared: &mut EngineState) {
        let encoding = self.encoding();
        let Some(member_id) = self.member_id().filter(|_| encoding != Encoding::Lines && !self.is_blocked())
        else {
            return;
        };
        let now = shared.now;
        self.outbox.resume(now);
        let mut max = ROOM_QUEUE_BYTES;
        if encoding.is_paced() {
            let lag = shared.room.lag(member_id, !self.outbox.is_empty(), now);
            // The pauses that we make must not make a member too slow, nor keep lines in the log.
            if lag > CATCH_UP || shared.room.behind(member_id) > CATCH_UP_BYTES {
                max = READ_BYTES_MAX;
                self.outbox.join();
            }
        }
        let Some(room) = max.checked_sub(self.outbox.len()).filter(|room| *room > 0) else { return };
        self.take_lines(shared, member_id, encoding, room);
        if max == READ_BYTES_MAX {
            self.outbox.join(); // including the lines taken just now
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use crate::engine::Engine;
    use crate::engine::limits::Settings;
    use crate::engine::message::{Binding, ConnectionId, Input, Output, RemoteAddress, Timestamp, Transport};
    use crate::engine::record::{BindingOf, SavedLog, SavedSession};
    use crate::engine::service::Service;

    const PEER: ConnectionId = ConnectionId { index: 0, generation: 1 };
    const NOW: Timestamp = Timestamp::at(0);

    fn connected() -> (Engine, Rc<Binding>) {
        let mut engine = Engine::new(Settings::default());
        let binding = Rc::new(Binding {
            endpoint: "unix:/x".into(),
            service: Service::Multiply,
            transport: Transport::UNIX,
            allowed: None,
        });
        let remote = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };
        engine.handle(NOW, Input::Opened { peer: PEER, binding: &binding, remote });
        (engine, binding)
    }

    /// What the reactor is told about reading.
    fn told(engine: &mut Engine) -> Vec<bool> {
        let outputs = std::iter::from_fn(|| engine.poll_output());
        let told = outputs.filter_map(|output| match output {
            Output::Reading(PEER, reading) => Some(reading),
            _ => None,
        });
        told.collect()
    }

    #[test]
    fn a_peer_that_does_not_read_is_not_read_from_until_it_does() {
        let (mut engine, _) = connected();
        assert!(told(&mut engine).is_empty(), "a new one is read from without a word");
        engine.handle(NOW, Input::Bytes { peer: PEER, bytes: b"5 10\n3 4\n", more: false });
        assert!(told(&mut engine).is_empty());
        engine.handle(NOW, Input::Blocked { peer: PEER });
        engine.handle(NOW, Input::Blocked { peer: PEER });
        assert_eq!((told(&mut engine), engine.is_reading(PEER)), (vec![false], false), "once");
        let bytes = engine.outgoing(PEER).len();
        engine.handle(NOW, Input::Sent { peer: PEER, bytes });
        engine.handle(NOW, Input::Writable { peer: PEER });
        assert_eq!((told(&mut engine), engine.is_reading(PEER)), (vec![true], true));
        engine.handle(NOW, Input::EndOfFile { peer: PEER });
        assert_eq!((told(&mut engine), engine.is_reading(PEER)), (vec![], false), "the reactor has seen it");
    }

    #[test]
    fn one_whose_stream_ended_before_a_restart_is_not_read_from_again() {
        let (mut engine, binding) = connected();
        engine.handle(NOW, Input::Bytes { peer: PEER, bytes: b"5 10\n", more: false });
        engine.handle(NOW, Input::EndOfFile { peer: PEER });
        let (saved, _) = engine.sessions.get(PEER).unwrap().save(&engine.shared, 0).unwrap();
        let mut saved: SavedSession = serde_json::from_str(&serde_json::to_string(&saved).unwrap()).unwrap();
        saved.binding = BindingOf::Binding(binding);
        saved.outbox.fill(b"Data received\n50.0\n".to_vec());
        let mut next = Engine::new(Settings::default());
        next.restore(NOW, (Vec::new(), SavedLog::default()), vec![(PEER, saved)], Vec::new());
        assert_eq!((told(&mut next), next.is_reading(PEER)), (vec![false], false));
    }
}
