//! `[nats]` in an ipcd that was built without it.

use super::Failure;
use crate::config::{Config, Errors};

/// There is never anything to share.
pub(super) struct Nothing;

/// Refuses a shared room.
pub(super) fn read(config: &Config) -> Result<Nothing, Failure> {
    match config.nats.room.is_empty() {
        true => Ok(Nothing),
        false => Err(Failure::Config(Errors::from(vec![format!(
            "room under [chat] in {}: this ipcd was built without NATS; leave room out, or use another ipcd",
            config.file_to_change()
        )]))),
    }
}
