//! What a peer receives, and the check of all of it once its connection is closed.

use std::time::Duration;

use ipcd::engine::limits::{FramingRule, Settings};
use ipcd::engine::message::{CloseReason, FramingMode, Timestamp};
use ipcd::engine::service::Service;
use ipcd::engine::service::facts::Conduct;

use super::Actor;
use super::behaviour::Reading;
use super::expect::{Arrival, Conversation, Outcome};
use super::words::{ACKNOWLEDGEMENT, THANKS};
use crate::room::Record;
use crate::totals::Totals;

/// What a raw client's recv() calls have returned so far.
#[derive(Default)]
pub struct Receiver {
    recvs: usize,
    /// Set if its buffer is too small for whole messages, or its service never sends two at a time.
    is_off: bool,
    /// When the last acknowledgement was written.
    acknowledged: Timestamp,
}

impl Actor {
    /// Notes a write of the reactor: a raw client that calls recv() in time gets it in one recv().
    pub fn note_written(
        &mut self,
        now: Timestamp,
        bytes: &[u8],
        whole: bool,
        gap: Option<Duration>,
        totals: &mut Totals,
    ) {
        let (framing, receiver) = (&self.framing, &mut self.receiver);
        let begins = receiver.recvs == 0 && !receiver.is_off;
        let is_paced =
            framing.raw && (framing.decided.is_some() || framing.rule == FramingRule::Raw || begins);
        let is_verified = matches!(self.conversation, Conversation::Replies(_));
        if !is_paced || framing.ambiguous || self.script.is_foreign || !is_verified {
            return;
        }
        let conduct = self.service.facts().conduct;
        receiver.is_off |= !whole
            || self.link.outbound_room < 4096
            || matches!(conduct, Conduct::Greeting | Conduct::Plain(_) | Conduct::Stats);
        let is_acknowledgement = receiver.recvs.is_multiple_of(2);
        if receiver.is_off || bytes.starts_with(b"Error: ") && is_acknowledgement {
            return;
        }
        let text = String::from_utf8_lossy(bytes);
        if is_acknowledgement {
            assert_eq!(text, ACKNOWLEDGEMENT, "{}: recv {}", self.who, receiver.recvs);
            receiver.acknowledged = now;
        } else {
            assert!(!text.contains(ACKNOWLEDGEMENT), "{}: one recv had two messages: {text:?}", self.who);
            if let Some(gap) = gap {
                let waited = now.since(receiver.acknowledged);
                assert!(waited >= gap, "{}: the result came after {waited:?}, not {gap:?}", self.who);
            }
        }
        receiver.recvs += 1;
        totals.count("raw recv verified");
    }

    /// A packet as the line that stands for it here.
    pub fn line_of(&self, packet: &[u8]) -> Vec<u8> {
        assert!(!packet.contains(&b'\n'), "{}: {}", self.who, packet.escape_ascii());
        let end: &[u8] = if packet == THANKS.trim_end().as_bytes() { b"\r\n" } else { b"\n" };
        [packet, end].concat()
    }

    pub fn receive(&mut self, max: usize) {
        let end_read = self.link.end_read;
        let bytes = self.link.receive(max);
        if bytes.is_empty() {
            return;
        }
        // Other kinds have such bytes around their messages.
        let is_text = matches!(
            self.framing.decided,
            None | Some(FramingMode::Line | FramingMode::Raw | FramingMode::Packet)
        );
        if !self.framing.raw && is_text {
            let forbidden =
                |byte: &u8| *byte < b' ' && !matches!(byte, b'\n' | b'\t' | b'\r') || *byte == 0x7f;
            assert!(!bytes.iter().any(forbidden), "{}: heard a control character", self.who);
        }
        if !self.framing.ambiguous {
            self.conversation.hear(bytes, &Arrival { taken: self.taken, end_read, who: &self.who });
        }
    }

    /// Compares all of its input with the manual, at its end. Returns what the room's log must have about it.
    pub fn judge(
        &mut self,
        seen: &[Settings],
        stop: Option<bool>,
        over: bool,
        totals: &mut Totals,
    ) -> Option<Record> {
        self.receive(usize::MAX);
        let reason = self.closed.expect("closed without a reason");
        let is_noise = matches!(self.conversation, Conversation::Noise);
        // Only an invalid length ends a connection like this.
        assert!(reason != CloseReason::PeerTooLong || is_noise, "{}", self.who);
        if reason == CloseReason::PeerNotReading && !self.is_on_packets() {
            let least = seen.iter().map(|settings| settings.send_timeout).min().expect("there are settings");
            assert!(self.blockage.longest >= least, "{}: it took something in time", self.who);
        }
        if reason == CloseReason::PeerSilent {
            self.judge_silence(seen);
        }
        if self.framing.ambiguous {
            totals.count("ambiguous");
            return None;
        }
        if !self.opened {
            assert!(reason.is_refusal(), "{}: never admitted, {reason:?}", self.who);
        }
        let conversation = std::mem::replace(&mut self.conversation, Conversation::Noise);
        conversation.verify(&self.outcome(reason, seen, stop, over), totals)
    }

    fn outcome(&self, reason: CloseReason, seen: &[Settings], stop: Option<bool>, over: bool) -> Outcome<'_> {
        let is_bare = self.framing.is_known_raw()
            && !matches!(self.service, Service::Status | Service::Watch)
            && !reason.is_refusal();
        let is_cut = self.link.failed || self.link.abandoned;
        Outcome {
            who: &self.who,
            service: self.service,
            framing: &self.framing,
            reason,
            complete: !is_cut && !self.words_lost && !over,
            is_cut,
            has_abandoned: self.link.abandoned,
            opened: self.opened,
            is_prompt: self.manner.reading == Reading::Promptly,
            stopped_fairly: stop == Some(true),
            sent: self.sent,
            sent_at_stop: self.sent_at_stop,
            taken_at_error: self.taken_at_error,
            last_words: self.last_words(reason, seen),
            lf: if is_bare { "" } else { "\n" },
        }
    }

    /// Checks a peer that was closed because its first message was missing: it had to send one, and has not.
    fn judge_silence(&self, seen: &[Settings]) {
        let is_set = seen.iter().any(|settings| settings.of(self.service).first_message_timeout.is_some());
        let waits = !matches!(self.service, Service::Chat | Service::Greeting);
        assert!(is_set && waits, "{}: nobody waited for its first message", self.who);
        assert_eq!(self.conversation.answered(), 0, "{}: it had sent a message", self.who);
    }
}
