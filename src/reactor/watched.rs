//! The peers that share memory and have been read to the end, while the loop is awake.

use crate::engine::message::ConnectionId;
use crate::transport::rings::Patience;

/// The peers whose memory is watched.
#[derive(Debug, Default)]
pub(super) struct Watched {
    pub(super) peers: Vec<ConnectionId>,
    pub(super) patience: Patience,
    /// Turns since the descriptors were last asked about.
    pub(super) unpolled: u32,
    /// The most connections that share memory.
    pub(super) sharing_max: usize,
}
