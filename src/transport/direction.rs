//! The two files of a pair that any number of clients use: what others may do with each, and their mode and group.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{Mode, fchmod};
use rustix::process::getegid;

use super::permissions;

/// One of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// `.in`: others write, only the daemon reads.
    In,
    /// `.out`: only the daemon writes, others read.
    Out,
}

impl Direction {
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Direction::In => ".in",
            Direction::Out => ".out",
        }
    }

    /// The part of the configured mode for its file: a reader of `.in` would take requests away, and a
    /// writer to `.out` could forge answers.
    pub(super) fn mode(self, mode: u32) -> u32 {
        match self {
            Direction::In => mode & 0o722,
            Direction::Out => mode & 0o744,
        }
    }
}

/// Changes the mode and group of one file; an empty or unknown group means our own. It is never looser than the new mode
/// in between.
///
/// Returns deviations from the request, each as a line for the log.
///
/// # Errors
/// It no longer belongs to us.
pub(super) fn set_permissions(
    file: BorrowedFd<'_>,
    name: impl fmt::Display,
    mode: u32,
    group: &str,
) -> io::Result<Vec<String>> {
    let set_mode = |mode| Ok(fchmod(file, Mode::from_raw_mode(mode))?);
    permissions::change(file, name, set_mode, (mode, group), Some(getegid().as_raw()))
}
