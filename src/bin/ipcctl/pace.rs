//! How fast datagrams may be sent so that a daemon answers all of them. Knows times alone.

use std::time::{Duration, Instant};

/// What one answer takes of a sender's share (`answers_per_second`, ipcd.toml(5), unless it is changed there).
const ONE: Duration = Duration::from_millis(100);

/// A share is ten seconds' answers; one less, for one datagram is faster on its way than another.
const SHARE: Duration = Duration::from_millis(9900);

/// A sender's share, as the daemon keeps it too.
#[derive(Default)]
pub(crate) struct Pace {
    /// When it is whole again.
    whole: Option<Instant>,
}

impl Pace {
    /// Takes an answer from it; how long to wait before the request is sent.
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
