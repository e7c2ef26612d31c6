//! A burst of plain requests, answered in one pass: what is done for each message elsewhere is done once for all of them.

use super::Session;
use super::dialogue::{Dialogue, Heard, Phase, State};
use super::intake::Intake;
use crate::engine::EngineState;
use crate::engine::message::{FramingMode, Timestamp};
use crate::engine::service::burst::{Burst, Marks, Run};

impl Session {
    /// Answers received bytes into `out`, if they are plain requests and nothing else is to be done: nothing waits, and nothing
    /// changes but counts and a deadline, which only moves later. Returns whether they were answered.
    #[inline]
    pub(in crate::engine) fn answer_at_once(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        bytes: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        let Session { intake, dialogue, .. } = self;
        let marks = match dialogue.kind {
            Some(FramingMode::Line) if bytes.ends_with(b"\n") => Marks::Lines,
            Some(FramingMode::WebSocket) => Marks::Frames,
            _ => return false,
        };
        let is_at_rest = intake.is_at_rest() && dialogue.outbox.is_at_rest() && !dialogue.is_blocked();
        if !is_at_rest || shared.stop.is_some() {
            return false;
        }
        let Some(burst) = dialogue.burst(shared) else { return false };
        out.reserve((burst.reply_bytes)(marks, bytes.len()));
        let Run { taken, requests } = (burst.answer)(bytes, marks, dialogue.own_room(shared), out);
        if taken < bytes.len() || requests == 0 {
            out.clear();
            return false;
        }
        shared.counters.of_mut(dialogue.service()).bytes_in += bytes.len() as u64;
        dialogue.count_run(shared, now, requests);
        true
    }

    /// Queues replies that were to be sent from elsewhere.
    pub(in crate::engine) fn queue(&mut self, replies: &[u8]) {
        self.dialogue.outbox.push(replies);
    }

    /// Answers the plain requests in the frames that have just come, and drops them.
    pub(super) fn answer_frames(&mut self, shared: &mut EngineState, now: Timestamp, frames: &mut &[u8]) {
        let Session { intake, dialogue, .. } = self;
        if let Some(burst) = dialogue.burst(shared)
            && intake.is_empty()
            && intake.guess.is_nothing()
        {
            let taken = dialogue.answer_run(shared, now, burst, frames, Marks::Frames);
            if taken > 0 {
                intake.take(frames, taken);
            }
        }
    }
}

impl Dialogue {
    /// Answers the plain requests that come next.
    #[inline]
    pub(super) fn answer_lines(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        intake: &mut Intake,
        fresh: &mut &[u8],
    ) {
        if self.kind == Some(FramingMode::Line)
            && let Some(burst) = self.burst(shared)
            && let Some(bytes) = intake.in_one_piece(fresh)
        {
            let taken = self.answer_run(shared, now, burst, bytes, Marks::Lines);
            if taken > 0 {
                intake.take(fresh, taken);
            }
        }
    }

    /// Its service's pass over a burst, if no message has to be shown or counted separately.
    #[inline]
    fn burst(&self, shared: &EngineState) -> Option<&'static Burst> {
        if !matches!(self.state, State::Multiply | State::Plain(_)) {
            return None;
        }
        let burst = self.service().facts().burst.as_ref()?;
        let settings = self.settings(shared);
        let may_run = self.heard == Heard::Message
            && matches!(self.phase, Phase::Serving)
            && !self.transport().lossy
            && !shared.settings.report_messages
            && !shared.event_ring.has_subscribers()
            && settings.messages_per_second == 0
            && settings.message_bytes_max >= burst.request_bytes_max
            && !self.outbox.has_open_line();
        may_run.then_some(burst)
    }

    /// Answers the plain requests that `bytes` begin with, as many as there is room for; returns the number of their bytes.
    fn answer_run(
        &mut self,
        shared: &mut EngineState,
        now: Timestamp,
        burst: &Burst,
        bytes: &[u8],
        marks: Marks,
    ) -> usize {
        let room = self.own_room(shared);
        let out = self.outbox.end((burst.reply_bytes)(marks, bytes.len()));
        let Run { taken, requests } = (burst.answer)(bytes, marks, room, out);
        if requests > 0 {
            self.count_run(shared, now, requests);
        }
        taken
    }

    #[inline]
    fn count_run(&mut self, shared: &mut EngineState, now: Timestamp, requests: usize) {
        self.active = now;
        shared.counters.of_mut(self.service()).messages += requests as u64;
        self.count_requests(shared, requests);
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use crate::engine::Engine;
    use crate::engine::counters::ServiceCounters;
    use crate::engine::limits::Settings;
    use crate::engine::message::{Binding, ConnectionId, Input, RemoteAddress, Timestamp, Transport};
    use crate::engine::service::Service;

    const PEER: ConnectionId = ConnectionId { index: 0, generation: 1 };
    const NOW: Timestamp = Timestamp::at(0);
    const OPENING: &[u8] =
        b"GET /multiply HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

    fn settings(report_messages: bool, backlog_bytes_max: usize) -> Settings {
        let mut settings = Settings { report_messages, ..Settings::default() };
        settings.services[Service::Multiply as usize].backlog_bytes_max = backlog_bytes_max;
        settings
    }

    /// What a client of multiply hears that sends these pieces, and what was counted then.
    fn play(settings: Settings, transport: Transport, pieces: &[&[u8]]) -> (String, ServiceCounters) {
        let mut engine = Engine::new(settings);
        let service = if transport.is_web { Service::Page } else { Service::Multiply };
        let binding = Rc::new(Binding { endpoint: "x".into(), service, transport, allowed: None });
        let remote = RemoteAddress::Address("127.0.0.1:5".parse().unwrap());
        engine.handle(NOW, Input::Opened { peer: PEER, binding: &binding, remote });
        let mut heard = Vec::new();
        for bytes in pieces {
            if engine.is_reading(PEER) {
                engine.handle(NOW, Input::Bytes { peer: PEER, bytes, more: false });
            }
            while !engine.outgoing(PEER).is_empty() {
                let said = engine.outgoing(PEER).slices().concat();
                heard.extend_from_slice(&said);
                engine.handle(NOW, Input::Sent { peer: PEER, bytes: said.len() });
            }
            while engine.poll_event().is_some() {}
            while engine.poll_output().is_some() {}
        }
        (heard.escape_ascii().to_string(), *engine.counters().of(Service::Multiply))
    }

    /// A client's frame, whose mask is not 0.
    fn frame(text: &[u8]) -> Vec<u8> {
        const MASK: [u8; 4] = *b"abcd";
        let payload = text.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        [0x81, 0x80 | text.len() as u8].into_iter().chain(MASK).chain(payload).collect()
    }

    #[test]
    fn burst_is_answered_and_counted_like_its_messages_one_by_one() {
        let plain = ["5 10", "12 12", "999 1000", "12345678 1", "0 0", "5 10\r", "7 8"];
        let others = ["", "x", "1.5 2", "-7 300", "6 * 7", "1 / 0", "5", "99999999 99999999", "  ", "1 2 3"];
        let mut texts: Vec<&str> = plain.repeat(9);
        for (at, other) in others.iter().cycle().take(25).enumerate() {
            texts.insert(at * 67 % texts.len(), other);
        }
        let lines: Vec<u8> = texts.iter().flat_map(|text| [text.as_bytes(), b"\n"].concat()).collect();
        let frames: Vec<u8> = texts.iter().flat_map(|text| frame(text.as_bytes())).collect();
        for (transport, opening, burst) in
            [(Transport::TCP, &b"1 1\n"[..], &lines), (Transport::HTTP, OPENING, &frames)]
        {
            for backlog_bytes_max in [1, 100, 1 << 20] {
                for size in [1, 7, 100, burst.len()] {
                    let pieces: Vec<&[u8]> = [opening].into_iter().chain(burst.chunks(size)).collect();
                    let at_once = play(settings(false, backlog_bytes_max), transport, &pieces);
                    let one_by_one = play(settings(true, backlog_bytes_max), transport, &pieces);
                    assert_eq!(at_once, one_by_one, "{transport:?} {backlog_bytes_max} {size}");
                    assert!(at_once.1.messages > 80, "they were heard");
                }
            }
        }
    }
}
