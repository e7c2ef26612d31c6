//! The terminal of a foreground daemon: whether it still exists when SIGHUP arrives.

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

/// The controlling terminal of this process, if any.
#[derive(Debug)]
pub struct Terminal {
    /// Whether SIGHUP can mean that the terminal is gone: there was one at the start, and SIGHUP was not ignored
    /// (nohup(1)).
    is_watched: bool,
}

impl Terminal {
    /// The current terminal. Call it before SIGHUP is handled, and after the daemon has detached.
    pub fn find() -> Terminal {
        Terminal { is_watched: controlling() == Ok(()) && !is_hangup_ignored() }
    }

    /// Whether the terminal of the start is gone: it was closed, or its connection was lost.
    pub fn is_gone(&self) -> bool {
        // The kernel detaches it from its session before it sends SIGHUP (Linux, `__tty_hangup`).
        self.is_watched && controlling() == Err(Errno::NXIO)
    }
}

/// Whether /dev/tty, the controlling terminal of the process that opens it (tty(4)), can be opened.
fn controlling() -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(CWD, "/dev/tty", flags, Mode::empty()).map(drop)
}

/// Whether SIGHUP is ignored (proc_pid_status(5), SigIgn: one bit for each signal, SIGHUP is the lowest).
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}
