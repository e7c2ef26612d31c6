//! `ipcctl reload` and `ipcctl handover`: a request to control, and its outcome.

use super::connect::ConnectOptions;
use super::daemon::Conversation;
use super::error::CliError;
use super::output;
use super::services::CONTROL;
use ipcd::engine::words::ERROR;

/// The most lines of an answer: a configuration's first hundred errors and the number of further ones, or an error for each endpoint.
const ERRORS_MAX: usize = 1000;

/// Their bytes.
const ERRORS_BYTES_MAX: usize = 1 << 20;

/// Sends the request; `done` says on a terminal that it was carried out.
pub(crate) fn run(options: &ConnectOptions, request: &str, done: &str) -> Result<(), CliError> {
    let mut daemon = Conversation::begin(options, &CONTROL)?;
    daemon.say(request);
    let mut errors = Vec::new();
    let mut bytes = 0;
    let deadline = options.deadline();
    while let Some(line) = daemon.hear_by(deadline)? {
        bytes += line.len();
        if errors.len() == ERRORS_MAX || bytes > ERRORS_BYTES_MAX {
            return Err(daemon.too_much(&format!("{ERRORS_MAX} lines or {} KiB", ERRORS_BYTES_MAX >> 10)));
        }
        match line.strip_prefix(ERROR) {
            None if line == "OK" => return output::confirm(done),
            Some(error) => match daemon.refused(CONTROL.name, error) {
                CliError::Refused(lines) => errors.extend(lines),
                error => return Err(error),
            },
            None => return Err(not_the_mux(&daemon)),
        }
        if errors.len() == 1 {
            daemon.end(); // the whole answer follows at once, and then end of file
        }
    }
    match errors.is_empty() {
        true => {
            Err(CliError::Failed(format!("the daemon closed the connection without an answer to {request}")))
        }
        false => Err(CliError::Refused(errors)),
    }
}

/// Another server answers there.
pub(crate) fn not_the_mux(daemon: &Conversation) -> CliError {
    CliError::Failed(format!(
        "{}: this is not the mux of ipcd; leave --to out, or give the daemon's Unix socket",
        daemon.endpoint
    ))
}
