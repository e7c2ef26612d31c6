//! Files of descriptors, by the names that proc_pid_fd(5) gives them.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, openat};

/// A name of the file of a descriptor, for calls that take none or refuse O_PATH. It is good as long as the descriptor is open.
pub fn path_of(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// The same pipe or terminal with an open file description of our own, to which O_NONBLOCK then belongs.
///
/// # Errors
/// It is another user's, or there is no /proc.
pub fn nonblocking(fd: BorrowedFd<'_>, access: OFlags) -> io::Result<OwnedFd> {
    let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    Ok(openat(CWD, path_of(fd), flags, Mode::empty())?)
}
