//! The clock, which is read once a turn. Time in which the process does not run does not count.

use std::time::{Duration, Instant};

use crate::engine::message::Timestamp;

/// If a turn takes more than this longer than it asked for, the process did not run in that time (it was stopped, or the machine
/// slept). No peer caused that, so no deadline comes closer.
const LATE_MAX: Duration = Duration::from_secs(1);

/// How much of such a turn counts. With zero, deadlines would never come if every turn were late.
const LATE_COUNTED: Duration = Duration::from_millis(100);

/// The time since the start, without the periods in which the process did not run.
#[derive(Debug)]
pub(super) struct Clock {
    read: Instant,
    now: Duration,
}

impl Clock {
    /// A clock that starts at `now`, which is zero unless this process continues another one.
    pub(super) fn start(now: Timestamp) -> Clock {
        Clock { read: Instant::now(), now: Duration::from_micros(now.micros()) }
    }

    /// The time of the last reading.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::at(u64::try_from(self.now.as_micros()).unwrap_or(u64::MAX))
    }

    /// Reads the clock, after a turn that asked to sleep for at most `asked`.
    pub(super) fn advance(&mut self, asked: Option<Duration>) -> Timestamp {
        let read = Instant::now();
        let elapsed = read - self.read;
        self.read = read;
        // The sleep was to last until the nearest deadline. Counting all of it would blame the peers of that deadline.
        let is_late = asked.is_some_and(|asked| elapsed > asked + LATE_MAX);
        self.now += if is_late { LATE_COUNTED } else { elapsed };
        self.now()
    }

    /// How long ago the clock was read.
    pub(super) fn since_reading(&self) -> Duration {
        self.read.elapsed()
    }

    /// How long to sleep until `deadline`, rounded up.
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
