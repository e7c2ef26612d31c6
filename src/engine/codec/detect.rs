//! Which kind of client this is: one that ends its messages with LF, or one whose every send() is a message.
//! Knows bursts and time; has never seen what a message says.
//!
//! | what has come | kind |
//! |---|---|
//! | an LF, or the end of the stream | line: all that has come joined |
//! | no LF, complete, and then `raw_gap` of silence | raw |
//! | the same, but as single bytes with pauses between them, as somebody types, and then 1 s of silence | raw |
//! | no LF, not complete, and then 1 s of silence, or 5 s behind somebody who types | raw: a mistake gets its error |
//!
//! Bursts less than `raw_gap` apart belong together. Until one of these has happened, it is a guess and stays one.

use std::time::Duration;

use memchr::memchr;
use serde::{Deserialize, Serialize};
use thin_vec::ThinVec;

use super::saved;
use crate::engine::limits::{FramingRule, GUESS, TYPIST};
use crate::engine::message::{Kind, Moment};

/// What the first bursts of a connection have told so far.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(from = "saved::Guess")]
pub struct Guess(Option<Box<Bursts>>); // an idle connection has none

/// What has come without an LF.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Bursts {
    /// When the last one came.
    last: Moment,
    /// When it is raw, if nothing follows.
    until: Moment,
    /// Where each ended, in all that has come.
    cuts: Vec<Cut>,
    /// All of it is a complete request.
    is_whole: bool,
    /// It falls apart into complete requests: bursts, or bursts that came together.
    is_row: bool,
    /// All were single bytes, and none came close behind another: somebody types, it seems.
    is_typed: bool,
}

impl From<saved::Guess> for Guess {
    fn from(saved: saved::Guess) -> Guess {
        let (until, cuts, is_whole, is_typed) = match saved {
            saved::Guess::Bursts(bursts) => return Guess(bursts),
            saved::Guess::Old(saved::State::OneByte(until)) => (until, Vec::new(), true, true),
            saved::Guess::Old(saved::State::Gap { until, cuts }) => (until, cuts, true, false),
            saved::Guess::Old(saved::State::LikelyLine(until)) => (until, Vec::new(), false, false),
        };
        let complete = |end| Cut { end, is_complete: true, is_complete_together: false, is_close: false };
        let cuts = cuts.into_iter().map(complete).collect();
        Guess(Some(Box::new(Bursts { last: until, until, cuts, is_whole, is_row: is_whole, is_typed })))
    }
}

/// The end of a burst.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Cut {
    end: u32, // no message is as long as u32 can say
    /// What it was by itself, and together with those that came close before it.
    is_complete: bool,
    is_complete_together: bool,
    /// It came close behind the one before.
    is_close: bool,
}

/// Memory that a burst takes while the kind is not known.
pub const BURST_BYTES: usize = size_of::<Cut>();

/// What the first bursts say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The kind is known.
    Is(Kind),
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

/// The kind of client that a rule says it is.
pub fn kind_of(rule: FramingRule) -> Option<Kind> {
    match rule {
        FramingRule::Auto => None,
        FramingRule::Line => Some(Kind::Line),
        FramingRule::Raw => Some(Kind::Raw),
    }
}

impl Guess {
    /// When a pause decides.
    pub fn deadline(&self) -> Option<Moment> {
        self.0.as_deref().map(|bursts| bursts.until)
    }

    /// Memory that it takes beside itself: where the first bursts ended.
    pub fn held_bytes(&self) -> usize {
        let bytes = |bursts: &Bursts| size_of::<Bursts>() + bursts.cuts.capacity() * size_of::<Cut>();
        self.0.as_deref().map_or(0, bytes)
    }

    /// Whether what has come may well be a whole request that waits for the decision.
    pub fn holds_request(&self) -> bool {
        self.0.as_deref().is_some_and(|bursts| bursts.is_whole || bursts.is_row)
    }

    /// Whether it is a whole request, and from nobody who types.
    pub fn is_gap(&self) -> bool {
        self.holds_request() && self.0.as_deref().is_some_and(|bursts| !bursts.is_typed)
    }

    /// Whether it can be that of a connection with so many bytes in its inbox.
    pub fn is_sound(&self, inbox_bytes: usize) -> bool {
        self.0.as_deref().is_none_or(|bursts| {
            bursts.cuts.is_sorted_by_key(|cut| cut.end)
                && bursts.cuts.last().is_none_or(|cut| cut.end as usize <= inbox_bytes)
        })
    }

    /// A burst has ended; `bytes` is all that has come since the connection opened. `is_complete` says whether some bytes
    /// are a complete request of the service.
    pub fn handle_burst(
        &mut self,
        now: Moment,
        raw_gap: Duration,
        bytes: &[u8],
        is_complete: impl Fn(&[u8]) -> bool,
    ) -> Decision {
        if memchr(b'\n', bytes).is_some() {
            return Decision::Is(Kind::Line);
        }
        if bytes.is_empty() {
            return Decision::Wait;
        }
        let bursts = self.0.get_or_insert_with(|| Box::new(Bursts::new(now)));
        let was_complete = bursts.is_whole;
        bursts.add(now, raw_gap, bytes, is_complete);
        match bursts.is_whole && !was_complete {
            true => Decision::WaitComplete,
            false => Decision::Wait,
        }
    }

    /// The pause has lasted: raw. Marks in `bytes`, with an LF each, where one message ended and the next began.
    pub fn handle_silence(&mut self, bytes: &mut ThinVec<u8>) {
        if let Some(bursts) = self.0.take().filter(|bursts| bursts.cuts.len() > 1) {
            bursts.mark(bytes);
        }
    }
}

impl Bursts {
    fn new(now: Moment) -> Bursts {
        Bursts { last: now, until: now, cuts: Vec::new(), is_whole: false, is_row: true, is_typed: true }
    }

    fn add(&mut self, now: Moment, raw_gap: Duration, bytes: &[u8], is_complete: impl Fn(&[u8]) -> bool) {
        let end_of = |cut: Option<&Cut>| cut.map_or(0, |cut| cut.end as usize);
        let begin = end_of(self.cuts.last());
        if begin >= bytes.len() {
            return; // a burst that ended where our buffer did
        }
        let is_close = begin > 0 && now.since(self.last) < raw_gap;
        let is_single = bytes.len() - begin == 1;
        self.is_typed &= is_single && !is_close;
        let group = match is_close {
            true => end_of(self.cuts.iter().rev().skip_while(|cut| cut.is_close).nth(1)),
            false => begin,
        };
        self.is_whole = is_complete(bytes);
        let by_itself = if begin == 0 { self.is_whole } else { is_complete(&bytes[begin..]) };
        let together = match group {
            _ if group == begin => by_itself,
            0 => self.is_whole,
            _ => is_complete(&bytes[group..]),
        };
        self.cuts.push(Cut {
            end: bytes.len() as u32,
            is_complete: by_itself,
            is_complete_together: together,
            is_close,
        });
        let is_row = self.groups().all(|group| group.is_whole() || group.is_row());
        self.is_row = is_row;
        self.last = now;
        let patience = match (self.is_whole || self.is_row, self.is_typed) {
            (true, false) => raw_gap,
            (true, true) | (false, false) => GUESS,
            (false, true) => TYPIST,
        };
        self.until = now + patience;
    }

    /// The bursts that came together.
    fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        self.cuts.chunk_by(|_, next| next.is_close).map(Group)
    }

    fn mark(&self, bytes: &mut ThinVec<u8>) {
        // What somebody has typed is one message, and so is what makes sense only as a whole.
        if self.is_typed || !self.is_row {
            return;
        }
        let mut marked = ThinVec::with_capacity(bytes.len() + self.cuts.len());
        let mut from = 0;
        for group in self.groups() {
            let ends = if group.is_whole() { &group.0[group.0.len() - 1..] } else { group.0 };
            for end in ends.iter().map(|cut| cut.end as usize) {
                marked.extend_from_slice(&bytes[from..end]);
                marked.push(b'\n');
                from = end;
            }
        }
        marked.extend_from_slice(&bytes[from..]); // of a burst that goes on
        *bytes = marked;
    }
}

/// Bursts that came together.
struct Group<'a>(&'a [Cut]);

impl Group<'_> {
    /// Whether it is one request.
    fn is_whole(&self) -> bool {
        self.0.last().is_some_and(|cut| cut.is_complete_together)
    }

    /// Whether each burst is one.
    fn is_row(&self) -> bool {
        self.0.iter().all(|cut| cut.is_complete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Duration = Duration::from_millis(20);

    /// Two numbers, as multiply wants them.
    fn is_product(bytes: &[u8]) -> bool {
        let words = || bytes.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        words().count() == 2 && words().all(|word| word.iter().all(u8::is_ascii_digit))
    }

    fn is_anything(_: &[u8]) -> bool {
        true
    }

    /// Bursts, each with the pause before it in tenths of a millisecond; the kind and the time at which it is known, or the
    /// pause after which silence decides; and then what the messages are.
    fn outcome(is_complete: fn(&[u8]) -> bool, bursts: &[(u64, &str)]) -> (Option<Kind>, u64, Vec<String>) {
        let (mut guess, mut now, mut bytes) = (Guess::default(), 0, ThinVec::new());
        for (pause, burst) in bursts {
            now += pause * 100;
            if let Some(deadline) = guess.deadline() {
                assert!(Moment::at(now) < deadline, "it was decided before {burst:?}");
            }
            bytes.extend_from_slice(burst.as_bytes());
            if let Decision::Is(kind) = guess.handle_burst(Moment::at(now), GAP, &bytes, is_complete) {
                return (Some(kind), 0, vec![String::from_utf8(bytes.to_vec()).unwrap()]);
            }
        }
        let wait = guess.deadline().unwrap().since(Moment::at(now)).as_millis() as u64;
        guess.handle_silence(&mut bytes);
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        (None, wait, text.lines().map(str::to_owned).collect())
    }

    #[test]
    fn a_guess_without_lf_stays_one_until_silence_has_lasted() {
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
    fn an_lf_makes_it_a_line_of_all_that_has_come() {
        for bursts in [
            &[(0, "5 10\n")][..],
            &[(0, "a\nb")],
            &[(0, "5 1"), (100, "0\n")],
            &[(0, "5"), (1000, " "), (1000, "1"), (1000, "0"), (1000, "\n")],
            &[(0, "5 x"), (9000, "\n")],
        ] {
            let all: String = bursts.iter().map(|(_, burst)| *burst).collect();
            assert_eq!(outcome(is_product, bursts), (Some(Kind::Line), 0, vec![all]), "{bursts:?}");
        }
    }

    #[test]
    fn what_has_just_become_complete_is_told_once() {
        let mut guess = Guess::default();
        let mut burst = |now, bytes: &[u8]| guess.handle_burst(Moment::at(now), GAP, bytes, is_product);
        assert_eq!(burst(0, b"5 "), Decision::Wait);
        assert_eq!(burst(10, b"5 1"), Decision::WaitComplete);
        assert_eq!(burst(20, b"5 10"), Decision::Wait);
        assert_eq!(burst(25, b"5 10"), Decision::Wait, "the burst ended where a read did");
    }

    #[test]
    fn silence_in_the_middle_of_a_burst_loses_nothing_of_it() {
        let mut guess = Guess::default();
        guess.handle_burst(Moment::at(0), GAP, b"5 10", is_product);
        guess.handle_burst(Moment::at(9), GAP, b"5 103 4", is_product);
        let mut bytes = ThinVec::from(&b"5 103 46 "[..]);
        guess.handle_silence(&mut bytes);
        assert_eq!(bytes, b"5 10\n3 4\n6 ");
    }
}
