//! Who must be woken when. One entry a peer, and that one lazy: a deadline that moves later costs nothing until the
//! old one comes, so that a request on a busy connection touches no timer at all. Nor is an entry looked for that has
//! become void: it is dropped when it comes to the front, or when half of all are. So there are twice as many entries as
//! peers, and for a moment, where all peers' deadlines come closer at once, one more for each kind of deadline.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::capacity::shrunk;
use super::message::{ConnectionId, Timestamp};

/// Void entries that are not worth dropping.
const KEPT: usize = 64;

/// The deadlines of all peers, the next one first.
#[derive(Debug, Default)]
pub struct TimerQueue {
    /// Void is an entry whose peer's alarm says another moment.
    entries: BinaryHeap<Reverse<(Timestamp, ConnectionId)>>,
    void: usize,
}

/// A peer's own half: when it will be woken. Belongs into its session.
#[derive(Debug, Default)]
pub struct Timer(Option<Timestamp>);

impl TimerQueue {
    /// Sees to it that `peer` is woken at `wanted`, or earlier.
    pub fn arm(&mut self, peer: ConnectionId, timer: &mut Timer, wanted: Option<Timestamp>) {
        let Some(wanted) = wanted else { return };
        match timer.0 {
            Some(armed) if armed <= wanted => return,
            Some(_) => self.void += 1,
            None => {}
        };
        self.entries.push(Reverse((wanted, peer)));
        timer.0 = Some(wanted);
    }

    /// The entry of a peer that goes is void. To be followed by [`tidy`](Self::tidy).
    pub fn disarm(&mut self, timer: &mut Timer) {
        self.void += usize::from(timer.0.take().is_some());
    }

    /// Drops void entries in front, so that nobody wakes for them, and all of them where they are many. `is_armed`
    /// says whether a peer's alarm is for that moment.
    pub fn tidy(&mut self, is_armed: impl Fn(ConnectionId, Timestamp) -> bool) {
        if self.void > KEPT + self.entries.len() / 2 {
            self.entries.retain(|Reverse((at, peer))| is_armed(*peer, *at));
            self.void = 0;
        }
        while let Some(Reverse((at, peer))) = self.entries.peek()
            && !is_armed(*peer, *at)
        {
            self.entries.pop();
            self.void = self.void.saturating_sub(1);
        }
        if let Some(capacity) = shrunk(self.entries.len(), self.entries.capacity()) {
            self.entries.shrink_to(capacity);
        }
    }

    /// When the next peer must be woken.
    pub fn next(&self) -> Option<Timestamp> {
        self.entries.peek().map(|Reverse((moment, _))| *moment)
    }

    /// Who is woken, and when, in no order; void entries included.
    pub fn entries(&self) -> impl Iterator<Item = (Timestamp, ConnectionId)> {
        self.entries.iter().map(|Reverse(entry)| *entry)
    }

    /// The next of them.
    pub fn first(&self) -> Option<(Timestamp, ConnectionId)> {
        self.entries.peek().map(|Reverse(entry)| *entry)
    }

    /// Takes the next peer whose time has come; its alarm has to be [rung](Alarm::ring), and what is behind it
    /// [tidied](Self::tidy).
    pub fn pop(&mut self, now: Timestamp) -> Option<ConnectionId> {
        if self.next()? > now {
            return None;
        }
        self.entries.pop().map(|Reverse((_, peer))| peer)
    }
}

impl Timer {
    /// Marks that the entry was taken by [`TimerQueue::pop`].
    pub fn ring(&mut self) {
        self.0 = None;
    }

    /// When it wakes its peer.
    pub fn at(&self) -> Option<Timestamp> {
        self.0
    }

    /// Whether it is for that moment.
    pub fn is_for(&self, moment: Timestamp) -> bool {
        self.0 == Some(moment)
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
        let mut deadlines = TimerQueue::default();
        let mut timers = [Timer::default(), Timer::default()];
        let mut arm = |deadlines: &mut TimerQueue, index: usize, wanted| {
            deadlines.arm(peer(index as u32), &mut timers[index], wanted);
        };
        arm(&mut deadlines, 0, Some(Timestamp::at(50)));
        arm(&mut deadlines, 1, Some(Timestamp::at(70)));
        arm(&mut deadlines, 0, Some(Timestamp::at(90)));
        arm(&mut deadlines, 1, Some(Timestamp::at(30)));
        arm(&mut deadlines, 1, None);
        assert_eq!((deadlines.next(), deadlines.entries.len()), (Some(Timestamp::at(30)), 3));
        assert_eq!(deadlines.pop(Timestamp::at(29)), None);
        assert_eq!(deadlines.pop(Timestamp::at(60)), Some(peer(1)));
        timers[1].ring();
        deadlines.tidy(|peer, at| timers[peer.index as usize].is_for(at));
        assert_eq!(deadlines.pop(Timestamp::at(60)), Some(peer(0)));
        timers[0].ring();
        deadlines.tidy(|peer, at| timers[peer.index as usize].is_for(at));
        assert_eq!(
            (deadlines.next(), deadlines.pop(Timestamp::at(1000))),
            (None, None),
            "one of 70 was void"
        );
    }

    #[test]
    fn removed_timers_leave_no_entries_and_never_fire() {
        let mut deadlines = TimerQueue::default();
        let mut timers: Vec<Timer> = (0..1000).map(|_| Timer::default()).collect();
        for (index, timer) in timers.iter_mut().enumerate() {
            deadlines.arm(peer(index as u32), timer, Some(Timestamp::at(index as u64)));
        }
        for index in 0..999 {
            deadlines.disarm(&mut timers[index]);
            deadlines.tidy(|peer, at| timers[peer.index as usize].is_for(at));
            assert_eq!(deadlines.next(), Some(Timestamp::at(index as u64 + 1)));
        }
        // From behind, none of them comes to the front.
        timers.truncate(1);
        for _ in 0..999 {
            let mut timer = Timer::default();
            deadlines.arm(peer(0), &mut timer, Some(Timestamp::at(5000)));
            deadlines.disarm(&mut timer);
            deadlines.tidy(|_, at| at == Timestamp::at(999));
            assert!(deadlines.entries.len() <= 3 * KEPT, "{}", deadlines.entries.len());
        }
        assert!(deadlines.next() == Some(Timestamp::at(999)) && deadlines.entries.capacity() <= 8 * KEPT);
    }
}
