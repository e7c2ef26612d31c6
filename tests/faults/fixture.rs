//! The fixture of a fault: a daemon, a healthy client beside the fault, and the state that must be as before when the fault is
//! over.

use std::ops::Deref;
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

pub use crate::harness::healthy::{Healthy, Wait, owed, step_back};
use crate::harness::{Client, Daemon, MULTIPLY, is_sanitized, wait_until};

/// Longer than the healthy client ever waits for its reply, even if ten other tests share two processors. Its waits are printed as
/// the result; this bound only finds a loop that hangs. Waits for a processor do not count.
const HEALTHY_WAIT_MAX: Duration = Duration::from_secs(2);

/// Resident memory that may stay with the allocator after a fault.
pub const MEMORY_KEPT_BYTES_MAX: usize = 6 * 1024 * 1024;

/// How much of a fault: a little, or with `IPCD_FAULTS=full` as much as the catalogue says.
pub fn effort<T>(little: T, full: T) -> T {
    if is_full() { full } else { little }
}

pub fn is_full() -> bool {
    match std::env::var("IPCD_FAULTS").as_deref() {
        Err(_) | Ok("") => false,
        Ok("full") => true,
        Ok(other) => panic!("IPCD_FAULTS={other}: only `full` has a meaning"),
    }
}

/// A whole number from the environment, or this one.
pub fn number(name: &str, usual: u64) -> u64 {
    let Ok(text) = std::env::var(name) else { return usual };
    text.parse().unwrap_or_else(|_| panic!("{name}={text}: not a number"))
}

/// Repeatable random choices: `IPCD_SEED` chooses them, and the salt distinguishes uses.
pub struct Chance(u64);

impl Chance {
    pub fn new(salt: u64) -> Chance {
        let seed = number("IPCD_SEED", 1);
        Chance((seed << 32 ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// The healthy client's waits and, in brackets, those without waits for a processor.
pub fn figures(waits: Vec<Wait>) -> String {
    let at = |times: fn(&Wait) -> Duration| {
        let mut times: Vec<Duration> = waits.iter().map(times).collect();
        times.sort();
        [50, 99, 100].map(|percent| times[(times.len() - 1) * percent / 100])
    };
    let ([p50, p99, worst], [_, owed_p99, owed_worst]) = (at(|wait| wait.whole), at(|wait| wait.owed));
    let count = waits.len();
    format!(
        "{count} requests, p50 {p50:.0?}, p99 {p99:.0?} ({owed_p99:.0?}), worst {worst:.0?} ({owed_worst:.0?})"
    )
}

/// One fault, and a healthy client beside it.
pub struct Fixture {
    daemon: Daemon,
    healthy: Option<Healthy>,
    descriptors: usize,
    resident: usize,
    expected: Vec<&'static str>,
    kept_bytes_max: usize,
    still: Mutex<Vec<(Instant, Instant)>>,
}

impl Deref for Fixture {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

impl Fixture {
    pub fn with(config: &str) -> Fixture {
        Fixture::on(Daemon::with(config))
    }

    pub fn on(daemon: Daemon) -> Fixture {
        let healthy = Healthy::of(daemon.tcp(MULTIPLY), daemon.pid());
        let descriptors = daemon.descriptors();
        // One-time allocations must happen before the measurement.
        drop(Client::member(&daemon, "first"));
        answered(&mut daemon.unix());
        let mut again = Client::member(&daemon, "second");
        again.say("/quit\n");
        again.hear_rest();
        drop(again);
        wait_until("only the healthy client is there", || {
            (daemon.descriptors() == descriptors).then_some(())
        });
        let resident = daemon.own_bytes();
        Fixture {
            daemon,
            healthy: Some(healthy),
            descriptors,
            resident,
            expected: Vec::new(),
            kept_bytes_max: MEMORY_KEPT_BYTES_MAX,
            still: Mutex::default(),
        }
    }

    /// Text in warnings and errors that this fault may cause.
    pub fn expect_in_log(mut self, text: &'static str) -> Fixture {
        self.expected.push(text);
        self
    }

    /// The memory that may stay after a fault, if it leaves more that does not grow with it.
    pub fn keep_at_most(mut self, bytes: usize) -> Fixture {
        self.kept_bytes_max = bytes;
        self
    }

    /// Stops the daemon for this time. The healthy client's wait for it does not count.
    pub fn stand_still(&self, span: Duration) {
        let begun = Instant::now();
        self.daemon.freeze();
        sleep(span);
        self.daemon.thaw();
        self.still.lock().unwrap().push((begun, Instant::now()));
    }

    /// The periods in which the daemon was stopped.
    pub fn stood_still(&self) -> Vec<(Instant, Instant)> {
        self.still.lock().unwrap().clone()
    }

    /// Resident memory beyond that at the beginning, in bytes.
    pub fn grown(&self) -> usize {
        self.daemon.own_bytes().saturating_sub(self.resident)
    }

    /// Checks that the healthy client has had no error, reports its waits, and waits until everything else is gone.
    fn settle(&mut self, row: &str) -> usize {
        let healthy = self.healthy.take().expect("it ends once");
        let waits = healthy.waits_but_for(&self.stood_still());
        let worst = *waits.iter().max_by_key(|wait| wait.owed).expect("it has asked at least once");
        // Without the healthy client's own connection, which has just ended.
        let begun = self.descriptors - 1;
        wait_until("every descriptor is back", || (self.daemon.descriptors() == begun).then_some(()));
        let is_back = |kept: &usize| *kept < self.kept_bytes_max || is_sanitized();
        let kept = wait_until("the memory is back", || Some(self.grown()).filter(is_back));
        eprintln!("{row}: H {}; {} KiB more than before", figures(waits), kept / 1024);
        assert!(worst.owed < HEALTHY_WAIT_MAX, "the healthy client waited: {worst:?}");
        kept
    }

    /// The end of a fault: everything is as before, the daemon stops when asked, and its log has nothing unexpected.
    pub fn end(mut self, row: &str) {
        self.settle(row);
        let expected = std::mem::take(&mut self.expected);
        let log = self.daemon.stop();
        let is_expected = |line: &str| {
            line.starts_with("info: ")
                // When the reader of this log is late.
                || line.ends_with("could not be written")
                || line.contains("group ipcd does not exist")
                || expected.iter().any(|text| line.contains(text))
        };
        let unexpected: Vec<_> = log.iter().filter(|line| !is_expected(line)).take(10).collect();
        assert!(unexpected.is_empty(), "{unexpected:#?}");
    }
}

#[track_caller]
pub fn answered(client: &mut Client) {
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
}
