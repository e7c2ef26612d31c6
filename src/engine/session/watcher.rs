//! A watcher: its filter, and the next event to send.

use crate::engine::message::Timestamp;
use crate::engine::service::watch::Filter;

/// One who watches.
#[derive(Debug)]
pub(super) struct Watcher {
    pub(super) filter: Filter,
    pub(super) since: Timestamp,
    /// The number of the event that it is shown next.
    pub(super) next: u64,
}
