//! The rate limit of one peer: messages per second, and a burst beyond that.

use std::collections::HashMap;
use std::time::Duration;

use super::limits::{MESSAGES_BURST, PACES_OF_SOURCES_MAX, PER_SECOND_MAX};
use super::message::Timestamp;
use super::source::Source;

/// What is left of a peer's burst. This is a token bucket, stored as the time at which it is full again (the "generic cell rate
/// algorithm" of ATM Forum TM 4.0).
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace(Timestamp);

impl Pace {
    /// When one more message may be taken, if not now. `per_second` 0 is no limit.
    pub fn until(self, now: Timestamp, per_second: u32) -> Option<Timestamp> {
        let gap = gap(per_second)?;
        let early = (MESSAGES_BURST - 1) * gap;
        (now + early < self.0)
            .then(|| Timestamp::at(self.0.micros().saturating_sub(early.as_micros() as u64)))
    }

    /// Counts a message.
    pub fn count(&mut self, now: Timestamp, per_second: u32) {
        if let Some(gap) = gap(per_second) {
            self.0 = self.0.max(now) + gap;
        }
    }
}

/// What is left of the bursts of recent clients, by source: a client that reconnects gets no new burst.
#[derive(Debug, Default)]
pub struct Lately(HashMap<Source, Pace>);

impl Lately {
    /// Notes what a client of this source has left.
    pub fn note(&mut self, now: Timestamp, source: Source, pace: Pace) {
        if self.0.len() >= PACES_OF_SOURCES_MAX && !self.0.contains_key(&source) {
            self.0.retain(|_, pace| pace.0 > now);
            if self.0.len() >= PACES_OF_SOURCES_MAX {
                return;
            }
        }
        let least = self.0.entry(source).or_default();
        least.0 = least.0.max(pace.0);
    }

    /// What a new client from this source has left; `None`: a whole burst.
    pub fn of(&self, now: Timestamp, source: Source) -> Option<Pace> {
        self.0.get(&source).copied().filter(|pace| pace.0 > now)
    }
}

/// The time between two messages.
fn gap(per_second: u32) -> Option<Duration> {
    (per_second > 0).then(|| Duration::from_micros(u64::from(1_000_000 / per_second.min(PER_SECOND_MAX))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of messages that are taken until then from a new peer that sends as many as it can.
    fn taken(per_second: u32, until: u64) -> usize {
        let (mut pace, mut now, mut count) = (Pace::default(), Timestamp::at(5), 0);
        loop {
            match pace.until(now, per_second) {
                Some(next) => now = next,
                None => {
                    pace.count(now, per_second);
                    count += 1;
                }
            }
            if now.micros() > until || count > 100_000 {
                return count;
            }
        }
    }

    #[test]
    fn burst_of_ten_is_taken_at_once_then_the_rate_applies() {
        assert_eq!(taken(3, 300_000), 10);
        assert_eq!(taken(3, 10_000_000), 10 + 30);
        assert_eq!(taken(1, 60_000_000), 10 + 59);
        assert_eq!(taken(PER_SECOND_MAX, 1_000_000), 10 + 9999);
        assert_eq!(taken(0, 10), 100_001, "no bound");
    }

    #[test]
    fn returning_source_keeps_its_balance_and_few_are_remembered() {
        let (mut lately, now) = (Lately::default(), Timestamp::at(1));
        let mut pace = Pace::default();
        (0..10).for_each(|_| pace.count(now, 3));
        lately.note(now, Source::User(1), pace);
        lately.note(now, Source::User(1), Pace::default());
        let again = lately.of(now, Source::User(1)).unwrap();
        assert_eq!(again.until(now, 3), pace.until(now, 3));
        assert!(lately.of(now, Source::User(2)).is_none());
        assert!(lately.of(now + Duration::from_secs(4), Source::User(1)).is_none(), "it is whole again");
        for uid in 0..3 * PACES_OF_SOURCES_MAX as u32 {
            lately.note(now, Source::User(uid), pace);
            assert!(lately.0.len() <= PACES_OF_SOURCES_MAX);
        }
        let later = now + Duration::from_secs(9);
        pace.count(later, 3);
        lately.note(later, Source::Loopback, pace);
        assert_eq!(lately.0.len(), 1, "room is made when it is wanted");
    }

    #[test]
    fn quiet_source_regains_one_burst_at_most() {
        let mut pace = Pace::default();
        for second in [0, 100, 200] {
            let now = Timestamp::at(second * 1_000_000);
            for _ in 0..10 {
                assert_eq!(pace.until(now, 3), None);
                pace.count(now, 3);
            }
            assert_eq!(pace.until(now, 3), Some(now + Duration::from_micros(333_333)));
        }
    }
}
