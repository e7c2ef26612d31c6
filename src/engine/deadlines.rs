//! Who must be woken when. One entry a peer, and that one lazy: a deadline that moves later costs nothing until the
//! old one comes, so that a request on a busy connection touches no timer at all.

use std::collections::BTreeSet;

use super::message::{Moment, Peer};

/// The deadlines of all peers, the next one first.
#[derive(Debug, Default)]
pub struct Deadlines(BTreeSet<(Moment, Peer)>);

/// A peer's own half: when it will be woken. Belongs into its session.
#[derive(Debug, Default)]
pub struct Alarm(Option<Moment>);

impl Deadlines {
    /// Sees to it that `peer` is woken at `wanted`, or earlier.
    pub fn arm(&mut self, peer: Peer, alarm: &mut Alarm, wanted: Option<Moment>) {
        let Some(wanted) = wanted else { return };
        match alarm.0 {
            Some(armed) if armed <= wanted => return,
            Some(armed) => self.0.remove(&(armed, peer)),
            None => true,
        };
        self.0.insert((wanted, peer));
        alarm.0 = Some(wanted);
    }

    /// Takes the entry of a peer that goes.
    pub fn disarm(&mut self, peer: Peer, alarm: &mut Alarm) {
        if let Some(armed) = alarm.0.take() {
            self.0.remove(&(armed, peer));
        }
    }

    /// When the next peer must be woken.
    pub fn next(&self) -> Option<Moment> {
        self.0.first().map(|(moment, _)| *moment)
    }

    /// Takes the next peer whose time has come; its alarm has to be [rung](Alarm::ring).
    pub fn pop(&mut self, now: Moment) -> Option<Peer> {
        if self.next()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, peer)| peer)
    }
}

impl Alarm {
    /// Marks that the entry was taken by [`Deadlines::pop`].
    pub fn ring(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_is_woken_first_and_a_later_wish_costs_no_entry() {
        let (a, b) = (Peer { index: 1, generation: 1 }, Peer { index: 2, generation: 1 });
        let (mut deadlines, mut alarm_a, mut alarm_b) =
            (Deadlines::default(), Alarm::default(), Alarm::default());
        deadlines.arm(a, &mut alarm_a, Some(Moment(50)));
        deadlines.arm(b, &mut alarm_b, Some(Moment(70)));
        deadlines.arm(a, &mut alarm_a, Some(Moment(90)));
        deadlines.arm(b, &mut alarm_b, Some(Moment(30)));
        deadlines.arm(b, &mut alarm_b, None);
        assert_eq!(deadlines.next(), Some(Moment(30)));
        assert_eq!(deadlines.pop(Moment(29)), None);
        assert_eq!(deadlines.pop(Moment(60)), Some(b));
        assert_eq!(deadlines.pop(Moment(60)), Some(a));
        assert_eq!(deadlines.pop(Moment(1000)), None);
    }

    #[test]
    fn a_peer_that_went_leaves_nothing_behind() {
        let peer = Peer { index: 1, generation: 1 };
        let (mut deadlines, mut alarm) = (Deadlines::default(), Alarm::default());
        deadlines.arm(peer, &mut alarm, Some(Moment(50)));
        deadlines.disarm(peer, &mut alarm);
        assert_eq!(deadlines.next(), None);
    }
}
