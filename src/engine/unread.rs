//! The time for which a peer has read nothing of its queued data.

use super::message::Timestamp;

/// How long the kernel has taken nothing for a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// Since the moment.
    Since(Timestamp),
    /// Its time is over: the kernel is asked once more, because it tells of room only once a third (TCP) or three quarters
    /// (Unix) of its buffer are free, and a peer may take longer for that and read all the same.
    RetryWanted,
    /// The answer to that question is all that is waited for.
    Retried,
}
