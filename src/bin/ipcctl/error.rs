//! Errors, with an exit status for scripts, and their messages.

/// An error. Each line of its text is a message for standard error.
#[derive(Debug)]
pub(crate) enum CliError {
    /// An error from the daemon, in its own words.
    Refused(Vec<String>),
    /// The request makes no sense at this endpoint.
    Usage(String),
    /// No daemon could be reached (EX_UNAVAILABLE).
    Unreachable(String),
    /// The daemon did not answer in time (EX_TEMPFAIL).
    TimedOut(String),
    /// The administrator removed us from the room, or closed our connection (EX_NOPERM).
    Removed(String),
    /// The connection failed, or the answer was invalid.
    Failed(String),
    /// A signal ends the program, after cleaning up.
    Signal(i32),
}

/// Wrong usage.
pub(crate) const USAGE: u8 = 2;

impl CliError {
    pub(crate) fn status(&self) -> u8 {
        match self {
            CliError::Refused(_) | CliError::Failed(_) | CliError::Signal(_) => 1,
            CliError::Usage(_) => USAGE,
            CliError::Unreachable(_) => 69,
            CliError::TimedOut(_) => 75,
            CliError::Removed(_) => 77,
        }
    }

    pub(crate) fn lines(&self) -> &[String] {
        match self {
            CliError::Refused(lines) => lines,
            CliError::Usage(line)
            | CliError::Unreachable(line)
            | CliError::TimedOut(line)
            | CliError::Removed(line)
            | CliError::Failed(line) => std::slice::from_ref(line),
            CliError::Signal(_) => &[],
        }
    }
}
