//! The rate at which datagrams may be sent so that a daemon answers all of them. Knows only times.

use std::time::{Duration, Instant};

/// The time for one answer, from the default of `answers_per_second` (ipcd.toml(5)).
const ONE: Duration = Duration::from_millis(100);

/// The answers of ten seconds, minus one, because datagrams do not all travel at the same speed.
const SHARE: Duration = Duration::from_millis(9900);

/// A sender's budget, as in the daemon.
#[derive(Default)]
pub(crate) struct Pace {
    /// When the budget is full again.
    whole: Option<Instant>,
}

impl Pace {
    /// Uses one answer of the budget; returns how long to wait before sending the request.
    pub(crate) fn take(&mut self, now: Instant) -> Duration {
        let whole = self.whole.map_or(now, |whole| whole.max(now)) + ONE;
        self.whole = Some(whole);
        (whole - now).saturating_sub(SHARE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_go_in_one_burst_then_one_per_tenth_of_a_second() {
        let (mut pace, begin) = (Pace::default(), Instant::now());
        assert!((0..99).all(|_| pace.take(begin) == Duration::ZERO));
        let mut now = begin;
        for _ in 0..50 {
            let wait = pace.take(now);
            assert_eq!(wait, ONE);
            now += wait;
        }
        assert_eq!(pace.take(now + Duration::from_secs(20)), Duration::ZERO);
    }
}
