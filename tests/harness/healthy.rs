//! The healthy client: during every fault it sends a hundred requests a second, and each is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use super::{Client, show};

/// The time between two requests: a hundred a second.
const PACE: Duration = Duration::from_millis(10);

/// Gives other processes priority: we measure the daemon's delay, not that of the test's threads.
pub fn step_back() {
    let _ = rustix::process::setpriority_process(None, 10);
}

/// Sends a hundred requests a second on one connection, and checks every reply, until it is ended.
pub struct Healthy {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Wait>>,
}

/// The wait for one reply.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    asked: Instant,
    pub whole: Duration,
    /// The part of it in which the daemon, or this client, did not wait for a processor.
    pub owed: Duration,
    /// How long the daemon ran in it.
    pub ran: Duration,
}

/// How long something took, without the time in which this thread, or that process, waited for a processor.
pub fn owed<T>(daemon: Option<i32>, act: impl FnOnce() -> T) -> (T, Duration) {
    let daemon = daemon.map(|pid| pid.to_string());
    let both = || queued("thread-self") + daemon.as_deref().map_or(Duration::ZERO, queued);
    let (before, begun) = (both(), Instant::now());
    let done = act();
    let whole = begun.elapsed();
    (done, whole.saturating_sub(both().saturating_sub(before)))
}

/// How long a thread has waited for a processor so far (the second number in /proc/PID/schedstat).
pub(super) fn queued(process: &str) -> Duration {
    scheduled(process)[1]
}

/// How long a thread has run so far, and how long it has waited for a processor (/proc/PID/schedstat).
fn scheduled(process: &str) -> [Duration; 2] {
    let text = std::fs::read_to_string(format!("/proc/{process}/schedstat")).unwrap_or_default();
    let mut numbers = text.split(' ').map(|number| number.parse().unwrap_or(0));
    [0; 2].map(|_| Duration::from_nanos(numbers.next().unwrap_or(0)))
}

impl Client {
    /// Sends a request and reads the answer, up to what is expected. It allocates nothing: a thread that has stepped back may be
    /// interrupted while it has the allocator's lock.
    fn ask(&mut self, request: &[u8], expected: &[u8], answer: &mut Vec<u8>) {
        answer.clear();
        answer.resize(expected.len(), 0);
        self.say(request);
        let mut count = 0;
        while count < answer.len() && expected.starts_with(&answer[..count]) {
            match self.read(&mut answer[count..]).expect("an answer") {
                0 => break,
                more => count += more,
            }
        }
        answer.truncate(count);
    }
}

impl Healthy {
    pub fn on(client: Client) -> Healthy {
        Healthy::with(client, None)
    }

    /// The same, for a daemon with this process id.
    pub fn of(client: Client, daemon: i32) -> Healthy {
        Healthy::with(client, Some(daemon.to_string()))
    }

    fn with(mut client: Client, daemon: Option<String>) -> Healthy {
        let over = Arc::new(AtomicBool::new(false));
        client.say("1 1\n");
        client.hear("Data received\n1.0\n");
        let until = Arc::clone(&over);
        // How long the daemon has run, and how long it and this client have waited for a processor.
        let sums = move || {
            daemon.as_deref().map_or([Duration::ZERO; 2], |daemon| {
                let [ran, waited] = scheduled(daemon);
                [ran, waited + queued("thread-self")]
            })
        };
        let thread = std::thread::spawn(move || {
            let (begun, mut waits) = (Instant::now(), Vec::new());
            while waits.is_empty() || !until.load(Ordering::Relaxed) {
                let number = waits.len();
                let request = format!("{number} 2\n");
                let expected = format!("Data received\n{}.0\n", number * 2);
                let mut answer = Vec::with_capacity(expected.len());
                let [ran_before, queued_before] = sums();
                let asked = Instant::now();
                client.ask(request.as_bytes(), expected.as_bytes(), &mut answer);
                let whole = asked.elapsed();
                let [ran, queued] = sums();
                assert_eq!(show(&answer), show(expected.as_bytes()));
                let owed = whole.saturating_sub(queued.saturating_sub(queued_before));
                waits.push(Wait { asked, whole, owed, ran: ran.saturating_sub(ran_before) });
                let next = begun + PACE * (number as u32 + 1);
                sleep(next.saturating_duration_since(Instant::now()).min(PACE));
            }
            waits
        });
        Healthy { over, thread }
    }

    /// Ends it. There was no error; returns the waits for all replies, the shortest first.
    pub fn end(self) -> Vec<Duration> {
        let mut waits: Vec<Duration> = self.waits_but_for(&[]).iter().map(|wait| wait.whole).collect();
        waits.sort();
        waits
    }

    /// The same, without waits during which the daemon was stopped on purpose.
    pub fn waits_but_for(self, still: &[(Instant, Instant)]) -> Vec<Wait> {
        self.over.store(true, Ordering::Relaxed);
        let mut waits = self.thread.join().expect("the healthy client had no error");
        waits.retain(|wait| {
            !still.iter().any(|(from, to)| wait.asked <= *to && wait.asked + wait.whole >= *from)
        });
        waits
    }
}
