//! The terminal that a foreground daemon was started on: whether it is still there when SIGHUP comes.

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

/// The terminal that controls this process, or none.
#[derive(Debug)]
pub struct Terminal {
    /// SIGHUP would tell us that it is gone: there was one at the start, and nobody had said that SIGHUP is to be ignored
    /// (nohup(1)).
    is_watched: bool,
}

impl Terminal {
    /// What it is now; to be called before SIGHUP is handled, and after the daemon has detached.
    pub fn find() -> Terminal {
        Terminal { is_watched: controlling() == Ok(()) && !is_hangup_ignored() }
    }

    /// Whether there was one at the start and is none any more: it was closed, or the connection to it broke.
    pub fn is_gone(&self) -> bool {
        // The kernel takes it away from its session before it sends SIGHUP (Linux, `__tty_hangup`).
        self.is_watched && controlling() == Err(Errno::NXIO)
    }
}

/// Whether /dev/tty, the controlling terminal of whoever opens it (tty(4)), can be opened.
fn controlling() -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    openat(CWD, "/dev/tty", flags, Mode::empty()).map(drop)
}

/// Whether SIGHUP is ignored (proc_pid_status(5), SigIgn: a bit for each signal, SIGHUP the lowest).
fn is_hangup_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}
