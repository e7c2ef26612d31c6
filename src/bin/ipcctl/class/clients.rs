//! What a status report says of everybody: the part that `class` asks for.

use serde_json::Value;

use super::super::daemon::Conversation;
use super::super::error::CliError;
use super::super::status;

/// Asks for this part of a report. A daemon that does not know it gives the whole.
pub(super) const CLIENTS: &str = ipcd::engine::words::CLIENTS;

/// One who asks, as with watch.
const NOT_FOR_YOU: &str =
    "class is only for root, the daemon's own user, and those in allow_users or allow_groups under [watch]";

/// What a report says of everybody.
pub(super) fn clients(conversation: &Conversation, line: &str) -> Result<Vec<Value>, CliError> {
    let mut report = status::read(conversation, line)?;
    match report["clients"].take() {
        Value::Array(clients) => Ok(clients),
        _ => Err(CliError::Refused(vec![NOT_FOR_YOU.to_owned()])),
    }
}
