//! The file of `--log-file`: standard output and standard error refer to it, and are reopened after a log rotation
//! has moved it away.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::log;

/// The mode of a new log file: at the level debug it contains chat messages.
const MODE: u32 = 0o640;

/// Opens the file for appending, and creates it if necessary. Never blocks, whatever is at that path.
///
/// # Errors
/// Those of open(2).
pub fn open(path: &Path) -> io::Result<File> {
    open_with(path, OFlags::empty())
}

/// The same for root, in a directory that may belong to another user: nothing that this user put there can lead to a
/// file of another user.
///
/// # Errors
/// Those of open(2); or it is a symbolic link, or a file with a second name (hard link).
pub fn open_for_another(path: &Path) -> io::Result<File> {
    let file = open_with(path, OFlags::NOFOLLOW).map_err(|error| match error.raw_os_error() {
        Some(errno) if errno == Errno::LOOP.raw_os_error() => {
            io::Error::other("a symbolic link, which root does not follow for another user")
        }
        _ => error,
    })?;
    let there = file.metadata()?;
    match there.is_file() && there.nlink() > 1 {
        true => {
            Err(io::Error::other("a file with a second name, which root does not write to for another user"))
        }
        false => Ok(file),
    }
}

fn open_with(path: &Path, more: OFlags) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | more;
    OpenOptions::new().create(true).append(true).mode(MODE).custom_flags(flags.bits() as i32).open(path)
}

/// Continues in the file that is now at that path.
///
/// # Errors
/// It cannot be opened. Then the log stays in the old file.
pub fn reopen(path: &Path) -> io::Result<()> {
    let file = open(path)?;
    rustix::stdio::dup2_stdout(&file)?;
    rustix::stdio::dup2_stderr(&file)?;
    log::renew();
    Ok(())
}
