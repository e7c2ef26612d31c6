//! Errors, with an exit status for scripts, and their messages.

use std::io;

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

/// The system's error message, for the middle of a sentence and without its number.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    let is_number = |text: &str| text.strip_suffix(')').is_some_and(|number| number.parse::<i32>().is_ok());
    let text = match text.rsplit_once(" (os error ") {
        Some((words, number)) if is_number(number) => words,
        _ => &text,
    };
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        // Not if it begins with an abbreviation.
        (Some(first), Some(second)) if !second.is_uppercase() => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_error_is_shown_as_text_without_its_number() {
        assert_eq!(words(&io::Error::from_raw_os_error(2)), "no such file or directory");
        assert_eq!(words(&io::Error::from_raw_os_error(111)), "connection refused");
        assert_eq!(words(&io::Error::other("RST (os error is near)")), "RST (os error is near)");
    }
}
