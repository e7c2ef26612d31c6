//! The names of message queues (mq_overview(7)).

use std::path::PathBuf;

/// The longest name of a message queue, in bytes without its slash: a file's name has 255 (NAME_MAX), and `.lock` follows.
const QUEUE_NAME_BYTES_MAX: usize = 250;

/// Checks the name of a message queue.
pub(super) fn parse(name: &str) -> Result<PathBuf, String> {
    let wrong = |reason: &str| Err(format!("{reason}, for example mq:///multiply"));
    match name.strip_prefix('/') {
        None | Some("") => wrong("the name of a message queue begins with a slash"),
        Some(rest) if rest.contains('/') => wrong("the name of a message queue has no second slash"),
        Some(_) if name.chars().any(char::is_control) => wrong("a name has no control characters"),
        Some(rest) if rest.len() > QUEUE_NAME_BYTES_MAX => Err(format!(
            "the name of a message queue has at most {QUEUE_NAME_BYTES_MAX} bytes, this one has {}",
            rest.len()
        )),
        Some(_) => Ok(PathBuf::from(name)),
    }
}
