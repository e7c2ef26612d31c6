//! `--consume PLACE MILLISECONDS`: the process that waits for the semaphores of one buffer. Only the daemon starts it.

use std::time::Duration;

use super::failure::Failure;
use crate::os_error::describe;
use crate::transport::buffer::consume;

/// Empties a buffer until the daemon ends.
///
/// # Errors
/// The arguments or standard input are not those that a daemon gives.
pub fn run(arguments: &[String]) -> Result<u8, Failure> {
    let [place, timeout] = arguments else {
        return Err(Failure::Runtime(
            "--consume is only for the daemon: it needs two arguments, PLACE and MILLISECONDS".to_owned(),
        ));
    };
    let timeout = Duration::from_millis(timeout.parse().unwrap_or_default());
    match consume::run(place, timeout) {
        Ok(()) => Ok(0),
        Err(error) => Err(Failure::Runtime(format!("--consume: {}", describe(&error)))),
    }
}
