//! How often to look for a message in shared memory before going to sleep. A peer that answers at once then needs no system
//! call to be heard, and neither do we; one that does not costs a few looks. Knows no memory.

use std::time::{Duration, Instant};

/// Looks before going to sleep, with a chance for other processes on this processor between two. Measured: 32 take 5 µs where
/// nobody else wants the processor.
const LOOKS: u32 = 32;

/// How many failures in a row it takes to stop looking.
const CREDIT: u32 = 8;

/// Then one in so many times is tried all the same.
const RETRY: u32 = 64;

/// Looking that takes longer has given the processor to somebody who has used it.
const TOO_LONG: Duration = Duration::from_micros(200);

/// Whether looking has paid lately.
#[derive(Debug)]
pub struct Patience {
    credit: u32,
    skipped: u32,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience { credit: CREDIT, skipped: 0 }
    }
}

impl Patience {
    /// Looks for something, for as long as that has paid lately; returns whether it is there.
    pub fn look(&mut self, mut is_there: impl FnMut() -> bool) -> bool {
        let looks = self.looks();
        if looks == 0 {
            return false;
        }
        let begun = Instant::now();
        let found = (0..looks).any(|look| {
            if look > 0 {
                std::thread::yield_now();
            }
            is_there()
        });
        self.note(found, begun.elapsed());
        found
    }

    /// How many looks to take now.
    fn looks(&mut self) -> u32 {
        if self.credit > 0 {
            return LOOKS;
        }
        self.skipped = (self.skipped + 1) % RETRY;
        if self.skipped == 0 { LOOKS } else { 0 }
    }

    /// What came of it.
    fn note(&mut self, found: bool, took: Duration) {
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
    fn looking_that_does_not_pay_is_given_up_and_tried_again_now_and_then() {
        let mut patience = Patience::default();
        let (short, long) = (Duration::from_micros(3), Duration::from_millis(3));
        for _ in 0..CREDIT {
            assert_eq!(patience.looks(), LOOKS);
            patience.note(false, short);
        }
        let tried = (0..10 * RETRY).filter(|_| patience.looks() > 0).count();
        assert_eq!(tried, 10);
        patience.note(true, short);
        assert_eq!(patience.looks(), LOOKS, "a success is worth a few failures");
        patience.note(true, long);
        assert_eq!(patience.looks(), 0, "found, but others had the processor meanwhile");
    }
}
