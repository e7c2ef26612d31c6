//! The timeouts of a session, and their effects.

use std::time::Duration;

use super::Session;
use super::dialogue::{Dialogue, Heard, Phase, Sending, State};
use super::intake::Burst;
use crate::engine::codec::shape;
use crate::engine::limits::{LAST_WORDS, READ_BYTES_MAX};
use crate::engine::message::{CloseReason, Timestamp};
use crate::engine::service::facts::{First, Idle};
use crate::engine::wrong_protocol::{self, Guess};
use crate::engine::{EngineState, words};

/// A peer is not late during this many full reads in a row without a message.
const FULL_READS_MAX: usize = 1024;

fn earliest<const COUNT: usize>(deadlines: [Option<Timestamp>; COUNT]) -> Option<Timestamp> {
    let mut first: Option<Timestamp> = None;
    for deadline in deadlines {
        if let Some(at) = deadline
            && first.is_none_or(|first| at < first)
        {
            first = deadline;
        }
    }
    first
}

impl Session {
    /// When it must be handled even if nothing happens.
    pub(in crate::engine) fn deadline(&self, shared: &EngineState) -> Option<Timestamp> {
        let Dialogue { outbox, phase, .. } = &self.dialogue;
        match *phase {
            Phase::Serving | Phase::Withdrawn => earliest([
                self.framing_deadline(),
                outbox.pause(),
                self.pace_deadline(shared),
                self.dialogue.unread_deadline(shared),
                self.unfinished_deadline(shared),
                self.nameless_deadline(shared),
                self.first_message_deadline(shared),
                self.idle_deadline(shared),
                self.watched_deadline(shared),
            ]),
            Phase::Draining(..) => {
                let drained_by = self.dialogue.draining_deadline(shared);
                let drained_by = drained_by.filter(|_| self.dialogue.sending != Sending::Retried);
                earliest([outbox.pause(), drained_by])
            }
            Phase::AwaitingReset(_, until) | Phase::Lingering(_, until) => Some(until),
        }
    }

    /// When a pause decides the framing. While a burst goes on, there is no such time.
    fn framing_deadline(&self) -> Option<Timestamp> {
        self.intake.guess.deadline().filter(|_| !self.intake.goes_on())
    }

    /// Whether the kernel has the rest of a burst, which will be read: then the peer is not late, unless it has sent more than any
    /// message may have.
    fn is_in_burst(&self, shared: &EngineState) -> bool {
        let Burst::GoesOn { full_reads } = self.intake.burst() else { return false };
        let reads_max =
            FULL_READS_MAX + 2 * (self.dialogue.settings(shared).message_bytes_max / READ_BYTES_MAX);
        usize::from(full_reads) <= reads_max && !self.is_held_back(shared)
    }

    #[inline]
    pub(super) fn unfinished_deadline(&self, shared: &EngineState) -> Option<Timestamp> {
        let begun = self.intake.begun()?;
        // Messages that wait for room are whole: their sender is not late while we read on.
        let waits = self.intake.is_stalled() || self.is_held_back(shared);
        // Nor is it late while the kernel has more of the message, unless it sends without end.
        let goes_on = match self.intake.is_skipping() {
            true => self.is_in_burst(shared),
            false => self.intake.goes_on(),
        };
        (!goes_on && !waits).then(|| begun + self.dialogue.settings(shared).message_timeout)
    }

    pub(super) fn nameless_deadline(&self, shared: &EngineState) -> Option<Timestamp> {
        let State::Chat(Err(since)) = self.dialogue.state else { return None };
        (!self.is_in_burst(shared)).then(|| since + shared.settings.chat_name_timeout)
    }

    pub(super) fn first_message_deadline(&self, shared: &EngineState) -> Option<Timestamp> {
        if self.dialogue.heard == Heard::Message {
            return None;
        }
        let service = self.dialogue.service();
        let timeout = shared.settings.of(service).first_message_timeout?;
        if service.facts().first != First::Message {
            return None; // another deadline applies
        }
        // It is not late if it waits for room, for a partner, or for a line end that may follow.
        let waits = self.intake.is_stalled()
            || self.is_in_burst(shared)
            || self.is_held_back(shared)
            || self.intake.guess.holds_request();
        (!waits).then(|| self.dialogue.opened + timeout)
    }

    pub(super) fn idle_deadline(&self, shared: &EngineState) -> Option<Timestamp> {
        if self.dialogue.transport().is_standing() || self.is_in_burst(shared) {
            return None;
        }
        let is_quiet = self.dialogue.outbox.is_empty() && !self.intake.is_stalled();
        let service = self.dialogue.service();
        let waits = match service.facts().idle {
            Idle::Never => false,
            // It may have sent something already, which also waits.
            Idle::Alone => self.dialogue.is_alone(shared),
            Idle::Silent => is_quiet && !self.dialogue.is_listening(),
        };
        if waits { Some(self.dialogue.active + shared.settings.of(service).idle_timeout) } else { None }
    }

    /// Handles the deadlines that have passed.
    pub(in crate::engine) fn handle_time(&mut self, shared: &mut EngineState, now: Timestamp) {
        let is_due = |deadline: Option<Timestamp>| deadline.is_some_and(|deadline| deadline <= now);
        self.dialogue.outbox.resume(now);
        if let Phase::Draining(reason, _) = self.dialogue.phase
            && is_due(self.dialogue.draining_deadline(shared))
        {
            if self.dialogue.is_blocked() && self.is_lossy() {
                self.dialogue.outbox.clear();
            } else if self.dialogue.is_blocked() {
                self.dialogue.retry();
            } else {
                self.dialogue.phase = Phase::Draining(reason, now); // the delay was not the peer's
            }
        }
        if !self.is_serving() {
            return;
        }
        if is_due(self.dialogue.unread_deadline(shared)) {
            self.dialogue.retry();
        }
        self.resume(shared, now); // its rate limit may allow another message now
        if !self.is_serving() {
            return;
        }
        if is_due(self.dialogue.silence_deadline(shared)) {
            self.dialogue.hint_at_silence(shared);
        }
        if is_due(self.waiting_deadline(shared)) {
            self.hint_at_waiting(shared);
        }
        if is_due(self.framing_deadline()) {
            let has_own_hint = shape::is_behind_blank(self.intake.bytes());
            if !self.intake.guess.holds_request()
                && wrong_protocol::look(self.intake.bytes()) == Guess::No
                && !has_own_hint
            {
                self.hint_at_pause(shared);
            }
            self.end_guessing(shared, now);
        } else if is_due(self.unfinished_deadline(shared)) {
            let error = format!(
                "message not finished after {}",
                seconds(self.dialogue.settings(shared).message_timeout)
            );
            if self.dialogue.transport().many_writers {
                return self.drop_fragment(shared, error);
            }
            self.hint_at_fragment(shared);
            self.give_up(shared, now, CloseReason::PeerUnfinished, error);
        } else if is_due(self.nameless_deadline(shared)) {
            let what = if self.dialogue.is_asked(shared) { "passphrase" } else { "name" };
            let error = format!("no {what} for {}", seconds(shared.settings.chat_name_timeout));
            self.give_up(shared, now, CloseReason::PeerNameless, error);
        } else if is_due(self.first_message_deadline(shared)) {
            let timeout = self.dialogue.settings(shared).first_message_timeout.unwrap_or_default();
            self.hint_at_fragment(shared);
            let error = format!("no message for {}", seconds(timeout));
            self.give_up(shared, now, CloseReason::PeerSilent, error);
        } else if is_due(self.idle_deadline(shared)) {
            let error = words::idle(seconds(self.dialogue.settings(shared).idle_timeout));
            self.give_up(shared, now, CloseReason::PeerIdle, error);
        }
    }

    /// Handles a timeout. If its last message was too long and may have ended, it gets that error first.
    fn give_up(&mut self, shared: &mut EngineState, now: Timestamp, reason: CloseReason, error: String) {
        self.give_up_overlong(shared, now);
        self.dialogue.fail_request(shared, now, reason, error, self.intake.bytes());
    }
}

impl Dialogue {
    /// Whether it is receiving a reply, and so need not send anything.
    fn is_listening(&self) -> bool {
        matches!(self.state, State::Status(Some(_)) | State::Watch(Some(_)))
    }

    /// By when the peer of a closing connection must have read something.
    fn draining_deadline(&self, shared: &EngineState) -> Option<Timestamp> {
        let Phase::Draining(reason, progress) = self.phase else { return None };
        Some(match reason {
            _ if self.transport().lossy => progress + LAST_WORDS, // a missing reader is allowed
            _ if reason.is_refusal() || reason.is_too_slow() => progress + shared.settings.linger,
            // The time in which it accepted nothing before closing counts too.
            _ => self.unread_since(shared).unwrap_or(progress) + shared.settings.send_timeout,
        })
    }
}

/// `300 s`, `0.5 s`.
pub(super) fn seconds(span: Duration) -> String {
    format!("{} s", span.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::engine::Engine;
    use crate::engine::limits::Settings;
    use crate::engine::message::{Binding, ConnectionId, Input, Output, RemoteAddress, Transport};
    use crate::engine::service::Service;

    const PEER: ConnectionId = ConnectionId { index: 0, generation: 1 };

    /// An engine with one client, which has connected at time 0.
    fn connected_to(service: Service) -> Engine {
        let mut engine = Engine::new(Settings::default());
        let binding =
            Binding { endpoint: "unix:/x".into(), service, transport: Transport::UNIX, allowed: None };
        let remote = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };
        engine.handle(Timestamp::at(0), Input::Opened { peer: PEER, binding: &Rc::new(binding), remote });
        told(&mut engine, Timestamp::at(0));
        engine
    }

    /// Takes all output for it.
    fn told(engine: &mut Engine, now: Timestamp) -> String {
        let mut told = Vec::new();
        while let Some(output) = engine.poll_output() {
            assert_eq!(output, Output::Flush(PEER));
            let bytes = engine.outgoing(PEER).slices().concat();
            engine.handle(now, Input::Sent { peer: PEER, bytes: bytes.len() });
            told.extend(bytes);
        }
        String::from_utf8(told).unwrap()
    }

    #[test]
    fn peer_timeouts_pause_while_the_daemon_still_reads_a_burst() {
        let mut engine = connected_to(Service::Multiply);
        engine.handle(Timestamp::at(1), Input::Bytes { peer: PEER, bytes: b"5 1", more: true });
        let late = Timestamp::at(2) + 2 * Settings::default().of(Service::Multiply).message_timeout;
        engine.handle(late, Input::Tick);
        assert!(engine.outgoing(PEER).is_empty(), "the rest has come, but was not read");
        engine.handle(late, Input::Bytes { peer: PEER, bytes: b"0\n", more: false });
        assert_eq!(engine.outgoing(PEER).slices(), [b"Data received\n50.0\n"]);
    }

    #[test]
    fn burst_that_ends_within_a_message_is_acknowledged_at_once() {
        for (transport, bursts) in [
            (Transport::TCP, &[("5 10\n", false), ("5 1", true), ("0", true), ("\n3 4\n", false)][..]),
            (Transport::TCP, &[("5 1", true)]),
            (Transport::UNIX, &[("5 10\n", false), ("5 1", false)]),
        ] {
            let mut engine = Engine::new(Settings::default());
            let service = Service::Multiply;
            let binding = Binding { endpoint: "x".into(), service, transport, allowed: None };
            let remote = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };
            engine.handle(Timestamp::at(0), Input::Opened { peer: PEER, binding: &Rc::new(binding), remote });
            for (burst, expected) in bursts {
                engine.handle(
                    Timestamp::at(1),
                    Input::Bytes { peer: PEER, bytes: burst.as_bytes(), more: false },
                );
                let outputs = std::iter::from_fn(|| engine.poll_urgent()).collect::<Vec<_>>();
                assert_eq!(outputs.contains(&Output::Acknowledge(PEER)), *expected, "{burst:?} {outputs:?}");
                let sent = engine.outgoing(PEER).len();
                engine.handle(Timestamp::at(1), Input::Sent { peer: PEER, bytes: sent });
            }
        }
    }

    #[test]
    fn endless_blank_lines_count_as_idle() {
        let mut engine = connected_to(Service::Chat);
        let late = Timestamp::at(1) + Settings::default().chat_name_timeout;
        for _ in 0..=FULL_READS_MAX + 2 {
            engine.handle(late, Input::Bytes { peer: PEER, bytes: b"\n \n ", more: true });
            engine.handle(late, Input::Tick);
        }
        let bytes = engine.outgoing(PEER).slices().concat();
        assert_eq!(bytes.escape_ascii().to_string(), "Error: no name for 60 s\\n");
    }
}
