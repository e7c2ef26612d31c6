//! The file that `--log-file` names: standard output and standard error are it, and are opened anew when a log rotation
//! has moved it away.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

use super::log;

/// The mode of a log file that is made: at the level debug it holds what people say to one another.
const MODE: u32 = 0o640;

/// Opens the file to append to it, and makes it if it is not there. Never waits, whatever stands at that path.
///
/// # Errors
/// Those of open(2).
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    OpenOptions::new().create(true).append(true).mode(MODE).custom_flags(flags.bits() as i32).open(path)
}

/// Goes on in the file that is at that path now.
///
/// # Errors
/// It cannot be opened. Then the log goes on where it was.
pub fn reopen(path: &Path) -> io::Result<()> {
    let file = open(path)?;
    rustix::stdio::dup2_stdout(&file)?;
    rustix::stdio::dup2_stderr(&file)?;
    log::renew();
    Ok(())
}
