//! The replies to a burst of plain requests, in one buffer for all sessions, which is lent to the reactor. Nearly every write takes
//! all of them, and then their session had nothing to queue, count or free.

use super::message::ConnectionId;
use super::service::Service;

/// The memory that is kept for the next replies.
const KEPT_BYTES: usize = 4096;

/// The lent replies.
#[derive(Debug, Default)]
pub(super) struct LentReply {
    /// Whose they are; `None`: there are none.
    pub(super) of: Option<(ConnectionId, Service)>,
    pub(super) bytes: Vec<u8>,
    /// Whether the reactor has yet to be told.
    pub(super) is_new: bool,
}

impl LentReply {
    /// Whether they are for this peer.
    #[inline]
    pub(super) fn is_to(&self, peer: ConnectionId) -> bool {
        self.of.is_some_and(|(of, _)| of == peer)
    }

    /// The replies.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the reactor has yet to be told of them.
    #[inline]
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// The peer to send them to, once.
    #[inline]
    pub(super) fn take_new(&mut self) -> Option<ConnectionId> {
        let is_new = std::mem::take(&mut self.is_new);
        self.of.filter(|_| is_new).map(|(peer, _)| peer)
    }

    #[inline]
    /// They were sent, or are queued.
    pub(super) fn clear(&mut self) {
        (self.of, self.is_new) = (None, false);
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
    }
}
