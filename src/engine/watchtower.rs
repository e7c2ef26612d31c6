//! What has happened lately, for those who watch: one bounded ring of events, of which each watcher has read a part. Knows
//! who watches; holds nothing while nobody does.

use std::collections::VecDeque;
use std::rc::Rc;

use super::limits::{WATCH_EVENT_BYTES, WATCH_EVENTS_MAX, WATCH_RING_BYTES_MAX};
use super::message::{Door, Moment, Origin, Peer};
use super::service::Service;
use super::service::watch::Sight;

/// Something that a connection did, or that was done to it.
#[derive(Debug)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// Where it came in.
    pub door: Rc<Door>,
    /// Who it is.
    pub origin: Origin,
    /// The service it was in.
    pub service: Service,
    /// What.
    pub sight: Sight,
}

impl Event {
    fn bytes(&self) -> usize {
        WATCH_EVENT_BYTES + self.sight.text_bytes()
    }
}

/// The ring and its readers.
#[derive(Debug, Default)]
pub struct Watchtower {
    watchers: Vec<Peer>,
    events: VecDeque<Event>,
    bytes: usize,
    /// How many events are no longer there.
    forgotten: u64,
    /// Some watcher may be shown more.
    stirred: bool,
}

impl Watchtower {
    /// Whether anybody watches.
    pub fn is_manned(&self) -> bool {
        !self.watchers.is_empty()
    }

    /// Who watches.
    pub fn watchers(&self) -> &[Peer] {
        &self.watchers
    }

    /// Lets somebody watch, unless `max` do already.
    pub fn enter(&mut self, peer: Peer, max: usize) -> bool {
        if self.watchers.contains(&peer) {
            return true;
        }
        let has_place = self.watchers.len() < max;
        if has_place {
            self.watchers.push(peer);
        }
        has_place
    }

    /// Somebody watches no longer.
    pub fn leave(&mut self, peer: Peer) {
        self.watchers.retain(|watcher| *watcher != peer);
        if self.watchers.is_empty() {
            self.forgotten = self.end();
            self.events = VecDeque::new();
            self.bytes = 0;
        }
    }

    /// Remembers an event, if anybody watches; the oldest ones make place for it.
    pub fn push(&mut self, event: Event) {
        if !self.is_manned() {
            return;
        }
        self.bytes += event.bytes();
        self.events.push_back(event);
        while self.events.len() > WATCH_EVENTS_MAX || self.bytes > WATCH_RING_BYTES_MAX {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.bytes();
            self.forgotten += 1;
        }
        self.stirred = true;
    }

    /// The number of the event that comes next.
    pub fn end(&self) -> u64 {
        self.forgotten + self.events.len() as u64
    }

    /// The number of the oldest event that is still there.
    pub fn begin(&self) -> u64 {
        self.forgotten
    }

    /// An event by its number, if it is there.
    pub fn event(&self, number: u64) -> Option<&Event> {
        self.events.get(usize::try_from(number.checked_sub(self.forgotten)?).ok()?)
    }

    /// Bytes that the ring holds.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Some watcher may be shown more.
    pub fn stir(&mut self) {
        self.stirred = true;
    }

    /// Whether some watcher may be shown more.
    pub fn is_stirred(&self) -> bool {
        self.stirred
    }

    /// The same, once.
    pub fn take_stirred(&mut self) -> bool {
        std::mem::take(&mut self.stirred)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::message::Medium;

    fn event(text: &str) -> Event {
        let door =
            Door { endpoint: "tcp".into(), service: Service::Chat, medium: Medium::Tcp, allowed: None };
        let sight = Sight::Replied(text.into());
        Event { at: Moment::at(0), door: Rc::new(door), origin: Origin::Input, service: Service::Chat, sight }
    }

    fn peer(index: u32) -> Peer {
        Peer { index, generation: 1 }
    }

    #[test]
    fn nothing_is_kept_while_nobody_watches_or_once_nobody_does() {
        let mut tower = Watchtower::default();
        tower.push(event("x"));
        assert_eq!((tower.end(), tower.bytes()), (0, 0));
        assert!(tower.enter(peer(1), 1) && tower.enter(peer(1), 1));
        tower.push(event("x"));
        assert!((tower.end(), tower.take_stirred(), tower.is_stirred()) == (1, true, false));
        tower.leave(peer(1));
        assert_eq!((tower.begin(), tower.end(), tower.bytes()), (1, 1, 0));
    }

    #[test]
    fn the_ring_is_bounded_in_events_and_in_bytes_and_counts_what_it_forgot() {
        for text in ["", &"x".repeat(4096)] {
            let mut tower = Watchtower::default();
            tower.enter(peer(1), 1);
            for _ in 0..3 * WATCH_EVENTS_MAX {
                tower.push(event(text));
                assert!(tower.bytes() <= WATCH_RING_BYTES_MAX && tower.events.len() <= WATCH_EVENTS_MAX);
            }
            assert_eq!(tower.end(), 3 * WATCH_EVENTS_MAX as u64);
            assert!(tower.event(tower.begin() - 1).is_none() && tower.event(tower.begin()).is_some());
            assert!(tower.event(tower.end() - 1).is_some() && tower.event(tower.end()).is_none());
        }
    }

    #[test]
    fn there_is_no_place_for_more_watchers_than_the_bound() {
        let mut tower = Watchtower::default();
        assert!((0..3).all(|index| tower.enter(peer(index), 3)));
        assert!(!tower.enter(peer(1000), 3) && tower.enter(peer(0), 3));
        assert!(tower.enter(peer(1000), 4), "a reload gives it one");
        tower.leave(peer(0));
        assert!(!tower.enter(peer(0), 2), "and takes it away, once it is left");
    }
}
