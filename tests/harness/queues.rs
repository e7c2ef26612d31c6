//! The clients' side of message queues: a pair, whose name no other test has.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use ipcd::host::raw::queue;
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open, mq_unlink};
use nix::sys::stat::Mode;

use super::{show, wait_until};

/// The name of a pair. Its queues are removed at the end, whatever happens.
pub struct Queues(pub String);

impl Queues {
    pub fn new(what: &str) -> Queues {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        Queues(format!("/ipcd-{what}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)))
    }

    fn open(&self, end: &str, flags: MQ_OFlag) -> Option<OwnedFd> {
        let flags = flags | MQ_OFlag::O_NONBLOCK | MQ_OFlag::O_CLOEXEC;
        mq_open(format!("{}{end}", self.0).as_str(), flags, Mode::empty(), None).ok().map(queue::owned)
    }

    /// Creates one of the queues, as another program might.
    pub fn make(&self, end: &str, messages: i64, bytes: i64, mode: Mode) {
        let attributes = MqAttr::new(0, messages, bytes, 0);
        let flags = MQ_OFlag::O_RDWR | MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_CLOEXEC;
        drop(
            mq_open(format!("{}{end}", self.0).as_str(), flags, mode, Some(&attributes))
                .map(queue::owned)
                .unwrap(),
        );
    }

    /// Which of the three queues exist.
    pub fn names(&self) -> Vec<&'static str> {
        [".in", ".out", ".lock"].into_iter().filter(|end| self.mode(end).is_some()).collect()
    }

    /// The mode of one of them.
    pub fn mode(&self, end: &str) -> Option<u32> {
        let fd = self.open(end, MQ_OFlag::O_RDONLY)?;
        Some(rustix::fs::fstat(fd).unwrap().st_mode & 0o7777)
    }

    /// Adds a message to `.in`, as soon as there is room.
    pub fn say(&self, message: impl AsRef<[u8]>) {
        wait_until("room in the queue", || self.try_say(&message).then_some(()));
    }

    /// Adds a message to `.in`, if there is room.
    pub fn try_say(&self, message: impl AsRef<[u8]>) -> bool {
        let to = self.open(".in", MQ_OFlag::O_WRONLY);
        to.is_some_and(|to| queue::send(to.as_fd(), message.as_ref()).is_ok())
    }

    /// Takes a message from `.out`, if there is one.
    pub fn try_hear(&self) -> Option<Vec<u8>> {
        let from = self.open(".out", MQ_OFlag::O_RDONLY)?;
        let mut buffer = vec![0; 1 << 16];
        let count = queue::receive(from.as_fd(), &mut buffer).ok()?;
        buffer.truncate(count);
        Some(buffer)
    }

    /// Waits for a message from `.out`.
    pub fn next(&self) -> String {
        show(&wait_until("a message", || self.try_hear()))
    }

    /// Expects these messages next from `.out`.
    #[track_caller]
    pub fn hear(&self, expected: &[&str]) {
        for message in expected {
            assert_eq!(self.next(), show(message.as_bytes()));
        }
    }
}

impl Drop for Queues {
    fn drop(&mut self) {
        for end in [".in", ".out", ".lock"] {
            let _ = mq_unlink(format!("{}{end}", self.0).as_str());
        }
    }
}
