//! Which kind of client this is: one that ends its messages with LF, or one whose every send() is a message.
//! Knows bursts and time; has never seen what a message says.

use std::time::Duration;

use memchr::memchr;
use serde::{Deserialize, Serialize};
use thin_vec::ThinVec;

use crate::engine::limits::{FramingRule, GUESS};
use crate::engine::message::{Kind, Moment};

/// What the first bursts of a connection have told so far.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct Guess(Option<Box<State>>); // an idle connection has none

#[derive(Debug, Clone, Serialize, Deserialize)]
enum State {
    /// One byte that could be a message: perhaps somebody types in character mode. Raw if nothing follows until then.
    OneByte(Moment),
    /// A complete request without LF: raw if the pause lasts.
    Gap {
        until: Moment,
        /// Where the bursts so far ended, in all that has come.
        cuts: Vec<u32>,
    },
    /// Something incomplete without LF: a line, but if nothing follows until then a raw client's mistake.
    LikelyLine(Moment),
}

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
        self.0.as_deref().map(|state| match state {
            State::OneByte(until) | State::LikelyLine(until) | State::Gap { until, .. } => *until,
        })
    }

    /// Memory that it takes beside itself: where the first bursts ended.
    pub fn held_bytes(&self) -> usize {
        match self.0.as_deref() {
            Some(State::Gap { cuts, .. }) => size_of::<State>() + cuts.capacity() * size_of::<u32>(),
            Some(State::OneByte(_) | State::LikelyLine(_)) => size_of::<State>(),
            None => 0,
        }
    }

    /// Whether what has come may well be a whole request that waits for the decision.
    pub fn holds_request(&self) -> bool {
        matches!(self.0.as_deref(), Some(State::OneByte(_) | State::Gap { .. }))
    }

    /// Whether what has come is a whole request, and none follows from anybody who types.
    pub fn is_gap(&self) -> bool {
        matches!(self.0.as_deref(), Some(State::Gap { .. }))
    }

    /// Whether it can be that of a connection with so many bytes in its inbox.
    pub fn is_sound(&self, inbox_bytes: usize) -> bool {
        match self.0.as_deref() {
            Some(State::Gap { cuts, .. }) => {
                cuts.is_sorted() && cuts.last().is_none_or(|cut| *cut as usize <= inbox_bytes)
            }
            _ => true,
        }
    }

    /// A burst has ended; `bytes` is all that has come since the connection opened. `is_complete` says whether they
    /// are a complete request of the service.
    pub fn handle_burst(
        &mut self,
        now: Moment,
        raw_gap: Duration,
        bytes: &[u8],
        is_complete: impl FnOnce(&[u8]) -> bool,
    ) -> Decision {
        if memchr(b'\n', bytes).is_some() {
            return Decision::Is(Kind::Line);
        }
        let next = match self.0.as_deref_mut() {
            Some(State::OneByte(_) | State::LikelyLine(_)) => return Decision::Is(Kind::Line),
            Some(State::Gap { until, cuts }) => {
                *until = now + raw_gap;
                cuts.push(bytes.len() as u32); // no message is as long as u32 can say
                return Decision::Wait;
            }
            None => match (bytes.len(), is_complete(bytes)) {
                (0 | 1, false) => return Decision::Is(Kind::Line),
                (0 | 1, true) => State::OneByte(now + GUESS),
                (_, false) => State::LikelyLine(now + GUESS),
                (length, true) => State::Gap { until: now + raw_gap, cuts: vec![length as u32] },
            },
        };
        let decision = match next {
            State::Gap { .. } => Decision::WaitComplete,
            _ => Decision::Wait,
        };
        self.0 = Some(Box::new(next));
        decision
    }

    /// The pause has lasted: raw. Marks in `bytes`, with an LF each, where one burst ended and the next began.
    pub fn handle_silence(&mut self, bytes: &mut ThinVec<u8>) {
        if let Some(State::Gap { cuts, .. }) = self.0.take().as_deref() {
            let mut marked = ThinVec::with_capacity(bytes.len() + cuts.len());
            let mut from = 0;
            for cut in cuts.iter().map(|cut| *cut as usize) {
                marked.extend_from_slice(&bytes[from..cut]);
                marked.push(b'\n');
                from = cut;
            }
            marked.extend_from_slice(&bytes[from..]); // of a burst that goes on
            *bytes = marked;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Duration = Duration::from_micros(20);

    fn burst(guess: &mut Guess, now: u64, bytes: &[u8], complete: bool) -> Decision {
        guess.handle_burst(Moment::at(now), GAP, bytes, |_| complete)
    }

    #[test]
    fn the_first_burst_tells_the_kinds_apart() {
        for (bytes, complete, decision) in [
            (&b"5 10\n"[..], true, Decision::Is(Kind::Line)),
            (b"a\nb", false, Decision::Is(Kind::Line)),
            (b"5 10", true, Decision::WaitComplete),
            (b"5 x", false, Decision::Wait),
            (b"5", false, Decision::Is(Kind::Line)),
            (b"a", true, Decision::Wait),
        ] {
            assert_eq!(burst(&mut Guess::default(), 0, bytes, complete), decision, "{bytes:?}");
        }
    }

    #[test]
    fn each_burst_in_the_gap_starts_it_again_and_stays_a_message_of_its_own() {
        let mut guess = Guess::default();
        burst(&mut guess, 0, b"5 10", true);
        assert_eq!(guess.deadline(), Some(Moment::at(20)));
        assert_eq!(burst(&mut guess, 15, b"5 103 4", true), Decision::Wait);
        assert_eq!(guess.deadline(), Some(Moment::at(35)));
        let mut bytes = ThinVec::from(&b"5 103 4"[..]);
        guess.handle_silence(&mut bytes);
        assert_eq!(bytes.as_slice(), b"5 10\n3 4\n");
    }

    #[test]
    fn silence_in_the_middle_of_a_burst_loses_nothing_of_it() {
        let mut guess = Guess::default();
        burst(&mut guess, 0, b"5 10", true);
        let mut bytes = ThinVec::from(&b"5 103 "[..]);
        guess.handle_silence(&mut bytes);
        assert_eq!(bytes, b"5 10\n3 ");
    }

    #[test]
    fn lf_in_the_gap_makes_it_a_line() {
        let mut guess = Guess::default();
        burst(&mut guess, 0, b"5 1", true);
        assert_eq!(burst(&mut guess, 5, b"5 10\n", true), Decision::Is(Kind::Line));
    }

    #[test]
    fn what_follows_a_single_byte_or_an_incomplete_burst_makes_it_a_line_and_silence_raw() {
        for (first, complete) in [(&b"a"[..], true), (b"5 ", false)] {
            let mut guess = Guess::default();
            burst(&mut guess, 0, first, complete);
            assert_eq!(guess.deadline(), Some(Moment::at(0) + GUESS));
            assert_eq!(burst(&mut guess, 5, b"5 1", true), Decision::Is(Kind::Line));

            let mut bytes = ThinVec::from(first);
            guess.handle_silence(&mut bytes);
            assert_eq!((bytes.as_slice(), guess.deadline()), (first, None));
        }
    }
}
