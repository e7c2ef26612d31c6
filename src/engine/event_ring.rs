//! Recent events for watchers: one bounded ring, in which each watcher has its own position. It is empty while there are no
//! watchers.

use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;

use super::diagnosis::Mistake;
use super::limits::{WATCH_EVENT_BYTES, WATCH_EVENTS_MAX, WATCH_RING_BYTES_MAX};
use super::message::{Binding, ConnectionId, RemoteAddress, Timestamp};
use super::service::Service;
use super::service::watch::TraceEvent;
use super::source::Source;
use super::words;

/// An event of a connection, as the ring keeps it.
#[derive(Debug)]
pub struct RingEntry {
    /// The time.
    pub at: Timestamp,
    /// The endpoint.
    pub binding: Rc<Binding>,
    /// The peer; `None`: the servers of a shared room.
    pub remote: Option<RemoteAddress>,
    /// The service.
    pub service: Service,
    /// Its name in the room.
    pub name: Option<Box<str>>,
    /// The event.
    pub trace: TraceEvent,
}

impl RingEntry {
    fn bytes(&self) -> usize {
        WATCH_EVENT_BYTES + self.trace.text_bytes() + self.name.as_ref().map_or(0, |name| name.len())
    }
}

/// At least this many users can watch at the same time, so that no user can keep all others out.
const USERS_MIN: usize = 4;

/// Why a client may not watch now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// The number of watchers has reached its limit.
    All,
    /// Its user has as many watchers as one user may have.
    Share(usize),
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Full::All => f.write_str(words::TOO_MANY_WATCHERS),
            Full::Share(share) => {
                write!(f, "your user already has {share} watchers, the most for one user; end one of them")
            }
        }
    }
}

/// The ring and its readers.
#[derive(Debug, Default)]
pub struct EventRing {
    watchers: Vec<(ConnectionId, Source)>,
    events: VecDeque<RingEntry>,
    bytes: usize,
    /// The number of events that were dropped from the ring.
    forgotten: u64,
    /// Set if some watcher may have events to be shown.
    pending: bool,
    /// The mistakes that connections were told lately, one bit each.
    named: VecDeque<(ConnectionId, u32)>,
}

/// A bit in addition to those of the mistakes: the client may have left between two replies.
const LEAVES_EARLY: u32 = 1 << 31;

/// Connections whose reported mistakes are remembered. If one is forgotten, its mistakes may be reported again.
const NAMED_MAX: usize = 256;

impl EventRing {
    /// Whether there are watchers.
    pub fn has_subscribers(&self) -> bool {
        !self.watchers.is_empty()
    }

    /// The watchers.
    pub fn watchers(&self) -> impl Iterator<Item = ConnectionId> {
        self.watchers.iter().map(|(peer, _)| *peer)
    }

    /// Adds a watcher, unless there are `max`, or its user has its share of them.
    pub fn enter(&mut self, peer: ConnectionId, remote: RemoteAddress, max: usize) -> Result<(), Full> {
        if self.watchers().any(|watcher| watcher == peer) {
            return Ok(());
        }
        if self.watchers.len() >= max {
            return Err(Full::All);
        }
        let (user, share) = (Source::from(remote), (max / USERS_MIN).max(1));
        if self.watchers.iter().filter(|(_, other)| *other == user).count() >= share {
            return Err(Full::Share(share));
        }
        self.watchers.push((peer, user));
        Ok(())
    }

    /// Removes a watcher.
    pub fn leave(&mut self, peer: ConnectionId) {
        self.watchers.retain(|(watcher, _)| *watcher != peer);
        if self.watchers.is_empty() {
            self.forgotten = self.end();
            self.events = VecDeque::new();
            self.named = VecDeque::new();
            self.bytes = 0;
        }
    }

    /// Adds an event, if there are watchers; it replaces the oldest ones.
    pub fn push(&mut self, event: RingEntry) {
        if !self.has_subscribers() {
            return;
        }
        self.bytes += event.bytes();
        self.events.push_back(event);
        while self.events.len() > WATCH_EVENTS_MAX || self.bytes > WATCH_RING_BYTES_MAX {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.bytes();
            self.forgotten += 1;
        }
        self.pending = true;
    }

    /// Whether to tell a connection's mistake: it was not told yet, or is told each time.
    pub fn is_news(&mut self, peer: ConnectionId, mistake: Mistake) -> bool {
        match mistake.once() {
            // Joined sends may turn one number into two, or three into four: a wrong count after them is no news.
            None => !mistake.is_count() || !self.knows(peer, Mistake::JoinedSends),
            Some(bit) => self.name(peer, bit),
        }
    }

    /// Whether a connection was told of a mistake.
    pub fn knows(&self, peer: ConnectionId, mistake: Mistake) -> bool {
        self.has(peer, mistake.once().unwrap_or(0))
    }

    /// A connection may have left between two replies.
    pub fn suspect(&mut self, peer: ConnectionId) {
        self.name(peer, LEAVES_EARLY);
    }

    /// Whether a connection may have left between two replies.
    pub fn suspects(&self, peer: ConnectionId) -> bool {
        self.has(peer, LEAVES_EARLY)
    }

    fn has(&self, peer: ConnectionId, bit: u32) -> bool {
        self.named.iter().any(|(other, bits)| *other == peer && bits & bit > 0)
    }

    /// Remembers something about a connection; returns whether it is new.
    fn name(&mut self, peer: ConnectionId, bit: u32) -> bool {
        if let Some((_, bits)) = self.named.iter_mut().find(|(other, _)| *other == peer) {
            return std::mem::replace(bits, *bits | bit) & bit == 0;
        }
        if self.named.len() == NAMED_MAX {
            self.named.pop_front();
        }
        self.named.push_back((peer, bit));
        true
    }

    /// The number of the next event.
    pub fn end(&self) -> u64 {
        self.forgotten + self.events.len() as u64
    }

    /// The number of the oldest event in the ring.
    pub fn begin(&self) -> u64 {
        self.forgotten
    }

    /// An event by its number, if it is in the ring.
    pub fn event(&self, number: u64) -> Option<&RingEntry> {
        self.events.get(usize::try_from(number.checked_sub(self.forgotten)?).ok()?)
    }

    /// The bytes in the ring.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Some watcher may have events to be shown.
    pub fn mark_pending(&mut self) {
        self.pending = true;
    }

    /// Whether some watcher may have events to be shown.
    pub fn has_pending(&self) -> bool {
        self.pending
    }

    /// Whether some watcher may have events to be shown; clears the mark.
    pub fn take_pending(&mut self) -> bool {
        std::mem::take(&mut self.pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::message::Transport;

    fn event(text: &str) -> RingEntry {
        let binding = Binding {
            endpoint: "tcp".into(),
            service: Service::Chat,
            transport: Transport::TCP,
            allowed: None,
        };
        let trace = TraceEvent::Replied(text.into());
        RingEntry {
            at: Timestamp::at(0),
            binding: Rc::new(binding),
            remote: Some(RemoteAddress::Input),
            service: Service::Chat,
            name: None,
            trace,
        }
    }

    fn peer(index: u32) -> ConnectionId {
        ConnectionId { index, generation: 1 }
    }

    /// Adds a watcher with its own user.
    fn enter(event_ring: &mut EventRing, index: u32, max: usize) -> Result<(), Full> {
        event_ring.enter(peer(index), RemoteAddress::Process { uid: index, gid: 1, pid: 1 }, max)
    }

    #[test]
    fn events_are_kept_only_while_somebody_watches() {
        let mut event_ring = EventRing::default();
        event_ring.push(event("x"));
        assert_eq!((event_ring.end(), event_ring.bytes()), (0, 0));
        assert!(enter(&mut event_ring, 1, 1).is_ok() && enter(&mut event_ring, 1, 1).is_ok());
        event_ring.push(event("x"));
        assert!((event_ring.end(), event_ring.take_pending(), event_ring.has_pending()) == (1, true, false));
        event_ring.leave(peer(1));
        assert_eq!((event_ring.begin(), event_ring.end(), event_ring.bytes()), (1, 1, 0));
    }

    #[test]
    fn ring_is_bounded_in_events_and_bytes_and_counts_dropped_ones() {
        for text in ["", &"x".repeat(4096)] {
            let mut event_ring = EventRing::default();
            enter(&mut event_ring, 1, 1).unwrap();
            for _ in 0..3 * WATCH_EVENTS_MAX {
                event_ring.push(event(text));
                assert!(
                    event_ring.bytes() <= WATCH_RING_BYTES_MAX && event_ring.events.len() <= WATCH_EVENTS_MAX
                );
            }
            assert_eq!(event_ring.end(), 3 * WATCH_EVENTS_MAX as u64);
            assert!(
                event_ring.event(event_ring.begin() - 1).is_none()
                    && event_ring.event(event_ring.begin()).is_some()
            );
            assert!(
                event_ring.event(event_ring.end() - 1).is_some()
                    && event_ring.event(event_ring.end()).is_none()
            );
        }
    }

    #[test]
    fn number_of_watchers_is_bounded() {
        let mut event_ring = EventRing::default();
        assert!((0..3).all(|index| enter(&mut event_ring, index, 3).is_ok()));
        assert_eq!(enter(&mut event_ring, 1000, 3), Err(Full::All));
        assert_eq!(enter(&mut event_ring, 0, 3), Ok(()), "it is there already");
        assert_eq!(enter(&mut event_ring, 1000, 4), Ok(()), "a reload gives it one");
        event_ring.leave(peer(0));
        assert_eq!(enter(&mut event_ring, 0, 2), Err(Full::All), "and takes it away, once it is left");
    }

    #[test]
    fn user_has_a_quarter_of_the_places_and_unknown_users_share_one() {
        let users = [
            RemoteAddress::Process { uid: 1000, gid: 1, pid: 1 },
            RemoteAddress::Process { uid: 0, gid: 1, pid: 1 },
            RemoteAddress::Unknown { pid: 7 },
            RemoteAddress::Process { uid: 1001, gid: 1, pid: 1 },
        ];
        for max in [1, 3, 4, 16, 19, 64] {
            let mut event_ring = EventRing::default();
            let share = if max < 8 { 1 } else { max / 4 };
            let mut peers = (0..).map(peer);
            for (at, user) in users.into_iter().enumerate().take(max) {
                for _ in 0..share {
                    assert_eq!(event_ring.enter(peers.next().unwrap(), user, max), Ok(()), "{max} {user}");
                }
                let full = if (at + 1) * share == max { Full::All } else { Full::Share(share) };
                let again = match user {
                    RemoteAddress::Process { uid, .. } => RemoteAddress::Process { uid, gid: 5, pid: 99 },
                    _ => RemoteAddress::Unknown { pid: 0 },
                };
                assert_eq!(event_ring.enter(peers.next().unwrap(), again, max), Err(full), "{max} {user}");
            }
        }
    }
}
