//! A test may be too late because the machine is busy. Then a promise to clients that are in time does not apply to it.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use super::healthy::queued;
use super::interrupted::uninterrupted;
use super::{Client, Stream, TIMEOUT, show};

/// How often a waiting client checks the time.
const STEP: Duration = Duration::from_millis(5);

/// How long the daemon waits for more of a first message that may be whole.
pub const SECOND: Duration = Duration::from_secs(1);

/// Tries again while this was too slow, which only a busy machine can cause.
pub fn in_time<T>(act: impl FnMut() -> Option<T>) -> T {
    std::iter::repeat_with(act).take(30).flatten().next().expect("the machine is not busy for long")
}

impl Client {
    /// One recv(1024), as in the clients of courses: the received bytes, or none at end of file. What an earlier call found behind its
    /// message comes first.
    #[track_caller]
    pub fn recv(&mut self) -> Vec<u8> {
        if !self.heard.is_empty() {
            return std::mem::take(&mut self.heard);
        }
        let mut buffer = [0; 1024];
        let count = self.read(&mut buffer).unwrap();
        buffer[..count].to_vec()
    }

    /// Expects one recv() to return exactly this. The daemon sends its messages to a raw client a `gap` apart, so the client may
    /// find the next message in the same recv() only if it could not call recv() for that long.
    #[track_caller]
    pub fn recv_message(&mut self, message: &str, gap: Duration) {
        if self.heard.is_empty() {
            self.set_read_timeout(STEP);
            // A daemon that waits for a processor before it sends the first message may send the second one at once.
            let daemon = self.daemon;
            let queued = || daemon.map_or(Duration::ZERO, |pid| queued(&pid.to_string()));
            let queued_before = queued();
            let (begun, mut step) = (Instant::now(), self.since);
            let mut buffer = [0; 1024];
            let count = loop {
                match self.read(&mut buffer) {
                    Ok(count) => break count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => step = Instant::now(),
                    Err(error) => panic!("expected {message:?}, got {error}"),
                }
                assert!(begun.elapsed() < TIMEOUT, "expected {message:?}, got nothing");
            };
            // The message came after this, and the next one a gap later.
            let is_late = step.elapsed() >= gap || queued() - queued_before >= gap;
            self.since = step;
            self.set_read_timeout(TIMEOUT);
            let heard = &buffer[..count];
            assert!(
                heard == message.as_bytes() || is_late && heard.starts_with(message.as_bytes()),
                "expected {message:?}, got {} within {:?}",
                show(heard),
                step.elapsed()
            );
            self.heard = heard.to_vec();
        }
        self.hear(message);
    }

    /// Sends this once the next message has arrived, and before reading it. If that takes a gap or more,
    /// the next [`recv_message`](Self::recv_message) allows for it.
    #[track_caller]
    pub fn say_before_reading(&mut self, bytes: impl AsRef<[u8]>) {
        if self.heard.is_empty() {
            let Stream::Tcp(stream) = &self.stream else { panic!("a TCP client was expected") };
            self.set_read_timeout(STEP);
            let begun = Instant::now();
            while let Err(error) = uninterrupted(|| stream.peek(&mut [0])) {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                assert!(begun.elapsed() < TIMEOUT, "expected a message, got nothing");
                self.since = Instant::now();
            }
            self.set_read_timeout(TIMEOUT);
        }
        let since = self.since;
        self.say(bytes);
        self.since = since;
    }

    fn set_read_timeout(&self, timeout: Duration) {
        match &self.stream {
            Stream::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
            Stream::Unix(stream) => stream.set_read_timeout(Some(timeout)),
        }
        .unwrap();
    }
}
