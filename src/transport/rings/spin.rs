//! Adaptive spinning: how often to check for a message in shared memory before going to sleep. If the peer answers at once,
//! neither side needs a system call; otherwise a few checks are wasted. Knows no memory.

use std::time::{Duration, Instant};

/// Checks before going to sleep; between two, other processes get a chance to use this processor. Measured: 32 take 5 µs if no
/// other process wants the processor.
const CHECKS: u32 = 32;

/// The number of failures in a row after which spinning stops.
const CREDIT: u32 = 8;

/// From then on, only one in this many waits spins.
const RETRY: u32 = 64;

/// Spinning that takes longer was a failure: another process has used the processor.
const TOO_LONG: Duration = Duration::from_micros(200);

/// Whether spinning has been worth it recently.
#[derive(Debug)]
pub struct AdaptiveSpin {
    credit: u32,
    skipped: u32,
}

impl Default for AdaptiveSpin {
    fn default() -> AdaptiveSpin {
        AdaptiveSpin { credit: CREDIT, skipped: 0 }
    }
}

impl AdaptiveSpin {
    /// Checks for something, if spinning has been worth it recently; returns whether it is there.
    pub fn spin(&mut self, mut is_there: impl FnMut() -> bool) -> bool {
        let checks = self.checks();
        if checks == 0 {
            return false;
        }
        let begun = Instant::now();
        let found = (0..checks).any(|check| {
            if check > 0 {
                std::thread::yield_now();
            }
            is_there()
        });
        self.record(found, begun.elapsed());
        found
    }

    /// The number of checks this time.
    fn checks(&mut self) -> u32 {
        if self.credit > 0 {
            return CHECKS;
        }
        self.skipped = (self.skipped + 1) % RETRY;
        if self.skipped == 0 { CHECKS } else { 0 }
    }

    /// Records the outcome.
    fn record(&mut self, found: bool, took: Duration) {
        self.credit = match found {
            _ if took > TOO_LONG => 0,
            true => CREDIT,
            false => self.credit.saturating_sub(1),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_spinning_stops_and_is_retried_now_and_then() {
        let mut spin = AdaptiveSpin::default();
        let (short, long) = (Duration::from_micros(3), Duration::from_millis(3));
        for _ in 0..CREDIT {
            assert_eq!(spin.checks(), CHECKS);
            spin.record(false, short);
        }
        let tried = (0..10 * RETRY).filter(|_| spin.checks() > 0).count();
        assert_eq!(tried, 10);
        spin.record(true, short);
        assert_eq!(spin.checks(), CHECKS, "a success is worth a few failures");
        spin.record(true, long);
        assert_eq!(spin.checks(), 0, "found, but others had the processor meanwhile");
    }
}
