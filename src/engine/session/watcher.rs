//! A watcher: its filter, and the next event to send.

use crate::engine::message::Timestamp;
use crate::engine::service::watch::Filter;

/// A watcher.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) filter: Filter,
    pub(super) since: Timestamp,
    /// The number of the next event to show.
    pub(super) next: u64,
}
