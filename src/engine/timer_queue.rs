//! The time at which each peer must be handled. Each peer has one lazy entry: a deadline that moves later costs nothing until the
//! old one comes, so a request on a busy connection touches no timer. A stale entry is dropped when it comes to the front, or when
//! half of all entries are stale. So there are at most twice as many entries as peers. Only when the deadlines of all peers move
//! closer at once, there is for a short time one more for each kind of deadline.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::capacity::shrunk;
use super::message::{ConnectionId, Timestamp};

/// Stale entries that are not worth dropping.
const KEPT: usize = 64;

/// The deadlines of all peers, the next one first.
#[derive(Debug, Default)]
pub struct TimerQueue {
    /// An entry is stale if its peer's timer has another time.
    entries: BinaryHeap<Reverse<(Timestamp, ConnectionId)>>,
    stale: usize,
}

/// When one peer is woken; a part of its session.
#[derive(Debug, Default)]
pub struct Timer(Option<Timestamp>);

impl TimerQueue {
    /// Wakes `peer` at `wanted` or earlier.
    pub fn arm(&mut self, peer: ConnectionId, timer: &mut Timer, wanted: Option<Timestamp>) {
        let Some(wanted) = wanted else { return };
        match timer.0 {
            Some(armed) if armed <= wanted => return,
            Some(_) => self.stale += 1,
            None => {}
        };
        self.entries.push(Reverse((wanted, peer)));
        timer.0 = Some(wanted);
    }

    /// Makes the entry of a closing peer stale. Call [`compact`](Self::compact) afterwards.
    pub fn disarm(&mut self, timer: &mut Timer) {
        self.stale += usize::from(timer.0.take().is_some());
    }

    /// Drops stale entries at the front, so that they cause no wakeup, and all of them once they are many. `is_armed`
    /// says whether a peer's timer has that time.
    pub fn compact(&mut self, is_armed: impl Fn(ConnectionId, Timestamp) -> bool) {
        if self.stale > KEPT + self.entries.len() / 2 {
            self.entries.retain(|Reverse((at, peer))| is_armed(*peer, *at));
            self.stale = 0;
        }
        while let Some(Reverse((at, peer))) = self.entries.peek()
            && !is_armed(*peer, *at)
        {
            self.entries.pop();
            self.stale = self.stale.saturating_sub(1);
        }
        if let Some(capacity) = shrunk(self.entries.len(), self.entries.capacity()) {
            self.entries.shrink_to(capacity);
        }
    }

    /// When the next peer must be woken.
    pub fn next(&self) -> Option<Timestamp> {
        self.entries.peek().map(|Reverse((at, _))| *at)
    }

    /// When each peer is woken, in no order, including stale entries.
    pub fn entries(&self) -> impl Iterator<Item = (Timestamp, ConnectionId)> {
        self.entries.iter().map(|Reverse(entry)| *entry)
    }

    /// The first of those entries.
    pub fn first(&self) -> Option<(Timestamp, ConnectionId)> {
        self.entries.peek().map(|Reverse(entry)| *entry)
    }

    /// Takes the next peer whose deadline has passed. Then call [`Timer::mark_fired`] and [`compact`](Self::compact).
    pub fn pop(&mut self, now: Timestamp) -> Option<ConnectionId> {
        if self.next()? > now {
            return None;
        }
        self.entries.pop().map(|Reverse((_, peer))| peer)
    }
}

impl Timer {
    /// Marks that the entry was taken by [`TimerQueue::pop`].
    pub fn mark_fired(&mut self) {
        self.0 = None;
    }

    /// When it wakes its peer.
    pub fn at(&self) -> Option<Timestamp> {
        self.0
    }

    /// Whether it wakes its peer at this time.
    pub fn is_for(&self, at: Timestamp) -> bool {
        self.0 == Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(index: u32) -> ConnectionId {
        ConnectionId { index, generation: 1 }
    }

    #[test]
    fn earliest_timer_fires_first_and_rescheduling_adds_no_entry() {
        let mut queue = TimerQueue::default();
        let mut timers = [Timer::default(), Timer::default()];
        let mut arm = |queue: &mut TimerQueue, index: usize, wanted| {
            queue.arm(peer(index as u32), &mut timers[index], wanted);
        };
        arm(&mut queue, 0, Some(Timestamp::at(50)));
        arm(&mut queue, 1, Some(Timestamp::at(70)));
        arm(&mut queue, 0, Some(Timestamp::at(90)));
        arm(&mut queue, 1, Some(Timestamp::at(30)));
        arm(&mut queue, 1, None);
        assert_eq!((queue.next(), queue.entries.len()), (Some(Timestamp::at(30)), 3));
        assert_eq!(queue.pop(Timestamp::at(29)), None);
        assert_eq!(queue.pop(Timestamp::at(60)), Some(peer(1)));
        timers[1].mark_fired();
        queue.compact(|peer, at| timers[peer.index as usize].is_for(at));
        assert_eq!(queue.pop(Timestamp::at(60)), Some(peer(0)));
        timers[0].mark_fired();
        queue.compact(|peer, at| timers[peer.index as usize].is_for(at));
        assert_eq!((queue.next(), queue.pop(Timestamp::at(1000))), (None, None), "one of 70 was stale");
    }

    #[test]
    fn removed_timers_leave_no_entries_and_never_fire() {
        let mut queue = TimerQueue::default();
        let mut timers: Vec<Timer> = (0..1000).map(|_| Timer::default()).collect();
        for (index, timer) in timers.iter_mut().enumerate() {
            queue.arm(peer(index as u32), timer, Some(Timestamp::at(index as u64)));
        }
        for index in 0..999 {
            queue.disarm(&mut timers[index]);
            queue.compact(|peer, at| timers[peer.index as usize].is_for(at));
            assert_eq!(queue.next(), Some(Timestamp::at(index as u64 + 1)));
        }
        // Disarmed from the end, so that none of them comes to the front.
        timers.truncate(1);
        for _ in 0..999 {
            let mut timer = Timer::default();
            queue.arm(peer(0), &mut timer, Some(Timestamp::at(5000)));
            queue.disarm(&mut timer);
            queue.compact(|_, at| at == Timestamp::at(999));
            assert!(queue.entries.len() <= 3 * KEPT, "{}", queue.entries.len());
        }
        assert!(queue.next() == Some(Timestamp::at(999)) && queue.entries.capacity() <= 8 * KEPT);
    }
}
