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
    of: Option<(ConnectionId, Service)>,
    bytes: Vec<u8>,
    /// Whether the reactor has yet to be told.
    is_new: bool,
}

impl LentReply {
    /// Whose they are, and of which service; `None`: there are none.
    #[inline]
    pub(super) fn owner(&self) -> Option<(ConnectionId, Service)> {
        self.of
    }

    /// Where the replies are written, before they are [lent](Self::lend_to).
    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Lends what was written to the reactor, for this peer.
    #[inline]
    pub(super) fn lend_to(&mut self, peer: ConnectionId, service: Service) {
        (self.of, self.is_new) = (Some((peer, service)), true);
    }

    /// Takes the replies back.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let bytes = std::mem::take(&mut self.bytes);
        self.clear();
        bytes
    }

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

    /// They were sent, or are queued.
    #[inline]
    pub(super) fn clear(&mut self) {
        (self.of, self.is_new) = (None, false);
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
    }
}
