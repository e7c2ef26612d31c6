//! Peers with shared memory that have been read to the end, while the loop is awake.

use crate::engine::message::ConnectionId;
use crate::transport::rings::AdaptiveSpin;

/// The peers whose memory is polled.
#[derive(Debug, Default)]
pub(super) struct Watched {
    pub(super) peers: Vec<ConnectionId>,
    pub(super) spin: AdaptiveSpin,
    /// Turns since the descriptors were last polled.
    pub(super) unpolled: u32,
    /// The most connections with shared memory.
    pub(super) sharing_max: usize,
}
