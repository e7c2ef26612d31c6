//! The last status that the service manager got.

use crate::engine::message::Timestamp;

/// The line in `systemctl status`, and the figures in it.
#[derive(Debug, Default)]
pub(super) struct Status {
    pub(super) line: String,
    pub(super) at: Timestamp,
    pub(super) connections: usize,
    pub(super) messages: u64,
    pub(super) rate: u64,
    pub(super) reload: Option<(bool, Timestamp)>,
}

impl Status {
    pub(super) fn begun(at: Timestamp) -> Status {
        Status { at, ..Status::default() }
    }
}
