//! Why the daemon ended, and the exit status for it. Knows nothing about the daemon's work.

use std::fmt;

use crate::config::Errors;
use crate::host;

/// Why the daemon ended unexpectedly. Its text has one line for each error.
#[derive(Debug)]
pub enum Failure {
    /// The configuration is wrong or missing.
    Config(Errors),
    /// Endpoints could not be opened.
    Unavailable(Vec<String>),
    /// Something failed while running.
    Runtime(String),
    /// A request on the command line that is not available.
    Usage(String),
}

impl Failure {
    /// The exit status of the process (78 and 69 are EX_CONFIG and EX_UNAVAILABLE of sysexits.h).
    pub fn status(&self) -> u8 {
        match self {
            Failure::Config(_) => 78,
            Failure::Unavailable(_) => 69,
            Failure::Runtime(_) => 1,
            Failure::Usage(_) => 2,
        }
    }

    /// Its text for standard error, with the priority of errors if that is the journal.
    pub fn for_stderr(&self) -> String {
        host::log::as_errors(&self.to_string())
    }
}

/// An error in a file begins with its position, as a compiler's does; one about the whole file with the program's name.
fn located(line: &str) -> String {
    let position = line.split(": ").next().unwrap_or_default();
    let is_number = |part: Option<&str>| part.is_some_and(|part| part.parse::<usize>().is_ok());
    let mut parts = position.rsplit(':');
    match is_number(parts.next()) && is_number(parts.next()) {
        true => line.to_owned(),
        false => format!("ipcd: {line}"),
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Config(errors) => {
                let lines: Vec<String> = errors.iter().map(|line| located(line)).collect();
                f.write_str(&lines.join("\n"))
            }
            Failure::Unavailable(lines) => {
                let lines: Vec<String> = lines.iter().map(|line| format!("ipcd: {line}")).collect();
                f.write_str(&lines.join("\n"))
            }
            Failure::Runtime(line) | Failure::Usage(line) => write!(f, "ipcd: {line}"),
        }
    }
}
