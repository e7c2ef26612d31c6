//! The clients in a status report: the part that `class` requests.

use serde_json::Value;

use super::super::daemon::Conversation;
use super::super::error::CliError;
use super::super::status;

/// Requests this part of a report. A daemon that does not know the request sends the whole report.
pub(super) const CLIENTS: &str = ipcd::engine::words::CLIENTS;

/// The error for a user without permission, as for watch.
const NOT_FOR_YOU: &str =
    "class is only for root, the daemon's own user, and those in allow_users or allow_groups under [watch]";

/// The clients in a report.
pub(super) fn clients(conversation: &Conversation, line: &str) -> Result<Vec<Value>, CliError> {
    let mut report = status::read(conversation, line)?;
    match report["clients"].take() {
        Value::Array(clients) => Ok(clients),
        _ => Err(CliError::Refused(vec![NOT_FOR_YOU.to_owned()])),
    }
}
