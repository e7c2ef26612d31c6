//! A process that gets signals.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;

use crate::engine::message::{ConnectionId, Timestamp};

/// A process that gets signals as long as its connection is open.
#[derive(Debug)]
pub(super) struct Recipient {
    pub(super) peer: ConnectionId,
    pub(super) pid: Pid,
    /// Its pidfd: unlike a pid, it never refers to another process.
    pub(super) process: OwnedFd,
    /// The messages up to its last signal.
    pub(super) told: u64,
    /// When the next one may be sent.
    pub(super) next: Timestamp,
}

impl Recipient {
    /// Whether its process still runs. After its end, another process may get the same pid.
    pub(super) fn is_alive(&self) -> bool {
        let mut process = [PollFd::new(&self.process, PollFlags::IN)];
        matches!(poll(&mut process, Some(&Timespec::default())), Ok(0))
    }
}
