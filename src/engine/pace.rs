//! How fast one peer may go on: so many messages a second, and a burst on top. Knows moments; has never seen a message.

use std::time::Duration;

use super::limits::{MESSAGES_BURST, PER_SECOND_MAX};
use super::message::Moment;

/// What a peer has left of its burst (a token bucket, kept as the one moment at which it is full again; ATM Forum
/// TM 4.0 calls that the generic cell rate algorithm).
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace(Moment);

impl Pace {
    /// From when on one more message may be taken, if that is not now. `per_second` 0 is no bound.
    pub fn until(self, now: Moment, per_second: u32) -> Option<Moment> {
        let gap = gap(per_second)?;
        let early = (MESSAGES_BURST - 1) * gap;
        (now + early < self.0).then(|| Moment::at(self.0.micros().saturating_sub(early.as_micros() as u64)))
    }

    /// One message was taken.
    pub fn count(&mut self, now: Moment, per_second: u32) {
        if let Some(gap) = gap(per_second) {
            self.0 = self.0.max(now) + gap;
        }
    }
}

/// The time between two messages.
fn gap(per_second: u32) -> Option<Duration> {
    (per_second > 0).then(|| Duration::from_micros(u64::from(1_000_000 / per_second.min(PER_SECOND_MAX))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of as many messages as anybody can send are taken until then, from a peer that is new.
    fn taken(per_second: u32, until: u64) -> usize {
        let (mut pace, mut now, mut count) = (Pace::default(), Moment::at(5), 0);
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
    fn ten_are_taken_at_once_and_then_so_many_a_second() {
        assert_eq!(taken(3, 300_000), 10);
        assert_eq!(taken(3, 10_000_000), 10 + 30);
        assert_eq!(taken(1, 60_000_000), 10 + 59);
        assert_eq!(taken(PER_SECOND_MAX, 1_000_000), 10 + 9999);
        assert_eq!(taken(0, 10), 100_001, "no bound");
    }

    #[test]
    fn who_has_been_quiet_has_a_burst_again_and_no_more() {
        let mut pace = Pace::default();
        for second in [0, 100, 200] {
            let now = Moment::at(second * 1_000_000);
            for _ in 0..10 {
                assert_eq!(pace.until(now, 3), None);
                pace.count(now, 3);
            }
            assert_eq!(pace.until(now, 3), Some(now + Duration::from_micros(333_333)));
        }
    }
}
