//! The lock beside a pair of queues: a third queue, `/NAME.lock`, which only our user may open. It lives where they live, in
//! the same IPC namespace, and needs no directory. Its mode says which of the two ipcd has created, for the daemon that starts after a
//! crash. A message in it could not say that: whoever reads one takes it away, and may be killed before it is there again.

use std::os::fd::{AsFd, OwnedFd};

use nix::mqueue::mq_unlink;
use rustix::fs::{FlockOperation, Mode, fchmod, flock, fstat};
use rustix::io::Errno;

use super::super::direction::Direction;
use super::super::error::OpenErrorKind;
use super::super::owner;
use super::error::QueueErrorKind;
use super::find::{TRIES_MAX, find_or_create, other};
use crate::host::raw::queue;

/// A lock that we hold. Dropping it removes the queue, unless a mark is on it, and releases the lock.
#[derive(Debug)]
pub(super) struct Lock {
    name: String,
    fd: OwnedFd,
}

impl Lock {
    /// Takes the lock of the queues with this name, without waiting.
    pub(super) fn take(name: &str) -> Result<Lock, OpenErrorKind> {
        let name = format!("{name}.lock");
        for _ in 0..TRIES_MAX {
            let (fd, _) = find_or_create(&name, 1, 1, |_| ())?;
            let attributes = queue::attributes(fd.as_fd()).map_err(other)?;
            if (attributes.maxmsg(), attributes.msgsize()) != (1, 1) {
                return Err(OpenErrorKind::Queue(QueueErrorKind::NotALock(name)));
            }
            let inode = fstat(&fd).map_err(std::io::Error::from).map_err(other)?.st_ino;
            match flock(&fd, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => {
                    return Err(OpenErrorKind::Locked { owner: owner::of_lock(inode) });
                }
                Err(errno) => return Err(other(errno.into())),
            }
            // The last owner removes it before it releases the lock: then this lock protects nothing.
            if fstat(&fd).is_ok_and(|stat| stat.st_nlink > 0) {
                return Ok(Lock { name, fd });
            }
        }
        Err(OpenErrorKind::Locked { owner: None })
    }

    /// Whether ipcd has created this queue, or is about to.
    pub(super) fn marks(&self, direction: Direction) -> bool {
        self.mode().contains(mark(direction))
    }

    /// Writes down that ipcd creates this queue.
    pub(super) fn mark(&self, direction: Direction) {
        self.set(self.mode() | mark(direction));
    }

    /// Writes down that ipcd has not created this queue, or has removed it.
    pub(super) fn unmark(&self, direction: Direction) {
        self.set(self.mode() - mark(direction));
    }

    fn mode(&self) -> Mode {
        fstat(&self.fd).map_or(Mode::empty(), |stat| Mode::from_raw_mode(stat.st_mode))
    }

    fn set(&self, mode: Mode) {
        if mode != self.mode() {
            let _ = fchmod(&self.fd, mode); // it is our own
        }
    }
}

/// Execute bits, which give nobody access to a queue (seen on Linux 6.18).
fn mark(direction: Direction) -> Mode {
    match direction {
        Direction::In => Mode::XUSR,
        Direction::Out => Mode::XGRP,
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let is_needed = self.marks(Direction::In) || self.marks(Direction::Out);
        if !is_needed && fstat(&self.fd).is_ok_and(|stat| stat.st_nlink > 0) {
            let _ = mq_unlink(self.name.as_str());
        }
    }
}
