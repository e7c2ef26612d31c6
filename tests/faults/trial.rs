//! A fault's surroundings: a daemon, a healthy client beside the fault, and what must be as before when it is over.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use super::super::harness::{Client, Daemon, MULTIPLY, is_sanitized, wait_until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Between two requests of the healthy client: a hundred a second.
const PACE: Duration = Duration::from_millis(10);

/// Longer than the healthy client ever waits for its reply, also where ten other tests share two processors. What it
/// waited is printed: that is the figure, this only finds a loop that stood still.
const HEALTHY_WAIT_MAX: Duration = Duration::from_secs(2);

/// Resident memory that may stay with the allocator after a fault.
pub const MEMORY_KEPT_BYTES_MAX: usize = 6 * 1024 * 1024;

/// How much of a fault: little, or with `IPCD_FAULTS=full` as much as the catalogue says.
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

/// A whole number in the environment, or this one.
pub fn number(name: &str, usual: u64) -> u64 {
    let Ok(text) = std::env::var(name) else { return usual };
    text.parse().unwrap_or_else(|_| panic!("{name}={text}: not a number"))
}

/// Chance that can be repeated: `IPCD_SEED` chooses it, and the salt what it is for.
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

/// As many descriptors for the test as it may have.
pub fn raise_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

/// The processor is the others' first: what is measured is the daemon's delay, not the test's own crowd.
pub fn step_back() {
    let _ = rustix::process::setpriority_process(None, 10);
}

/// A hundred requests a second on one connection, each answered rightly, until it is asked.
pub struct Healthy {
    over: Arc<AtomicBool>,
    /// When each request was sent, and how long its reply was waited for.
    thread: JoinHandle<Vec<(Instant, Duration)>>,
}

impl Healthy {
    pub fn on(mut client: Client) -> Healthy {
        let over = Arc::new(AtomicBool::new(false));
        client.say("1 1\n");
        client.hear("Data received\n1.0\n");
        let until = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let (begun, mut waits) = (Instant::now(), Vec::new());
            while waits.is_empty() || !until.load(Ordering::Relaxed) {
                let number = waits.len();
                let asked = Instant::now();
                client.say(format!("{number} 2\n"));
                client.hear(format!("Data received\n{}.0\n", number * 2));
                waits.push((asked, asked.elapsed()));
                let next = begun + PACE * (number as u32 + 1);
                sleep(next.saturating_duration_since(Instant::now()).min(PACE));
            }
            waits
        });
        Healthy { over, thread }
    }

    /// Ends it: no error, and every wait for a reply, the shortest first.
    pub fn end(self) -> Vec<Duration> {
        self.end_but_for(&[])
    }

    /// The same without the waits that a daemon which was made to stand still from here to there owes nobody.
    pub fn end_but_for(self, still: &[(Instant, Instant)]) -> Vec<Duration> {
        self.over.store(true, Ordering::Relaxed);
        let waits = self.thread.join().expect("the healthy client had no error");
        let is_owed = |asked: Instant, wait: Duration| {
            !still.iter().any(|(from, to)| asked <= *to && asked + wait >= *from)
        };
        let mut waits: Vec<Duration> =
            waits.into_iter().filter_map(|(asked, wait)| is_owed(asked, wait).then_some(wait)).collect();
        waits.sort();
        waits
    }
}

/// One fault, and a healthy client beside it.
pub struct Trial {
    daemon: Daemon,
    healthy: Option<Healthy>,
    descriptors: usize,
    resident: usize,
    expected: Vec<&'static str>,
    kept_bytes_max: usize,
    still: Mutex<Vec<(Instant, Instant)>>,
}

impl Deref for Trial {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

impl Trial {
    pub fn with(config: &str) -> Trial {
        Trial::on(Daemon::with(config))
    }

    pub fn on(daemon: Daemon) -> Trial {
        raise_descriptors();
        let healthy = Healthy::on(daemon.tcp(MULTIPLY));
        let descriptors = daemon.descriptors();
        // What is needed once is there before it is measured.
        drop(Client::member(&daemon, "first"));
        answered(&mut daemon.unix());
        let mut again = Client::member(&daemon, "second");
        again.say("/quit\n");
        again.hear_rest();
        drop(again);
        wait_until("only the healthy client is there", || {
            (daemon.descriptors() == descriptors).then_some(())
        });
        let resident = daemon.resident_bytes();
        Trial {
            daemon,
            healthy: Some(healthy),
            descriptors,
            resident,
            expected: Vec::new(),
            kept_bytes_max: MEMORY_KEPT_BYTES_MAX,
            still: Mutex::default(),
        }
    }

    /// Something in warnings and errors that this fault is right to make.
    pub fn expect_in_log(mut self, text: &'static str) -> Trial {
        self.expected.push(text);
        self
    }

    /// As much memory may stay, where a fault leaves more behind that does not grow with it.
    pub fn keep_at_most(mut self, bytes: usize) -> Trial {
        self.kept_bytes_max = bytes;
        self
    }

    /// The daemon stands still for so long; what the healthy client waits for it is not counted.
    pub fn stand_still(&self, span: Duration) {
        let begun = Instant::now();
        self.daemon.freeze();
        sleep(span);
        self.daemon.thaw();
        self.still.lock().unwrap().push((begun, Instant::now()));
    }

    /// From when to when the daemon was made to stand still.
    pub fn stood_still(&self) -> Vec<(Instant, Instant)> {
        self.still.lock().unwrap().clone()
    }

    /// Resident memory beyond what it was, in bytes.
    pub fn grown(&self) -> usize {
        self.daemon.resident_bytes().saturating_sub(self.resident)
    }

    /// The healthy client has had no error, and says how long it waited; everything else has gone.
    fn settle(&mut self, row: &str) -> usize {
        let waits = self.healthy.take().expect("it ends once").end_but_for(&self.stood_still());
        let at = |percent: usize| waits[(waits.len() - 1) * percent / 100];
        let worst = *waits.last().expect("it has asked at least once");
        // Of a connection and of that of the healthy client itself, which has just ended.
        let begun = self.descriptors - 1;
        wait_until("every descriptor is back", || (self.daemon.descriptors() == begun).then_some(()));
        let kept = self.grown();
        eprintln!(
            "{row}: H {} requests, p50 {:.0?}, p99 {:.0?}, worst {worst:.0?}; {} KiB more than before",
            waits.len(),
            at(50),
            at(99),
            kept / 1024,
        );
        assert!(worst < HEALTHY_WAIT_MAX, "the healthy client waited {worst:?}");
        assert!(kept < self.kept_bytes_max || is_sanitized(), "{kept} bytes more than before");
        kept
    }

    /// The end of a fault: everything is as it was, the daemon stops when asked, and its log holds nothing unexpected.
    pub fn end(mut self, row: &str) {
        self.settle(row);
        let expected = std::mem::take(&mut self.expected);
        let log = self.daemon.stop();
        let is_expected = |line: &str| {
            line.starts_with("info: ")
                || line.contains("there is no group ipcd")
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
