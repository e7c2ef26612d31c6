//! Whether the room is whole, and whether its members were told. Knows time and reasons.

use super::super::message::Timestamp;
use super::bounds::CUT_OFF_AFTER;
use super::events::Events;
use super::reason::Reason;

/// The state.
#[derive(Debug)]
pub struct Health {
    /// Whether messages reach the room.
    pub is_up: bool,
    has_reported_down: bool,
    broken_since: Option<Timestamp>,
    /// Whether any batch of ours came back since the connection became ready.
    is_proved: bool,
    /// Why there is no connection.
    pub link: Option<Reason>,
    /// Why the log cannot be read or written.
    pub room: Option<Reason>,
}

/// What is known at a given time.
#[derive(Clone, Copy, Debug)]
pub struct Signs {
    /// Whether a connection is ready.
    pub is_connected: bool,
    /// Whether the log was read up to its end.
    pub is_caught_up: bool,
    /// Since when a batch of ours has not come back.
    pub unheard_since: Option<Timestamp>,
}

impl Health {
    pub fn new(now: Timestamp) -> Health {
        Health {
            is_up: false,
            has_reported_down: false,
            broken_since: Some(now),
            is_proved: false,
            link: None,
            room: None,
        }
    }

    /// Requires a new proof, because a connection has become ready or was lost.
    pub fn doubt(&mut self) {
        self.is_proved = false;
    }

    /// Notes that a batch of ours has come back, which proves that the room works.
    pub fn prove(&mut self) {
        (self.is_proved, self.room) = (true, None);
    }

    /// Whether a batch of ours came back on this connection.
    pub fn is_proved(&self) -> bool {
        self.is_proved
    }

    /// The reason why the room is not whole.
    pub fn reason(&self, signs: Signs) -> Reason {
        if !signs.is_connected {
            return self.link.clone().unwrap_or(Reason::NotConnected);
        }
        let reading = if signs.is_caught_up { Reason::NoQuorum } else { Reason::CatchingUp };
        self.room.clone().unwrap_or(reading)
    }

    /// Decides whether the room is whole, and reports a change.
    pub fn check(&mut self, signs: Signs, sequence: u64, now: Timestamp, events: &mut Events) {
        let is_sound = signs.is_connected && signs.is_caught_up && self.is_proved;
        self.broken_since = if is_sound { None } else { self.broken_since.or(Some(now)) };
        let is_late = self.late_at(signs).is_some_and(|at| at <= now);
        if is_late && (self.is_up || !self.has_reported_down) {
            (self.is_up, self.has_reported_down, self.is_proved) = (false, true, false);
            events.down(&self.reason(signs));
        } else if is_sound && !is_late && !self.is_up {
            (self.is_up, self.has_reported_down) = (true, false);
            events.up(sequence);
        }
    }

    fn late_at(&self, signs: Signs) -> Option<Timestamp> {
        let since = [self.broken_since, signs.unheard_since].into_iter().flatten().min()?;
        Some(since + CUT_OFF_AFTER)
    }

    /// When its members must be told that it is cut off.
    pub fn deadline(&self, signs: Signs) -> Option<Timestamp> {
        self.late_at(signs).filter(|_| self.is_up || !self.has_reported_down)
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Event;
    use super::*;

    const SOUND: Signs = Signs { is_connected: true, is_caught_up: true, unheard_since: None };

    #[test]
    fn members_learn_once_that_the_room_is_cut_off_and_once_that_it_is_whole() {
        let (mut events, at) = (Events::default(), |seconds: u64| Timestamp::at(seconds * 1_000_000));
        let mut health = Health::new(at(0));
        let cut = Signs { is_connected: false, ..SOUND };
        let stuck = Signs { unheard_since: Some(at(40)), ..SOUND };
        let script =
            [(0, cut), (3, cut), (9, cut), (10, SOUND), (20, cut), (22, SOUND), (41, stuck), (43, stuck)];
        let mut told = Vec::new();
        for (seconds, signs) in script {
            if signs.is_connected && seconds < 41 {
                health.prove();
            }
            health.check(signs, 0, at(seconds), &mut events);
            while let Some(event) = events.next() {
                match event {
                    Event::Up => told.push((seconds, "up".to_owned())),
                    Event::Down(reason) => told.push((seconds, format!("{reason:?}"))),
                    _ => {}
                }
            }
        }
        let wanted = [(3, "NotConnected"), (10, "up"), (43, "NoQuorum")];
        assert_eq!(told, wanted.map(|(seconds, what)| (seconds, what.to_owned())));
        health.check(SOUND, 0, at(50), &mut events);
        assert!(events.next().is_none(), "nothing of ours has come back yet");
    }
}
