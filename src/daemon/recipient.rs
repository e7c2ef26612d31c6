//! A client that gets signals.

use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Pid;

use crate::engine::message::{ConnectionId, Timestamp};

/// Somebody who gets signals, as long as its connection is there.
#[derive(Debug)]
pub(super) struct Recipient {
    pub(super) peer: ConnectionId,
    pub(super) pid: Pid,
    /// It tells whether the process is still that one.
    pub(super) process: OwnedFd,
    /// The messages up to its last signal.
    pub(super) told: u64,
    /// When the next one may be sent.
    pub(super) next: Timestamp,
}

impl Recipient {
    /// Whether its process has not ended: then its number may soon be another one's.
    pub(super) fn is_alive(&self) -> bool {
        let mut process = [PollFd::new(&self.process, PollFlags::IN)];
        matches!(poll(&mut process, Some(&Timespec::default())), Ok(0))
    }
}
