//! The pairs of talk: clients are paired in the order of arrival. Knows peers by number and how many bytes wait to be sent to each,
//! and not what they say.

use std::collections::BTreeMap;

use slab::Slab;

use super::facts::{Conduct, Facts, First, Idle, Keeps, Need, Openness, Replies, is_anything};
use crate::engine::limits::REPLY_BYTES_MAX;
use crate::engine::message::ConnectionId;
use crate::engine::text::trim;

/// Its facts.
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
    replies: Replies::Many(REPLY_BYTES_MAX),
    burst: None,
    keeps: Keeps::ForPartner,
    unread: "",
    own_words: &[],
};

/// One end of a pair: twice the pair's number, which is less than the number of connections, and one more for the second end. In
/// this form it fits into a session together with its state in talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairEnd(u32);

impl PairEnd {
    fn new(pair: usize, is_second: bool) -> PairEnd {
        PairEnd(2 * pair as u32 + u32::from(is_second))
    }

    fn other(self) -> PairEnd {
        PairEnd(self.0 ^ 1)
    }

    /// The pair's number, the same for both ends.
    pub fn pair(self) -> usize {
        self.0 as usize / 2
    }

    fn index(self) -> usize {
        self.0 as usize % 2
    }
}

/// All pairs. The second end of one may still be free.
#[derive(Debug, Default)]
pub struct Pairs {
    pairs: Slab<[Option<Participant>; 2]>,
    /// The pair that has one end free.
    waiting: Option<usize>,
    /// Restored pairs with one end so far, by their number before the restart.
    halves: BTreeMap<usize, PairEnd>,
}

/// The client at one end.
#[derive(Debug)]
struct Participant {
    peer: ConnectionId,
    /// Bytes that wait to be sent to it.
    held: usize,
    /// Whether the other end has more messages than were accepted.
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
    /// Joins a client to the waiting one, or makes it wait.
    pub fn join(&mut self, peer: ConnectionId) -> PairEnd {
        match self.waiting.take() {
            Some(pair) => {
                self.pairs[pair][1] = Participant::new(peer);
                PairEnd::new(pair, true)
            }
            None => {
                let pair = self.pairs.insert([Participant::new(peer), None]);
                self.waiting = Some(pair);
                PairEnd::new(pair, false)
            }
        }
    }

    /// The client at the other end.
    pub fn partner(&self, pair_end: PairEnd) -> Option<ConnectionId> {
        self.end(pair_end.other()).map(|end| end.peer)
    }

    /// Whether the other end can be sent more, with at most `max` bytes waiting for it. If not, the client at this end must be
    /// [told](Self::set_held) when it can.
    pub fn has_room(&mut self, pair_end: PairEnd, max: usize) -> bool {
        let Some(end) = self.end_mut(pair_end.other()) else { return false };
        end.awaited = end.held >= max;
        !end.awaited
    }

    /// Notes that this many more bytes wait for the other end.
    pub fn add(&mut self, pair_end: PairEnd, bytes: usize) {
        if let Some(end) = self.end_mut(pair_end.other()) {
            end.held += bytes;
        }
    }

    /// Notes that this many bytes wait for this end. Returns the client to tell that there is room again.
    pub fn set_held(&mut self, pair_end: PairEnd, held: usize, max: usize) -> Option<ConnectionId> {
        let end = self.end_mut(pair_end)?;
        end.held = held;
        if held < max && std::mem::take(&mut end.awaited) { self.partner(pair_end) } else { None }
    }

    /// Ends the pair. Returns the client at the other end.
    pub fn leave(&mut self, pair_end: PairEnd) -> Option<ConnectionId> {
        let partner = self.partner(pair_end);
        if self.pairs.try_remove(pair_end.pair()).is_some() && self.waiting == Some(pair_end.pair()) {
            self.waiting = None;
        }
        partner
    }

    /// Whether the pair still exists: the other end may have left.
    #[cfg(test)]
    fn has(&self, pair_end: PairEnd) -> bool {
        self.end(pair_end).is_some()
    }

    /// The client at an end.
    pub fn peer(&self, pair_end: PairEnd) -> Option<ConnectionId> {
        self.end(pair_end).map(|end| end.peer)
    }

    /// The number of clients.
    pub fn participants(&self) -> usize {
        self.pairs.iter().map(|(_, ends)| ends.iter().flatten().count()).sum()
    }

    fn end(&self, pair_end: PairEnd) -> Option<&Participant> {
        self.pairs.get(pair_end.pair())?[pair_end.index()].as_ref()
    }

    /// `None` once one of the two has left, which ends the pair.
    fn end_mut(&mut self, pair_end: PairEnd) -> Option<&mut Participant> {
        self.pairs.get_mut(pair_end.pair())?[pair_end.index()].as_mut()
    }

    /// Restores a client from before a restart to the pair that had this number.
    pub fn restore(&mut self, peer: ConnectionId, pair: usize) -> PairEnd {
        if let Some(half) = self.halves.remove(&pair) {
            self.pairs[half.pair()][1] = Participant::new(peer);
            return half.other();
        }
        let pair_end = PairEnd::new(self.pairs.insert([Participant::new(peer), None]), false);
        self.halves.insert(pair, pair_end);
        pair_end
    }

    /// The restored clients whose partner was not restored; call it after all.
    pub fn take_orphaned(&mut self) -> Vec<ConnectionId> {
        let halves = std::mem::take(&mut self.halves);
        let taken = halves.into_values().filter_map(|pair_end| self.pairs.try_remove(pair_end.pair()));
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
        let mut pairs = Pairs::default();
        let (early, first, second, third) = (pairs.join(peer(0)), peer(1), peer(2), peer(3));
        assert_eq!(pairs.leave(early), None);
        let (first_end, second_end) = (pairs.join(first), pairs.join(second));
        let third_end = pairs.join(third);
        assert_eq!(pairs.partner(first_end), Some(second));
        assert_eq!(pairs.partner(second_end), Some(first));
        assert_eq!(pairs.partner(third_end), None);
        assert_eq!(pairs.leave(first_end), Some(second));
        assert!(!pairs.has(second_end) && pairs.has(third_end));
        assert_eq!(pairs.leave(second_end), None);
    }

    #[test]
    fn held_partner_is_resumed_once_when_there_is_room() {
        let mut pairs = Pairs::default();
        let (first, second) = (pairs.join(peer(1)), pairs.join(peer(2)));
        assert!(pairs.has_room(first, 10));
        pairs.add(first, 10);
        assert!(!pairs.has_room(first, 10) && pairs.has_room(second, 10));
        assert_eq!(pairs.set_held(second, 10, 10), None);
        assert_eq!(pairs.set_held(second, 9, 10), Some(peer(1)));
        assert_eq!(pairs.set_held(second, 0, 10), None, "once");
        let alone = pairs.join(peer(3));
        assert!(!pairs.has_room(alone, 10), "there is nobody to be told");
    }

    #[test]
    fn restored_pairs_continue_and_a_lone_partner_is_notified() {
        let mut pairs = Pairs::default();
        let (a, b) = (pairs.restore(peer(1), 7), pairs.restore(peer(2), 9));
        let c = pairs.restore(peer(3), 7);
        assert_eq!((pairs.partner(a), pairs.partner(c)), (Some(peer(3)), Some(peer(1))));
        assert_eq!(pairs.take_orphaned(), [peer(2)]);
        assert!(!pairs.has(b) && pairs.has(a));
        let later = pairs.restore(peer(4), 9);
        assert_eq!(pairs.partner(later), None);
    }

    #[test]
    fn bye_is_one_word_in_any_case() {
        assert!(is_bye(b"bye") && is_bye(b" BYE\r") && is_bye(b"Bye"));
        assert!(!is_bye(b"bye bye") && !is_bye(b"goodbye") && !is_bye(b""));
    }
}
