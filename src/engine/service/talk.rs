//! Who talks with whom. Those who come are paired in the order of their arrival. Knows peers by number, and how much
//! waits to be sent to each; has never seen what they say.

use std::collections::BTreeMap;

use slab::Slab;

use super::facts::{Conduct, Facts, First, Idle, Keeps, Need, Openness, Replies, is_anything};
use crate::engine::limits::REPLY_BYTES_MAX;
use crate::engine::message::ConnectionId;
use crate::engine::text::trim;

/// What it is.
pub const FACTS: Facts = Facts {
    name: "talk",
    conduct: Conduct::Talk,
    needs: &[Need::Session, Need::OneWriter, Need::Others, Need::Kernel],
    default_port: None,
    first: First::Message,
    idle: Idle::Alone,
    waits_for: None,
    is_typed: false,
    is_complete: is_anything,
    is_private: is_anything,
    is_shared: true,
    openness: Openness::Everybody,
    replies: Replies::Pairs(REPLY_BYTES_MAX),
    keeps: Keeps::ForPartner,
    unread: "",
    own_words: &[],
};

/// One end of a line: twice the line's number, which is less than that of connections, and one more for the second end. So a
/// session has room for it, and for how far it is in talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairEnd(u32);

impl PairEnd {
    fn new(line: usize, is_second: bool) -> PairEnd {
        PairEnd(2 * line as u32 + u32::from(is_second))
    }

    fn other(self) -> PairEnd {
        PairEnd(self.0 ^ 1)
    }

    /// The line's number, the same for both ends.
    pub fn line(self) -> usize {
        self.0 as usize / 2
    }

    fn index(self) -> usize {
        self.0 as usize % 2
    }
}

/// Every line: two ends each, but for the one whose second end has not come yet.
#[derive(Debug, Default)]
pub struct Pairs {
    lines: Slab<[Option<Participant>; 2]>,
    /// The line with one end free.
    waiting: Option<usize>,
    /// Lines from before a restart with one end so far, by the number they had then.
    halves: BTreeMap<usize, PairEnd>,
}

/// Who sits at one end.
#[derive(Debug)]
struct Participant {
    peer: ConnectionId,
    /// Bytes that wait to be sent to it.
    held: usize,
    /// The other end has more to say than was taken.
    awaited: bool,
}

impl Participant {
    fn new(peer: ConnectionId) -> Option<Participant> {
        Some(Participant { peer, held: 0, awaited: false })
    }
}

/// Whether a message ends the talk.
pub fn is_bye(message: &[u8]) -> bool {
    trim(message).eq_ignore_ascii_case(b"bye")
}

impl Pairs {
    /// Gives somebody who comes a chair, at the line of the one who waits, if there is one.
    pub fn join(&mut self, peer: ConnectionId) -> PairEnd {
        match self.waiting.take() {
            Some(line) => {
                self.lines[line][1] = Participant::new(peer);
                PairEnd::new(line, true)
            }
            None => {
                let line = self.lines.insert([Participant::new(peer), None]);
                self.waiting = Some(line);
                PairEnd::new(line, false)
            }
        }
    }

    /// Who sits at the other end.
    pub fn partner(&self, pair_end: PairEnd) -> Option<ConnectionId> {
        self.end(pair_end.other()).map(|end| end.peer)
    }

    /// Whether the other end can be told more, with no more than `max` bytes waiting for it. If not, the one at this
    /// end is to be [told](Self::set_held) when it can.
    pub fn has_room(&mut self, pair_end: PairEnd, max: usize) -> bool {
        let Some(end) = self.end_mut(pair_end.other()) else { return false };
        end.awaited = end.held >= max;
        !end.awaited
    }

    /// So many bytes more wait for the other end.
    pub fn add(&mut self, pair_end: PairEnd, bytes: usize) {
        if let Some(end) = self.end_mut(pair_end.other()) {
            end.held += bytes;
        }
    }

    /// So many bytes wait for this end. Who is to be told that there is room again.
    pub fn set_held(&mut self, pair_end: PairEnd, held: usize, max: usize) -> Option<ConnectionId> {
        let end = self.end_mut(pair_end)?;
        end.held = held;
        if held < max && std::mem::take(&mut end.awaited) { self.partner(pair_end) } else { None }
    }

    /// Leaves; who was at the other end sits there no longer either.
    pub fn leave(&mut self, pair_end: PairEnd) -> Option<ConnectionId> {
        let partner = self.partner(pair_end);
        if self.lines.try_remove(pair_end.line()).is_some() && self.waiting == Some(pair_end.line()) {
            self.waiting = None;
        }
        partner
    }

    /// Whether the line is still there: the other end may have left.
    #[cfg(test)]
    fn has(&self, pair_end: PairEnd) -> bool {
        self.end(pair_end).is_some()
    }

    /// Who sits at an end.
    pub fn peer(&self, pair_end: PairEnd) -> Option<ConnectionId> {
        self.end(pair_end).map(|end| end.peer)
    }

    /// How many sit at any.
    pub fn participants(&self) -> usize {
        self.lines.iter().map(|(_, ends)| ends.iter().flatten().count()).sum()
    }

    fn end(&self, pair_end: PairEnd) -> Option<&Participant> {
        self.lines.get(pair_end.line())?[pair_end.index()].as_ref()
    }

    /// `None` once one of the two has left: the line is gone.
    fn end_mut(&mut self, pair_end: PairEnd) -> Option<&mut Participant> {
        self.lines.get_mut(pair_end.line())?[pair_end.index()].as_mut()
    }

    /// Gives somebody from before a restart a chair at the line that had this number.
    pub fn restore(&mut self, peer: ConnectionId, line: usize) -> PairEnd {
        if let Some(half) = self.halves.remove(&line) {
            self.lines[half.line()][1] = Participant::new(peer);
            return half.other();
        }
        let pair_end = PairEnd::new(self.lines.insert([Participant::new(peer), None]), false);
        self.halves.insert(line, pair_end);
        pair_end
    }

    /// Everybody from before a restart is there: who sits alone where two were, has been left.
    pub fn take_widowed(&mut self) -> Vec<ConnectionId> {
        let halves = std::mem::take(&mut self.halves);
        let taken = halves.into_values().filter_map(|pair_end| self.lines.try_remove(pair_end.line()));
        taken.flatten().flatten().map(|end| end.peer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(index: u32) -> ConnectionId {
        ConnectionId { index, generation: 1 }
    }

    #[test]
    fn pairs_form_in_arrival_order() {
        let mut lines = Pairs::default();
        let (early, first, second, third) = (lines.join(peer(0)), peer(1), peer(2), peer(3));
        assert_eq!(lines.leave(early), None);
        let (first_end, second_end) = (lines.join(first), lines.join(second));
        let third_end = lines.join(third);
        assert_eq!(lines.partner(first_end), Some(second));
        assert_eq!(lines.partner(second_end), Some(first));
        assert_eq!(lines.partner(third_end), None);
        assert_eq!(lines.leave(first_end), Some(second));
        assert!(!lines.has(second_end) && lines.has(third_end));
        assert_eq!(lines.leave(second_end), None);
    }

    #[test]
    fn held_partner_is_resumed_once_when_there_is_room() {
        let mut lines = Pairs::default();
        let (first, second) = (lines.join(peer(1)), lines.join(peer(2)));
        assert!(lines.has_room(first, 10));
        lines.add(first, 10);
        assert!(!lines.has_room(first, 10) && lines.has_room(second, 10));
        assert_eq!(lines.set_held(second, 10, 10), None);
        assert_eq!(lines.set_held(second, 9, 10), Some(peer(1)));
        assert_eq!(lines.set_held(second, 0, 10), None, "once");
        let alone = lines.join(peer(3));
        assert!(!lines.has_room(alone, 10), "there is nobody to be told");
    }

    #[test]
    fn restored_pairs_continue_and_a_lone_partner_is_notified() {
        let mut lines = Pairs::default();
        let (a, b) = (lines.restore(peer(1), 7), lines.restore(peer(2), 9));
        let c = lines.restore(peer(3), 7);
        assert_eq!((lines.partner(a), lines.partner(c)), (Some(peer(3)), Some(peer(1))));
        assert_eq!(lines.take_widowed(), [peer(2)]);
        assert!(!lines.has(b) && lines.has(a));
        let later = lines.restore(peer(4), 9);
        assert_eq!(lines.partner(later), None);
    }

    #[test]
    fn bye_is_one_word_in_any_case() {
        assert!(is_bye(b"bye") && is_bye(b" BYE\r") && is_bye(b"Bye"));
        assert!(!is_bye(b"bye bye") && !is_bye(b"goodbye") && !is_bye(b""));
    }
}
