//! The clock: one reading a turn, and no time passes while the process does not run.

use std::time::{Duration, Instant};

use crate::engine::message::Timestamp;

/// A turn that takes longer than it asked for by more than this did not run for the rest of the time (it was stopped, or
/// the machine slept): no peer is to blame for that, and no deadline comes nearer.
const LATE_MAX: Duration = Duration::from_secs(1);

/// What is counted of a turn that was late: not nothing, or deadlines would never come where every turn is.
const LATE_COUNTED: Duration = Duration::from_millis(100);

/// Time since the start, without the stretches in which the process did not run.
#[derive(Debug)]
pub(super) struct Clock {
    read: Instant,
    now: Duration,
}

impl Clock {
    /// A clock that goes on from `now`, which is zero unless this process follows another one.
    pub(super) fn start(now: Timestamp) -> Clock {
        Clock { read: Instant::now(), now: Duration::from_micros(now.micros()) }
    }

    /// The time at the last reading.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::at(u64::try_from(self.now.as_micros()).unwrap_or(u64::MAX))
    }

    /// Reads the clock, after a turn that asked to sleep for `asked` at most.
    pub(super) fn advance(&mut self, asked: Option<Duration>) -> Timestamp {
        let read = Instant::now();
        let elapsed = read - self.read;
        self.read = read;
        // The sleep lasts until the nearest deadline: to count all of it would be to blame that deadline's peers.
        let is_late = asked.is_some_and(|asked| elapsed > asked + LATE_MAX);
        self.now += if is_late { LATE_COUNTED } else { elapsed };
        self.now()
    }

    /// How long ago the clock was read, by another reading.
    pub(super) fn since_reading(&self) -> Duration {
        self.read.elapsed()
    }

    /// How long to sleep until `deadline`; a little longer rather than a little shorter.
    pub(super) fn until(&self, deadline: Timestamp) -> Duration {
        deadline.since(self.now()).saturating_sub(self.read.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_without_running_does_not_count() {
        let mut clock = Clock::start(Timestamp::at(0));
        clock.read =
            clock.read.checked_sub(Duration::from_secs(3600)).expect("the machine is up for an hour");
        let now = clock.advance(Some(Duration::from_secs(5)));
        assert_eq!(now, Timestamp::at(0) + LATE_COUNTED);
        clock.read =
            clock.read.checked_sub(Duration::from_secs(600)).expect("the machine is up for ten minutes");
        assert!(
            clock.advance(None) >= now + Duration::from_secs(600),
            "nobody waited for anything: time passes"
        );
    }
}
