//! The measurement and its results.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

use super::channel::Channel;
use super::failure::MeasureError;
use super::mechanism::Mechanism;
use super::setup::Setup;
use super::workload::Workload;
use super::workspace::{Responder, Workspace};
use ipcd::os_error::describe;

/// The most round trips that are timed: each is stored (8 bytes), so that percentiles are exact.
pub(crate) const ROUND_TRIPS_MAX: u64 = 10_000_000;

/// The most warm-up round trips, so that caches are warm and the processors awake.
const WARM_UP: u64 = 1000;

/// How often the progress of a measurement is checked.
const LOOK: Duration = Duration::from_millis(50);

/// How late the end of a process may be noticed after the end of its descriptors.
const END: Duration = Duration::from_secs(1);

/// When to stop each of the two parts of a measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Limit {
    Count(u64),
    Time(Duration),
}

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) workload: Workload,
    pub(crate) limit: Limit,
    /// The processor for this process, and the one for the other.
    pub(crate) pins: Option<[usize; 2]>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) in_flight: u64,
}

impl Plan {
    /// The same for a mechanism that may not take so many requests at once.
    pub(crate) fn of(&self, mechanism: Mechanism) -> Plan {
        Plan { in_flight: self.in_flight.min(mechanism.in_flight_max()), ..self.clone() }
    }
}

/// The figures.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) round_trips: u64,
    /// Figures of single round trips.
    pub(crate) latency_ns: Latency,
    pub(crate) per_second: u64,
    pub(crate) pipelined: Pipelined,
}

/// Percentiles, in nanoseconds: exact, by nearest rank.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) min: u64,
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Pipelined {
    pub(crate) in_flight: u64,
    pub(crate) round_trips: u64,
    pub(crate) per_second: u64,
}

/// Measures in a separate thread: if it gets no answer it is abandoned, because not every wait can have a timeout
/// without a cost. `tell` gets the progress now and then, from 0 to 1.
pub(crate) fn run(
    plan: &Plan,
    setup: Setup,
    workspace: &Workspace,
    tell: impl Fn(f64),
) -> Result<Figures, MeasureError> {
    let Setup { responder, open } = setup;
    let (result, outcome) = channel();
    let done = Arc::new(AtomicU64::new(0));
    let (their_plan, their_done, pid) =
        (plan.clone(), Arc::clone(&done), responder.as_ref().map(|responder| responder.pid));
    std::thread::spawn(move || {
        // After a timeout, nobody receives this.
        let _ = result.send(work(&their_plan, open, pid, &their_done));
    });
    let started = Instant::now();
    let (mut seen, mut since) = (0, started);
    loop {
        match outcome.recv_timeout(LOOK) {
            Ok(Err(MeasureError::Broke(error))) => {
                let end = responder.as_ref().and_then(|responder| end_soon(workspace, responder));
                return Err(MeasureError::Broke(end.unwrap_or(error)));
            }
            Ok(outcome) => return outcome,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(MeasureError::Broke("the measurement ended without figures".to_owned()));
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let count = done.load(Ordering::Relaxed);
        if count != seen {
            (seen, since) = (count, Instant::now());
        } else if let Some(end) = responder.as_ref().and_then(|responder| workspace.end_of(responder)) {
            // It also ends after the measurement, a moment before the figures arrive.
            return match outcome.recv_timeout(END) {
                Ok(Ok(figures)) => Ok(figures),
                _ => Err(MeasureError::Broke(end)),
            };
        } else if let Some(timeout) = plan.timeout.filter(|timeout| since.elapsed() > *timeout) {
            let timeout = humantime::format_duration(timeout);
            return Err(MeasureError::TimedOut(format!(
                "no answer within {timeout}; --timeout changes this time"
            )));
        }
        tell(match plan.limit {
            Limit::Count(all) => seen as f64 / (2 * all) as f64,
            Limit::Time(time) => started.elapsed().as_secs_f64() / (2.0 * time.as_secs_f64()),
        });
    }
}

/// The end of the other process: it says more than the error here, which comes a moment earlier.
fn end_soon(workspace: &Workspace, responder: &Responder) -> Option<String> {
    let deadline = Instant::now() + END;
    loop {
        match workspace.end_of(responder) {
            None if Instant::now() < deadline => std::thread::sleep(LOOK / 10),
            end => return end,
        }
    }
}

fn work(
    plan: &Plan,
    open: impl FnOnce() -> io::Result<Channel>,
    responder: Option<Pid>,
    done: &AtomicU64,
) -> Result<Figures, MeasureError> {
    if let Some([ours, theirs]) = plan.pins {
        pin(None, ours)?;
        if responder.is_some() {
            pin(responder, theirs)?;
        }
    }
    let mut channel = open().map_err(|error| MeasureError::Missing(describe(&error)))?;
    measure(plan, &mut channel, done).map_err(|error| match error {
        // Our own process was there; how it ended says more.
        MeasureError::Missing(text) if responder.is_some() => MeasureError::Broke(text),
        error => error,
    })
}

/// The processors of the two processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pin {
    Apart,
    Together,
}

impl Pin {
    /// Chooses the processors for this and the other process, from those that we may use.
    pub(crate) fn processors(self) -> Result<[usize; 2], String> {
        let allowed = sched_getaffinity(None).map_err(|error| describe(&error.into()))?;
        let mut processors = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
        match (self, processors.next(), processors.next()) {
            (Pin::Together, Some(one), _) => Ok([one, one]),
            (Pin::Apart, Some(one), Some(other)) => Ok([one, other]),
            _ => Err("--pin=apart needs two processors, and this process may use one; try --pin=together"
                .to_owned()),
        }
    }
}

fn pin(process: Option<Pid>, processor: usize) -> Result<(), MeasureError> {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(process, &set).map_err(|error| {
        MeasureError::Broke(format!("cannot be bound to processor {processor}: {}", describe(&error.into())))
    })
}

impl Limit {
    /// Whether a part that began at `start` continues after this many round trips.
    fn continues(self, count: u64, start: Instant, now: Instant) -> bool {
        match self {
            Limit::Count(all) => count < all,
            Limit::Time(time) => count < ROUND_TRIPS_MAX && now.duration_since(start) < time,
        }
    }

    fn warm_up(self) -> Limit {
        match self {
            Limit::Count(all) => Limit::Count((all / 10).clamp(1, WARM_UP)),
            Limit::Time(time) => Limit::Time(time / 10),
        }
    }
}

fn measure(plan: &Plan, channel: &mut Channel, done: &AtomicU64) -> Result<Figures, MeasureError> {
    let (workload, limit) = (&plan.workload, plan.limit);
    let mut heard = Vec::new();
    let mut trip = |channel: &mut Channel| -> Result<(), MeasureError> {
        workload.ask(channel)?;
        workload.hear(channel, &mut heard)?;
        done.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };

    let (start, mut count) = (Instant::now(), 0);
    while count == 0 || (count < WARM_UP && limit.warm_up().continues(count, start, Instant::now())) {
        trip(channel)?;
        count += 1;
    }

    let mut samples = Vec::new();
    let start = Instant::now();
    let mut now = start;
    while samples.is_empty() || limit.continues(samples.len() as u64, start, now) {
        let before = Instant::now();
        trip(channel)?;
        now = Instant::now();
        samples.push(u64::try_from(now.duration_since(before).as_nanos()).unwrap_or(u64::MAX));
    }
    let round_trips = samples.len() as u64;
    let rate = per_second(round_trips, now.duration_since(start));

    let start = Instant::now();
    let (mut now, mut asked, mut answered) = (start, 0, 0);
    while answered == 0 || answered < asked || limit.continues(asked, start, now) {
        while asked - answered < plan.in_flight && (asked == 0 || limit.continues(asked, start, now)) {
            workload.ask(channel)?;
            asked += 1;
        }
        workload.hear(channel, &mut heard)?;
        answered += 1;
        done.fetch_add(1, Ordering::Relaxed);
        now = Instant::now();
    }
    let pipelined = Pipelined {
        in_flight: plan.in_flight,
        round_trips: answered,
        per_second: per_second(answered, now.duration_since(start)),
    };
    Ok(Figures { round_trips, latency_ns: Latency::of(samples), per_second: rate, pipelined })
}

fn per_second(count: u64, time: Duration) -> u64 {
    (count as f64 / time.as_secs_f64().max(1e-9)).round() as u64
}

impl Latency {
    /// For at least one sample.
    fn of(mut samples: Vec<u64>) -> Latency {
        samples.sort_unstable();
        let rank = |percent: usize| samples[(samples.len() * percent).div_ceil(100).max(1) - 1];
        Latency { min: rank(0), p50: rank(50), p90: rank(90), p99: rank(99), max: rank(100) }
    }

    /// In ascending order.
    pub(crate) fn all(&self) -> [u64; 5] {
        [self.min, self.p50, self.p90, self.p99, self.max]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_is_the_smallest_sample_not_exceeded_by_that_share() {
        let of = |samples: &[u64]| Latency::of(samples.to_vec()).all();
        assert_eq!(of(&[7]), [7; 5]);
        assert_eq!(of(&[2, 1]), [1, 1, 2, 2, 2]);
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(of(&hundred), [1, 50, 90, 99, 100]);
        let thousand: Vec<u64> = (1..=1000).collect();
        assert_eq!(of(&thousand), [1, 500, 900, 990, 1000]);
    }
}
