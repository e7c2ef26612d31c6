//! Standard output and standard error, and whether they have a reader.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::{AsFd, BorrowedFd};

use ipcd::engine::json;
use rustix::event::PollFlags;
use serde::Serialize;
use signal_hook::consts::SIGPIPE;

use super::error::CliError;
use ipcd::os_error::describe;

/// Writes a result. A failure is an error; if the reader is gone, the program ends silently.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    written.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => unread(),
        _ => CliError::Failed(format!("standard output: {}", describe(&error))),
    })
}

/// Writes that an order was carried out: for a person; a script has the exit status.
pub(crate) fn confirm(text: &str) -> Result<(), CliError> {
    if io::stdout().is_terminal() { print(text) } else { Ok(()) }
}

/// Writes a result for programs, as one line.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), CliError> {
    print(&json::to_string(value))
}

/// For [`super::connection::wait`]: detects without writing that standard output has no reader any more. See [`unread`].
pub(crate) fn reader(stdout: &io::Stdout) -> (Option<BorrowedFd<'_>>, PollFlags) {
    (Some(stdout.as_fd()), PollFlags::empty())
}

/// The error for that.
pub(crate) fn unread() -> CliError {
    CliError::Signal(SIGPIPE)
}

/// Writes to standard error. A failure is ignored, because there is no place left to report it.
pub(crate) fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "ipcctl: {text}");
}

/// Writes a warning to standard error, in red where it may be coloured.
#[cfg(feature = "tls")]
pub(crate) fn warn(text: &str) {
    match is_colourful(&io::stderr()) {
        true => tell(&format!("\x1b[1;31m{text}\x1b[0m")),
        false => tell(text),
    }
}

/// The width of the output terminal, if it is one.
pub(crate) fn width_of_terminal() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Whether input and output are a terminal.
#[cfg(feature = "tui")]
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal() && !is_dumb()
}

/// Whether standard output may be coloured.
pub(crate) fn has_colour() -> bool {
    is_colourful(&io::stdout())
}

/// Whether this may be coloured: a terminal that is not dumb, and `NO_COLOR` is unset or empty.
fn is_colourful(output: &impl IsTerminal) -> bool {
    let is_unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    output.is_terminal() && !is_dumb() && !is_unwanted
}

/// A terminal that would print control sequences.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|name| name == "dumb")
}
