//! Predictable replies to requests whose ends are known.

use std::collections::VecDeque;

use ipcd::engine::limits::FramingRule;
use ipcd::engine::message::CloseReason;

use super::super::words::ACKNOWLEDGEMENT;
use super::{Arrival, Outcome};
use crate::totals::Totals;

/// A reply, and the end of its request in the peer's output.
struct Reply {
    /// `#` is any number in the error for an overlong message: the limit may have changed.
    text: Vec<u8>,
    ends: u64,
    is_overlong: bool,
}

impl Reply {
    /// Checks it when it was received completely.
    fn check_time(&self, arrival: &Arrival<'_>) {
        // A message is known to be too long before its end.
        let is_due = self.ends <= arrival.taken + u64::from(arrival.end_read);
        assert!(is_due || self.is_overlong, "{}: a reply before its request", arrival.who);
    }
}

#[derive(Default)]
pub struct Replies {
    expected: VecDeque<Reply>,
    /// The end of the last request.
    ends: u64,
    /// Bytes received of the first expected reply.
    at: usize,
    answered: usize,
    /// The last message, after the replies.
    tail: Vec<u8>,
}

impl Replies {
    /// The next `bytes` bytes are a request with this reply.
    pub fn expect(&mut self, bytes: usize, text: impl Into<Vec<u8>>) {
        self.ends += bytes as u64;
        self.expected.push_back(Reply { text: text.into(), ends: self.ends, is_overlong: false });
    }

    /// The next `bytes` bytes are an overlong message.
    pub fn expect_overlong(&mut self, bytes: usize, text: impl Into<Vec<u8>>) {
        self.expect(bytes, text);
        self.expected.back_mut().expect("it was just added").is_overlong = true;
    }

    /// The next `bytes` bytes get no reply.
    pub fn expect_nothing(&mut self, bytes: usize) {
        self.ends += bytes as u64;
    }

    /// All replies so far may come before their requests.
    pub fn expect_at_once(&mut self) {
        self.expected.iter_mut().for_each(|reply| reply.ends = 0);
    }

    pub fn answered(&self) -> usize {
        self.answered
    }

    /// Whether all requests in the first `sent` bytes have their replies.
    pub fn is_content(&self, sent: u64) -> bool {
        self.expected.front().is_none_or(|reply| reply.ends > sent)
    }

    pub fn hear(&mut self, bytes: &[u8], arrival: &Arrival<'_>) {
        let mut rest = bytes;
        // Most of it matches, reply by reply.
        while self.tail.is_empty()
            && let Some(reply) = self.expected.front()
            && let Some(after) = rest.strip_prefix(&reply.text[self.at..])
        {
            self.take_reply(arrival);
            rest = after;
        }
        rest.iter().for_each(|byte| self.hear_byte(*byte, arrival));
    }

    fn take_reply(&mut self, arrival: &Arrival<'_>) {
        self.expected.pop_front().expect("a reply was heard").check_time(arrival);
        (self.at, self.answered) = (0, self.answered + 1);
    }

    fn hear_byte(&mut self, byte: u8, arrival: &Arrival<'_>) {
        match self.expected.front().filter(|_| self.tail.is_empty()) {
            Some(reply) if reply.text[self.at] == b'#' && byte.is_ascii_digit() => {}
            Some(reply) if reply.text[self.at] == b'#' && byte == b' ' => self.at += 2,
            Some(reply) if reply.text[self.at] == byte => {
                self.at += 1;
                if self.at == reply.text.len() {
                    self.take_reply(arrival);
                }
            }
            // Two errors may begin alike.
            Some(reply) => {
                let begun = &reply.text[..self.at];
                if let Some(error) = begun.windows(7).position(|window| window == b"Error: ") {
                    self.tail.extend(&begun[error..]);
                    self.at = error;
                }
                self.tail.push(byte);
            }
            _ => self.tail.push(byte),
        }
    }

    pub fn verify(mut self, outcome: &Outcome<'_>, totals: &mut Totals) {
        self.check_last_words(outcome);
        self.check_nothing_is_missing(outcome);
        let answered = self.answered as u64;
        totals.add("requests verified", answered);
        if outcome.complete && outcome.reason == CloseReason::PeerClosed {
            totals.add("requests verified to the end of file", answered);
        }
        if outcome.complete
            && outcome.reason == CloseReason::Stopping
            && outcome.stopped_fairly
            && outcome.is_prompt
        {
            totals.add("answered after stop", answered);
        }
    }

    fn check_last_words(&mut self, outcome: &Outcome<'_>) {
        let Outcome { who, reason, complete, .. } = outcome;
        let words = outcome.ended_last_words();
        let acknowledged = ACKNOWLEDGEMENT.len()..=ACKNOWLEDGEMENT.len() + 1;
        let is_acknowledged = self.answered == 0 && acknowledged.contains(&self.at);
        assert!(
            !complete || self.at == 0 || (is_acknowledged && outcome.framing.rule == FramingRule::Auto),
            "{who}: {reason:?} in the middle of a reply, after {} bytes of {:?}; then {:?}",
            self.at,
            self.next(),
            String::from_utf8_lossy(&self.tail)
        );
        // An acknowledgement that was sent before the kind was known ends with LF before the last message.
        if self.at == ACKNOWLEDGEMENT.len() && outcome.framing.raw && self.tail.first() == Some(&b'\n') {
            self.tail.remove(0);
        }
        let fits = |words: &String| match complete {
            true => words.as_bytes() == self.tail,
            false => words.as_bytes().starts_with(&self.tail),
        };
        assert!(
            words.iter().any(fits),
            "{who}: {reason:?}: last words {:?}, not {words:?}; {} answered, next {:?}",
            String::from_utf8_lossy(&self.tail),
            self.answered,
            self.next(),
        );
    }

    fn check_nothing_is_missing(&self, outcome: &Outcome<'_>) {
        let due = due(outcome);
        let missing = self.expected.front().filter(|reply| reply.ends <= due && outcome.opened);
        if let (true, Some(reply)) = (outcome.complete, missing) {
            panic!(
                "{}: {:?}, and no answer after {}: {:?} for the request that ends at byte {} of {due}",
                outcome.who,
                outcome.reason,
                self.answered,
                String::from_utf8_lossy(&reply.text),
                reply.ends
            );
        }
    }

    /// The text of the next reply.
    fn next(&self) -> Option<String> {
        self.expected.front().map(|reply| String::from_utf8_lossy(&reply.text).into_owned())
    }
}

/// The position up to which requests must have been answered.
fn due(outcome: &Outcome<'_>) -> u64 {
    let is_known = outcome.framing.is_known();
    match outcome.reason {
        // Bursts without a pause delay the decision, and with it the first reply.
        CloseReason::PeerIdle | CloseReason::PeerSilent | CloseReason::PeerUnfinished if !is_known => 0,
        CloseReason::PeerIdle | CloseReason::PeerSilent | CloseReason::PeerUnfinished => {
            outcome.taken_at_error
        }
        CloseReason::PeerClosed => outcome.sent + 1, // the end counts as an LF
        CloseReason::PeerWrongProtocol(_) | CloseReason::Served => outcome.sent,
        // A line that may be unfinished is not a request yet.
        CloseReason::Stopping if outcome.stopped_fairly && outcome.is_prompt && is_known => {
            outcome.sent_at_stop
        }
        _ => 0,
    }
}
