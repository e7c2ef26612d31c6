//! The lock beside a pair of queues: a third queue, `/NAME.lock`, which only our user may open. It lives where they live, in
//! the same IPC namespace, and needs no directory. The one message in it says which of the two ipcd has created, for the daemon
//! that starts after a crash.

use std::cell::Cell;
use std::os::fd::{AsFd, OwnedFd};

use nix::mqueue::mq_unlink;
use rustix::fs::{FlockOperation, flock, fstat};
use rustix::io::Errno;

use super::super::direction::Direction;
use super::super::error::OpenErrorKind;
use super::super::owner;
use super::error::QueueErrorKind;
use super::find::{TRIES_MAX, find_or_create, other};
use crate::host::raw::queue;

/// A lock that we hold. Dropping it removes the queue, unless a mark is in it, and releases the lock.
#[derive(Debug)]
pub(super) struct Lock {
    name: String,
    fd: OwnedFd,
    /// What ipcd has created, or is about to.
    marks: Cell<u8>,
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
                let mut byte = [0];
                let marks = queue::receive(fd.as_fd(), &mut byte).map_or(0, |_| byte[0]);
                let lock = Lock { name, fd, marks: Cell::new(marks) };
                lock.write();
                return Ok(lock);
            }
        }
        Err(OpenErrorKind::Locked { owner: None })
    }

    /// Whether ipcd has created this queue.
    pub(super) fn marks(&self, direction: Direction) -> bool {
        self.marks.get() & bit(direction) != 0
    }

    /// Writes down that ipcd creates this queue.
    pub(super) fn mark(&self, direction: Direction) {
        self.set(self.marks.get() | bit(direction));
    }

    /// Writes down that ipcd has not created this queue, or has removed it.
    pub(super) fn unmark(&self, direction: Direction) {
        self.set(self.marks.get() & !bit(direction));
    }

    fn set(&self, marks: u8) {
        if self.marks.replace(marks) != marks {
            let _ = queue::receive(self.fd.as_fd(), &mut [0]);
            self.write();
        }
    }

    fn write(&self) {
        if self.marks.get() != 0 {
            let _ = queue::send(self.fd.as_fd(), &[self.marks.get()]); // there is room for it
        }
    }
}

fn bit(direction: Direction) -> u8 {
    match direction {
        Direction::In => 1,
        Direction::Out => 2,
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let is_empty = queue::attributes(self.fd.as_fd()).is_ok_and(|attributes| attributes.curmsgs() == 0);
        if is_empty && fstat(&self.fd).is_ok_and(|stat| stat.st_nlink > 0) {
            let _ = mq_unlink(self.name.as_str());
        }
    }
}
