//! Which kind of client this is: one that ends its messages with LF, or one whose every send() is a message.
//! Knows bursts and time; has never seen what a message says.

use std::time::Duration;

use memchr::memchr;
use serde::{Deserialize, Serialize};
use thin_vec::ThinVec;

use super::limits::{FramingRule, GUESS};
use super::message::{Kind, Moment};

/// What is known of a connection's framing.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub enum Framing {
    /// Nothing has come yet.
    #[default]
    Opening,
    /// One byte that could be a message: perhaps somebody types in character mode. Raw if nothing follows until then.
    OneByte(Moment),
    /// A complete request without LF: raw if the pause lasts.
    Gap(Box<Gap>),
    /// Something incomplete without LF: a line, but if nothing follows until then a raw client's mistake.
    LikelyLine(Moment),
    /// Decided.
    Known(Kind),
}

/// A pause that tells whether a client is raw.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Gap {
    until: Moment,
    /// Where the bursts so far ended, in all that has come.
    cuts: Vec<u32>,
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

impl Framing {
    /// The framing that a rule begins with.
    pub fn new(rule: FramingRule) -> Framing {
        match rule {
            FramingRule::Auto => Framing::Opening,
            FramingRule::Line => Framing::Known(Kind::Line),
            FramingRule::Raw => Framing::Known(Kind::Raw),
        }
    }

    /// The kind, once it is known.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Framing::Known(kind) => Some(*kind),
            _ => None,
        }
    }

    /// When a pause decides.
    pub fn deadline(&self) -> Option<Moment> {
        match self {
            Framing::OneByte(until) | Framing::LikelyLine(until) => Some(*until),
            Framing::Gap(gap) => Some(gap.until),
            Framing::Opening | Framing::Known(_) => None,
        }
    }

    /// Memory that it takes beside itself: where the first bursts ended.
    pub fn held_bytes(&self) -> usize {
        match self {
            Framing::Gap(gap) => gap.cuts.capacity() * size_of::<u32>(),
            _ => 0,
        }
    }

    /// Whether what has come may well be a whole request that waits for the decision.
    pub fn holds_request(&self) -> bool {
        matches!(self, Framing::OneByte(_) | Framing::Gap(..))
    }

    /// Whether it can be that of a connection with so many bytes in its inbox.
    pub fn is_sound(&self, inbox_bytes: usize) -> bool {
        match self {
            Framing::Gap(gap) => {
                gap.cuts.is_sorted() && gap.cuts.last().is_none_or(|cut| *cut as usize <= inbox_bytes)
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
        let next = match self {
            Framing::Known(kind) => return Decision::Is(*kind),
            _ if memchr(b'\n', bytes).is_some() => Framing::Known(Kind::Line),
            Framing::OneByte(_) | Framing::LikelyLine(_) => Framing::Known(Kind::Line),
            Framing::Gap(gap) => {
                gap.until = now + raw_gap;
                gap.cuts.push(bytes.len() as u32); // no message is as long as u32 can say
                return Decision::Wait;
            }
            Framing::Opening => match (bytes.len(), is_complete(bytes)) {
                (0 | 1, false) => Framing::Known(Kind::Line),
                (0 | 1, true) => Framing::OneByte(now + GUESS),
                (_, false) => Framing::LikelyLine(now + GUESS),
                (length, true) => {
                    Framing::Gap(Box::new(Gap { until: now + raw_gap, cuts: vec![length as u32] }))
                }
            },
        };
        *self = next;
        match self {
            Framing::Known(kind) => Decision::Is(*kind),
            Framing::Gap(..) => Decision::WaitComplete,
            _ => Decision::Wait,
        }
    }

    /// End of file: a line, if it is not decided yet.
    pub fn handle_end_of_file(&mut self) -> Kind {
        let kind = self.kind().unwrap_or(Kind::Line);
        *self = Framing::Known(kind);
        kind
    }

    /// The pause has lasted: raw. Marks in `bytes`, with an LF each, where one burst ended and the next began.
    pub fn handle_silence(&mut self, bytes: &mut ThinVec<u8>) {
        if let Framing::Gap(gap) = self {
            let mut marked = ThinVec::with_capacity(bytes.len() + gap.cuts.len());
            let mut from = 0;
            for cut in gap.cuts.drain(..).map(|cut| cut as usize) {
                marked.extend_from_slice(&bytes[from..cut]);
                marked.push(b'\n');
                from = cut;
            }
            marked.extend_from_slice(&bytes[from..]); // of a burst that goes on
            *bytes = marked;
        }
        *self = Framing::Known(Kind::Raw);
    }
}

/// A message without the CR in front of its LF.
pub fn without_cr(message: &[u8]) -> &[u8] {
    message.strip_suffix(b"\r").unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Duration = Duration::from_micros(20);

    fn burst(framing: &mut Framing, now: u64, bytes: &[u8], complete: bool) -> Decision {
        framing.handle_burst(Moment::at(now), GAP, bytes, |_| complete)
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
            assert_eq!(burst(&mut Framing::Opening, 0, bytes, complete), decision, "{bytes:?}");
        }
    }

    #[test]
    fn each_burst_in_the_gap_starts_it_again_and_stays_a_message_of_its_own() {
        let mut framing = Framing::Opening;
        burst(&mut framing, 0, b"5 10", true);
        assert_eq!(framing.deadline(), Some(Moment::at(20)));
        assert_eq!(burst(&mut framing, 15, b"5 103 4", true), Decision::Wait);
        assert_eq!(framing.deadline(), Some(Moment::at(35)));
        let mut bytes = ThinVec::from(&b"5 103 4"[..]);
        framing.handle_silence(&mut bytes);
        assert_eq!((bytes.as_slice(), framing.kind()), (&b"5 10\n3 4\n"[..], Some(Kind::Raw)));
    }

    #[test]
    fn silence_in_the_middle_of_a_burst_loses_nothing_of_it() {
        let mut framing = Framing::Opening;
        burst(&mut framing, 0, b"5 10", true);
        let mut bytes = ThinVec::from(&b"5 103 "[..]);
        framing.handle_silence(&mut bytes);
        assert_eq!(bytes, b"5 10\n3 ");
    }

    #[test]
    fn lf_in_the_gap_makes_it_a_line() {
        let mut framing = Framing::Opening;
        burst(&mut framing, 0, b"5 1", true);
        assert_eq!(burst(&mut framing, 5, b"5 10\n", true), Decision::Is(Kind::Line));
    }

    #[test]
    fn what_follows_a_single_byte_or_an_incomplete_burst_makes_it_a_line_and_silence_raw() {
        for (first, complete) in [(&b"a"[..], true), (b"5 ", false)] {
            let mut framing = Framing::Opening;
            burst(&mut framing, 0, first, complete);
            assert_eq!(framing.deadline(), Some(Moment::at(0) + GUESS));
            assert_eq!(burst(&mut framing, 5, b"5 1", true), Decision::Is(Kind::Line));

            let mut framing = Framing::Opening;
            burst(&mut framing, 0, first, complete);
            framing.handle_silence(&mut ThinVec::from(first));
            assert_eq!(framing.kind(), Some(Kind::Raw));
        }
    }
}
