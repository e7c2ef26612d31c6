//! The processors' other load during the measurement: figures of a busy machine are worse and vary.

use std::time::{Duration, Instant};

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use procfs::{CpuTime, CurrentSI, KernelStats};

/// For shorter times, the kernel's clock for processor time (10 ms) is too coarse.
const SPAN_MIN: Duration = Duration::from_millis(300);

/// Other programs disturb the measurement if they use this share of all processors, in percent.
const BUSY: f64 = 10.0;

/// The beginning of a measurement.
pub(crate) struct Watch {
    begun: Instant,
    all: CpuTime,
    own: Duration,
}

impl Watch {
    /// `None`: not known on this machine.
    pub(crate) fn begin() -> Option<Watch> {
        Some(Watch { begun: Instant::now(), all: KernelStats::current().ok()?.total, own: own()? })
    }

    /// The share of the processors' time that others used since then, in percent; `None`: not known. Processes that we started
    /// must have ended and been waited for.
    pub(crate) fn others(&self) -> Option<f64> {
        let own = own()?.saturating_sub(self.own);
        if self.begun.elapsed() < SPAN_MIN {
            return None;
        }
        share(&self.all, &KernelStats::current().ok()?.total, own, procfs::ticks_per_second())
    }
}

/// A warning if that is too much.
pub(crate) fn warning(others: f64) -> Option<String> {
    (others >= BUSY).then(|| {
        format!(
            "this machine was busy with something else ({others:.0} % of its processors' time): \
             on an idle machine the figures are better and repeatable"
        )
    })
}

/// The share of the time between two readings that was neither idle nor our own, in percent.
fn share(before: &CpuTime, after: &CpuTime, own: Duration, ticks_per_second: u64) -> Option<f64> {
    let busy = |time: &CpuTime| {
        // Guests are counted in user and nice.
        let rest = [time.irq, time.softirq, time.steal].into_iter().flatten();
        rest.fold(time.user + time.nice + time.system, u64::saturating_add)
    };
    let idle = |time: &CpuTime| time.idle.saturating_add(time.iowait.unwrap_or(0));
    let busy = busy(after).saturating_sub(busy(before)) as f64;
    let total = busy + idle(after).saturating_sub(idle(before)) as f64;
    let own = own.as_secs_f64() * ticks_per_second as f64;
    (total > 0.0).then(|| ((busy - own) / total * 100.0).clamp(0.0, 100.0))
}

/// The processor time of this process and its reaped children.
fn own() -> Option<Duration> {
    let of = |who| {
        let usage: Usage = getrusage(who).ok()?;
        let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        u64::try_from(micros).ok().map(Duration::from_micros)
    };
    Some(of(UsageWho::RUSAGE_SELF)? + of(UsageWho::RUSAGE_CHILDREN)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(line: &str) -> CpuTime {
        use procfs::{FromBufReadSI, current_system_info};
        let text = format!("cpu {line}\nctxt 0\nbtime 0\nprocesses 0\n");
        KernelStats::from_buf_read(text.as_bytes(), current_system_info()).unwrap().total
    }

    #[test]
    fn time_not_idle_and_not_ours_counts_as_others() {
        let before = time("100 0 100 800 0 0 0 0 0 0");
        // A second of two processors: 60 ticks of work, 20 of another machine's, 120 idle.
        let after = time("140 0 120 910 10 0 0 20 0 0");
        let share = |own: u64| share(&before, &after, Duration::from_millis(own), 100);
        assert_eq!(
            (share(0), share(300), share(800), share(5000)),
            (Some(40.0), Some(25.0), Some(0.0), Some(0.0))
        );
        assert_eq!(super::share(&before, &before, Duration::ZERO, 100), None);
        assert!(warning(9.9).is_none() && warning(25.0).unwrap().contains("(25 % of"));
    }
}
