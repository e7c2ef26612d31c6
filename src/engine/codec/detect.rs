//! Which kind of client this is: one that ends its messages with LF, or one whose every send() is a message.
//! Knows bursts and time, and no meaning of a message.
//!
//! | what has come | kind |
//! |---|---|
//! | an LF, or the end of the stream | line: all bytes so far, joined |
//! | no LF, complete, and then `raw_gap` of silence | raw |
//! | the same, but typed (single bytes with pauses between them), and then 1 s of silence | raw |
//! | no LF, not complete, and then 1 s of silence, or 5 s if typed | raw: a mistake gets its error |
//!
//! Bursts less than `raw_gap` apart belong together. Until one of these rows applies, the kind is unknown.

use std::time::Duration;

use memchr::memchr;
use serde::{Deserialize, Serialize};
use thin_vec::ThinVec;

use super::rest::Rest;
use super::saved;
use super::telnet::Telnet;
use super::websocket::Frames;
use crate::engine::limits::{FramingRule, GUESS, TYPIST};
use crate::engine::message::{FramingMode, Timestamp};

/// What must be remembered in addition to the waiting bytes: what the first bursts showed, while the kind of client is not known; the
/// options of a Telnet client; a WebSocket client's unfinished frame; or where the rest of an overlong message ends.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(from = "saved::Guess<State>")]
pub struct Guess(Option<Box<State>>); // an idle connection has none

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum State {
    Bursts(Bursts),
    Telnet(Telnet),
    Rest(Rest),
    Frames(Frames),
}

/// The bursts so far, while they do not show the kind of client.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Bursts {
    /// The time of the last one.
    last: Timestamp,
    /// The time at which silence decides, if nothing follows.
    until: Timestamp,
    /// Where each one ends, counted in all bytes so far.
    cuts: Vec<Cut>,
    /// Whether the bytes are one complete request, or several.
    is_complete: bool,
    /// Whether all were single bytes with pauses between them: somebody is probably typing.
    is_typed: bool,
}

/// The end of a burst.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Cut {
    end: u32, // no message is longer than a u32 can hold
    /// Whether it came less than `raw_gap` after the one before.
    is_close: bool,
}

/// Memory that a burst takes while the kind is not known.
pub const BURST_BYTES: usize = size_of::<Cut>();

impl From<saved::Guess<State>> for Guess {
    fn from(saved: saved::Guess<State>) -> Guess {
        let (until, cuts, is_complete, is_typed) = match saved {
            saved::Guess::Now(state) => return Guess(state),
            saved::Guess::Old(saved::State::OneByte(until)) => (until, Vec::new(), true, true),
            saved::Guess::Old(saved::State::Gap { until, cuts }) => (until, cuts, true, false),
            saved::Guess::Old(saved::State::LikelyLine(until)) => (until, Vec::new(), false, false),
        };
        let cuts = cuts.into_iter().map(|end| Cut { end, is_close: true }).collect();
        Guess(Some(Box::new(State::Bursts(Bursts { last: until, until, cuts, is_complete, is_typed }))))
    }
}

/// What the first bursts show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The kind is known.
    Is(FramingMode),
    /// Wait; the bytes so far have just become a complete request.
    WaitComplete,
    /// Wait.
    Wait,
}

/// What some programs put in front of their first message (RFC 3629, section 6).
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether the bytes are the beginning of a byte order mark, and not yet all of it.
pub fn is_part_of_mark(bytes: &[u8]) -> bool {
    bytes.len() < BYTE_ORDER_MARK.len() && BYTE_ORDER_MARK.starts_with(bytes)
}

/// The kind of client that the configuration prescribes.
pub fn kind_of(rule: FramingRule) -> Option<FramingMode> {
    match rule {
        FramingRule::Auto => None,
        FramingRule::Line => Some(FramingMode::Line),
        FramingRule::Raw => Some(FramingMode::Raw),
        FramingRule::C => Some(FramingMode::C),
        FramingRule::Telnet => Some(FramingMode::Telnet),
    }
}

impl Guess {
    fn bursts(&self) -> Option<&Bursts> {
        match self.0.as_deref() {
            Some(State::Bursts(bursts)) => Some(bursts),
            Some(State::Telnet(_) | State::Rest(_) | State::Frames(_)) | None => None,
        }
    }

    /// When a pause decides.
    pub fn deadline(&self) -> Option<Timestamp> {
        match self.0.as_deref()? {
            State::Bursts(bursts) => Some(bursts.until),
            State::Rest(Rest::Pause { ends, .. }) => Some(*ends),
            State::Rest(Rest::Length { .. }) | State::Telnet(_) | State::Frames(_) => None,
        }
    }

    /// Its memory in addition to its own size, in bytes.
    pub fn held_bytes(&self) -> usize {
        match self.0.as_deref() {
            Some(State::Bursts(bursts)) => size_of::<State>() + bursts.cuts.capacity() * size_of::<Cut>(),
            Some(State::Frames(frames)) => size_of::<State>() + frames.held_bytes(),
            Some(State::Telnet(_) | State::Rest(_)) => size_of::<State>(),
            None => 0,
        }
    }

    /// Whether there is nothing to remember.
    pub fn is_nothing(&self) -> bool {
        self.0.is_none()
    }

    /// Whether the bytes may be a complete request that waits for the decision, or an overlong one whose error waits for its end.
    pub fn holds_request(&self) -> bool {
        self.bursts().is_some_and(|bursts| bursts.is_complete) || self.ends_with_pause()
    }

    /// Whether it is a complete request that was not typed.
    pub fn is_gap(&self) -> bool {
        self.bursts().is_some_and(|bursts| bursts.is_complete && !bursts.is_typed)
    }

    /// Whether somebody seems to be typing.
    pub fn is_typed(&self) -> bool {
        self.bursts().is_some_and(|bursts| bursts.is_typed)
    }

    /// The number of sends so far; 1 if somebody is typing.
    pub fn sends(&self) -> usize {
        self.bursts().filter(|bursts| !bursts.is_typed).map_or(1, |bursts| bursts.cuts.len())
    }

    /// Whether this guess is possible for a connection with this many waiting bytes.
    pub fn is_sound(&self, inbox_bytes: usize) -> bool {
        match self.0.as_deref() {
            Some(State::Bursts(bursts)) => {
                bursts.cuts.is_sorted_by_key(|cut| cut.end)
                    && bursts.cuts.last().is_none_or(|cut| cut.end as usize <= inbox_bytes)
            }
            Some(State::Frames(frames)) => frames.is_sound(inbox_bytes),
            Some(State::Rest(_) | State::Telnet(_)) | None => true,
        }
    }

    /// The options of a Telnet client, if it is one.
    pub fn telnet(&mut self) -> Option<&mut Telnet> {
        match self.0.as_deref_mut() {
            Some(State::Telnet(telnet)) => Some(telnet),
            Some(State::Bursts(_) | State::Rest(_) | State::Frames(_)) | None => None,
        }
    }

    /// Takes a WebSocket client's unfinished frame, to be given [back](Self::keep_frames).
    pub fn take_frames(&mut self) -> Frames {
        match self.0.take().map(|state| *state) {
            Some(State::Frames(frames)) => frames,
            _ => Frames::default(),
        }
    }

    /// For an unfinished frame: whether it began in the last read, after the end of another.
    pub fn unfinished_frames(&self) -> Option<bool> {
        match self.0.as_deref() {
            Some(State::Frames(frames)) if frames.end().is_none() => Some(frames.has_ended_one()),
            _ => None,
        }
    }

    /// Whether its input may have ended before its stream: the client signals that itself.
    pub fn signals_its_end(&self) -> bool {
        match self.0.as_deref() {
            Some(State::Telnet(_)) => true,
            Some(State::Frames(frames)) => frames.end().is_some(),
            Some(State::Bursts(_) | State::Rest(_)) | None => false,
        }
    }

    /// How a WebSocket client's frames ended, if they have: a close code, and what was wrong.
    pub fn end_of_frames(&self) -> Option<(u16, Option<&str>)> {
        match self.0.as_deref()? {
            State::Frames(frames) => frames.end(),
            _ => None,
        }
    }

    /// Keeps the unfinished frame for the next bytes.
    pub fn keep_frames(&mut self, frames: Frames) {
        self.0 = (!frames.is_idle()).then(|| Box::new(State::Frames(frames)));
    }

    /// Notes that it is a Telnet client.
    pub fn be_telnet(&mut self) {
        self.0 = Some(Box::new(State::Telnet(Telnet::default())));
    }

    /// Forgets the first bursts, because the kind is known.
    pub fn settle(&mut self) {
        if self.bursts().is_some() {
            self.0 = None;
        }
    }

    /// Sets that an overlong message ends after this much silence.
    pub fn end_with_pause(&mut self, now: Timestamp, silence: Duration) {
        self.0 = Some(Box::new(State::Rest(Rest::Pause { ends: now + silence, silence })));
    }

    /// Sets that an overlong message ends after this many more bytes.
    pub fn end_behind(&mut self, left: u32) {
        self.0 = Some(Box::new(State::Rest(Rest::Length { left })));
    }

    /// Whether a pause ends an overlong message.
    pub fn ends_with_pause(&self) -> bool {
        matches!(self.0.as_deref(), Some(State::Rest(Rest::Pause { .. })))
    }

    /// Restarts that pause, because more of the message has come.
    pub fn put_off(&mut self, now: Timestamp) {
        if let Some(State::Rest(Rest::Pause { ends, silence })) = self.0.as_deref_mut() {
            *ends = now + *silence;
        }
    }

    /// The number of its bytes still to come, if a length announced it.
    pub fn left(&mut self) -> Option<&mut u32> {
        match self.0.as_deref_mut() {
            Some(State::Rest(Rest::Length { left })) => Some(left),
            _ => None,
        }
    }

    /// Ends that message. Returns whether only a pause could end it.
    pub fn end_rest(&mut self) -> bool {
        let had_pause = self.ends_with_pause();
        if let Some(State::Rest(_)) = self.0.as_deref() {
            self.0 = None;
        }
        had_pause
    }

    /// Handles the end of a burst. `bytes`: all bytes since the connection opened, at least one. `is_complete` tells whether bytes
    /// are a complete request of the service.
    pub fn handle_burst(
        &mut self,
        now: Timestamp,
        raw_gap: Duration,
        bytes: &[u8],
        is_complete: impl Fn(&[u8]) -> bool,
    ) -> Decision {
        if memchr(b'\n', bytes).is_some() {
            return Decision::Is(FramingMode::Line);
        }
        let bursts = self.add(now, raw_gap, bytes);
        let is_whole = is_complete(bytes);
        let was_complete = bursts.is_complete;
        bursts.is_complete = is_whole || !bursts.is_typed && bursts.is_row(bytes, &is_complete);
        let silence = match (bursts.is_complete, bursts.is_typed) {
            (true, false) => raw_gap,
            (true, true) | (false, false) => GUESS,
            (false, true) => TYPIST,
        };
        bursts.until = now + silence;
        match is_whole && !was_complete {
            true => Decision::WaitComplete,
            false => Decision::Wait,
        }
    }

    /// Handles the end of a burst that does not look like text: this much silence decides.
    pub fn handle_unclear(&mut self, now: Timestamp, raw_gap: Duration, bytes: &[u8], silence: Duration) {
        let bursts = self.add(now, raw_gap, bytes);
        bursts.is_complete = false;
        bursts.until = now + if bursts.is_typed { silence.max(TYPIST) } else { silence };
    }

    fn add(&mut self, now: Timestamp, raw_gap: Duration, bytes: &[u8]) -> &mut Bursts {
        let fresh = || State::Bursts(Bursts::new(now));
        let state = self.0.get_or_insert_with(|| Box::new(fresh()));
        if !matches!(**state, State::Bursts(_)) {
            **state = fresh();
        }
        let State::Bursts(bursts) = &mut **state else { unreachable!("it was just set") };
        bursts.add(now, raw_gap, bytes.len());
        bursts
    }

    /// Handles a pause that was long enough: the client is raw. Separates its messages in `bytes` with LFs.
    pub fn handle_silence(&mut self, bytes: &mut ThinVec<u8>, is_complete: impl Fn(&[u8]) -> bool) {
        if let Some(State::Bursts(bursts)) = self.0.take().as_deref() {
            bursts.mark(bytes, is_complete);
        }
    }
}

impl Bursts {
    fn new(now: Timestamp) -> Bursts {
        Bursts { last: now, until: now, cuts: Vec::new(), is_complete: false, is_typed: true }
    }

    fn add(&mut self, now: Timestamp, raw_gap: Duration, end: usize) {
        let begin = self.cuts.last().map_or(0, |cut| cut.end as usize);
        if begin < end {
            let is_close = begin > 0 && now.since(self.last) < raw_gap;
            self.is_typed &= end - begin == 1 && !is_close;
            self.cuts.push(Cut { end: end as u32, is_close });
        }
        self.last = now;
    }

    /// Groups of bursts that belong together, each with the start of its bytes.
    fn groups(&self) -> impl Iterator<Item = (usize, &[Cut])> {
        let mut from = 0;
        self.cuts.chunk_by(|_, next| next.is_close).map(move |cuts| {
            let begin = from;
            from = cuts[cuts.len() - 1].end as usize;
            (begin, cuts)
        })
    }

    /// Whether the bytes are several complete requests, each from one burst or one group.
    fn is_row(&self, bytes: &[u8], is_complete: impl Fn(&[u8]) -> bool) -> bool {
        self.groups().all(|(from, cuts)| {
            let end = cuts[cuts.len() - 1].end as usize;
            is_complete(&bytes[from..end]) || is_each(from, cuts, bytes, &is_complete)
        })
    }

    fn mark(&self, bytes: &mut ThinVec<u8>, is_complete: impl Fn(&[u8]) -> bool) {
        // Typed bytes are one message, and so are bytes that are complete only as a whole.
        if self.is_typed || self.cuts.len() < 2 || !self.is_row(bytes, &is_complete) {
            return;
        }
        let mut marked = ThinVec::with_capacity(bytes.len() + self.cuts.len());
        let mut done = 0;
        for (from, cuts) in self.groups() {
            let last = cuts.len() - 1;
            let is_one = is_complete(&bytes[from..cuts[last].end as usize]);
            let ends = if is_one { &cuts[last..] } else { cuts };
            for end in ends.iter().map(|cut| cut.end as usize) {
                marked.extend_from_slice(&bytes[done..end]);
                marked.push(b'\n');
                done = end;
            }
        }
        marked.extend_from_slice(&bytes[done..]); // the rest is an unfinished burst
        *bytes = marked;
    }
}

/// Whether each burst is a complete request.
fn is_each(from: usize, cuts: &[Cut], bytes: &[u8], is_complete: impl Fn(&[u8]) -> bool) -> bool {
    let begins = std::iter::once(from).chain(cuts.iter().map(|cut| cut.end as usize));
    begins.zip(cuts).all(|(begin, cut)| is_complete(&bytes[begin..cut.end as usize]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Duration = Duration::from_millis(20);

    /// Whether these are two numbers, as multiply expects them.
    fn is_product(bytes: &[u8]) -> bool {
        let words = || bytes.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        words().count() == 2 && words().all(|word| word.iter().all(u8::is_ascii_digit))
    }

    fn is_anything(_: &[u8]) -> bool {
        true
    }

    /// Takes bursts, each with the pause before it in tenths of a millisecond. Returns the kind and the time at which it is known,
    /// or the pause after which silence decides; and then the messages.
    fn outcome(
        is_complete: fn(&[u8]) -> bool,
        bursts: &[(u64, &str)],
    ) -> (Option<FramingMode>, u64, Vec<String>) {
        let (mut guess, mut now, mut bytes) = (Guess::default(), 0, ThinVec::new());
        for (pause, burst) in bursts {
            now += pause * 100;
            if let Some(deadline) = guess.deadline() {
                assert!(Timestamp::at(now) < deadline, "it was decided before {burst:?}");
            }
            bytes.extend_from_slice(burst.as_bytes());
            if let Decision::Is(kind) = guess.handle_burst(Timestamp::at(now), GAP, &bytes, is_complete) {
                return (Some(kind), 0, vec![String::from_utf8(bytes.to_vec()).unwrap()]);
            }
        }
        let wait = guess.deadline().unwrap().since(Timestamp::at(now)).as_millis() as u64;
        guess.handle_silence(&mut bytes, is_complete);
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        (None, wait, text.lines().map(str::to_owned).collect())
    }

    #[test]
    fn guess_without_lf_stays_open_until_silence() {
        type Case<'a> = (fn(&[u8]) -> bool, &'a [(u64, &'a str)], u64, &'a [&'a str]);
        let cases: &[Case<'_>] = &[
            (is_product, &[(0, "5 10")], 20, &["5 10"]),
            (is_product, &[(0, "5"), (5, " "), (5, "1"), (5, "0")], 20, &["5 10"]),
            (is_product, &[(0, "5 1"), (10, "0")], 20, &["5 10"]),
            (is_product, &[(0, "5 10"), (10, "3 4")], 20, &["5 10", "3 4"]),
            (is_product, &[(0, "5 10"), (10, "3 4"), (10, "6 7")], 20, &["5 10", "3 4", "6 7"]),
            (is_product, &[(0, "5 "), (2000, "10")], 20, &["5 10"]),
            (is_product, &[(0, "12"), (2000, "34")], 1000, &["1234"]),
            (is_product, &[(0, "5 x")], 1000, &["5 x"]),
            (is_product, &[(0, "5")], 5000, &["5"]),
            (is_product, &[(0, "5"), (1000, " ")], 5000, &["5 "]),
            (is_product, &[(0, "5"), (1000, " "), (1000, "1")], 1000, &["5 1"]),
            (is_product, &[(0, "5"), (1000, " "), (1, "1")], 20, &["5 1"]),
            (is_product, &[(0, "5 1"), (10, "0"), (10, "3 4")], 1000, &["5 103 4"]),
            (is_anything, &[(0, "a")], 1000, &["a"]),
            (is_anything, &[(0, "a"), (1000, "b"), (1000, "c")], 1000, &["abc"]),
            (is_anything, &[(0, "a"), (1000, "hi")], 20, &["a", "hi"]),
            (is_anything, &[(0, "H"), (50, "ello")], 20, &["Hello"]),
            (is_anything, &[(0, "a"), (1000, "h"), (50, "i")], 20, &["a", "hi"]),
        ];
        for (is_complete, bursts, wait, messages) in cases {
            let (kind, waited, said) = outcome(*is_complete, bursts);
            assert_eq!((kind, waited), (None, *wait), "{bursts:?}");
            assert_eq!(said, *messages, "{bursts:?}");
        }
    }

    #[test]
    fn lf_makes_all_pending_bytes_a_line() {
        for bursts in [
            &[(0, "5 10\n")][..],
            &[(0, "a\nb")],
            &[(0, "5 1"), (100, "0\n")],
            &[(0, "5"), (1000, " "), (1000, "1"), (1000, "0"), (1000, "\n")],
            &[(0, "5 x"), (9000, "\n")],
        ] {
            let all: String = bursts.iter().map(|(_, burst)| *burst).collect();
            assert_eq!(outcome(is_product, bursts), (Some(FramingMode::Line), 0, vec![all]), "{bursts:?}");
        }
    }

    #[test]
    fn completed_message_is_reported_once() {
        let mut guess = Guess::default();
        let mut burst = |now, bytes: &[u8]| guess.handle_burst(Timestamp::at(now), GAP, bytes, is_product);
        assert_eq!(burst(0, b"5 "), Decision::Wait);
        assert_eq!(burst(10, b"5 1"), Decision::WaitComplete);
        assert_eq!(burst(20, b"5 10"), Decision::Wait);
        assert_eq!(burst(25, b"5 10"), Decision::Wait, "the burst ended where a read did");
    }

    #[test]
    fn silence_within_a_burst_loses_nothing() {
        let mut guess = Guess::default();
        guess.handle_burst(Timestamp::at(0), GAP, b"5 10", is_product);
        guess.handle_burst(Timestamp::at(9), GAP, b"5 103 4", is_product);
        let mut bytes = ThinVec::from(&b"5 103 46 "[..]);
        guess.handle_silence(&mut bytes, is_product);
        assert_eq!(bytes, b"5 10\n3 4\n6 ");
    }
}
