//! Figures about the process that the engine runs in, for the status report, and rates. Knows no process.

use std::time::Duration;

use super::counters::Counters;
use super::message::Timestamp;
use super::service::Service;

/// Figures that are older than this are asked for again.
pub const FIGURES_AGE_MAX: Duration = Duration::from_millis(100);

/// A rate covers the last ten seconds or more, at most twenty while anything happens.
const WINDOW: Duration = Duration::from_secs(10);

/// Figures about the process; `None`: unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Its memory in bytes (RSS).
    pub resident_bytes: Option<u64>,
    /// Open descriptors.
    pub descriptors: Option<u64>,
    /// The limit on open descriptors.
    pub descriptors_max: Option<u64>,
    /// Log lines that could not be written, since the start.
    pub log_lines_dropped: u64,
    /// Whether the last reload succeeded, and its time.
    pub reload: Option<(bool, Timestamp)>,
    /// Where others open the page: `http://192.168.1.7:33080/`.
    pub pages: Vec<String>,
}

/// The counts at two earlier times.
#[derive(Debug, Default)]
pub struct Pace {
    older: (Timestamp, Counters),
    newer: (Timestamp, Counters),
}

impl Pace {
    /// Called when time has passed.
    pub fn tick(&mut self, now: Timestamp, counters: &Counters) {
        if now.since(self.newer.0) >= WINDOW {
            self.older = std::mem::replace(&mut self.newer, (now, counters.clone()));
        }
    }

    /// Messages, bytes received and bytes sent of a service, each per second.
    pub fn of(&self, now: Timestamp, counters: &Counters, service: Service) -> [f64; 3] {
        let since = now.since(self.older.0).as_secs_f64().max(1.0);
        let (then, now) = (self.older.1.of(service), counters.of(service));
        let rate = |then: u64, now: u64| (10.0 * now.saturating_sub(then) as f64 / since).round() / 10.0;
        [
            rate(then.messages, now.messages),
            rate(then.bytes_in, now.bytes_in),
            rate(then.bytes_out, now.bytes_out),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_covers_the_last_seconds_only() {
        let (mut pace, mut counters) = (Pace::default(), Counters::default());
        let second = |second: u64| Timestamp::at(second * 1_000_000);
        counters.of_mut(Service::Multiply).messages = 5;
        assert_eq!(pace.of(second(2), &counters, Service::Multiply)[0], 2.5);
        for now in 0..100 {
            pace.tick(second(now), &counters);
            counters.of_mut(Service::Multiply).messages += 7;
            let rate = pace.of(second(now + 1), &counters, Service::Multiply)[0];
            assert!(now < 20 || rate == 7.0, "{now}: {rate}");
        }
        for now in 100..130 {
            pace.tick(second(now), &counters);
        }
        assert_eq!(pace.of(second(130), &counters, Service::Multiply), [0.0; 3]);
    }
}
