//! POSIX message queues as file descriptors, which they are on Linux (mq_overview(7)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

use nix::mqueue::{MqAttr, MqdT, mq_getattr, mq_receive, mq_send};

/// An open queue as a descriptor, which is closed when dropped: an `MqdT` is not.
pub fn owned(queue: MqdT) -> OwnedFd {
    // SAFETY: on Linux the number of an open queue is that of an open file, and `queue` gives up its ownership.
    unsafe { OwnedFd::from_raw_fd(queue.into_raw_fd()) }
}

fn borrowed(queue: BorrowedFd<'_>) -> MqdT {
    // SAFETY: the file is open as long as it is borrowed, which is longer than the calls below use this; dropping an `MqdT`
    // closes nothing. If it is not a queue, the call fails (EBADF).
    unsafe { MqdT::from_raw_fd(queue.as_raw_fd()) }
}

/// Takes the oldest message of the highest priority; `buffer` must have room for the longest one the queue allows.
///
/// # Errors
/// `WouldBlock`: there is none. EMSGSIZE: the buffer is too short.
pub fn receive(queue: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(mq_receive(&borrowed(queue), buffer, &mut 0)?)
}

/// Adds a message of the lowest priority.
///
/// # Errors
/// `WouldBlock`: the queue is full. EMSGSIZE: it is longer than the queue allows.
pub fn send(queue: BorrowedFd<'_>, message: &[u8]) -> io::Result<()> {
    Ok(mq_send(&borrowed(queue), message, 0)?)
}

/// The queue's attributes, and how many messages wait.
///
/// # Errors
/// It is not a queue (EBADF).
pub fn attributes(queue: BorrowedFd<'_>) -> io::Result<MqAttr> {
    Ok(mq_getattr(&borrowed(queue))?)
}
