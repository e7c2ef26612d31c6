//! What goes to standard output and standard error, and whether anybody looks at it.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};

use ipcd::engine::json;
use rustix::event::PollFlags;
use serde::Serialize;
use signal_hook::consts::SIGPIPE;

use super::error::CliError;

/// Writes a result. One that nobody gets is none; and who reads no further wants no more of them, nor a complaint.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => unread(),
        _ => CliError::Failed(format!("standard output: {error}")),
    })
}

/// Writes a result for programs, as one line.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    print(&json::to_string(value))
}

/// For [`super::link::wait`]: that nobody reads standard output any more, which is known without writing to it. See [`unread`].
pub(crate) fn reader(stdout: &io::Stdout) -> (Option<BorrowedFd<'_>>, PollFlags) {
    (Some(stdout.as_fd()), PollFlags::empty())
}

/// What it means that nobody does.
pub(crate) fn unread() -> CliError {
    CliError::Signal(SIGPIPE)
}

/// Tells standard error. Nobody is left to be told that this could not be written.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "ipcctl: {text}");
}

/// Whether a person sits there: keys come in, and a screen shows what goes out.
#[cfg(feature = "tui")]
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb()
}

/// Whether standard output may be coloured: a terminal that is not dumb, whose user has not set `NO_COLOR` (to anything but
/// nothing).
pub(crate) fn has_colour() -> bool {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !is_dumb() && !is_unwanted
}

/// A terminal that would print what others obey.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|name| name == "dumb")
}
