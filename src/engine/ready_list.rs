//! Lists of sessions that are ready for something, each session once. Membership in a list is a bit in the session,
//! and only the list sets and clears it.

use std::collections::VecDeque;

use super::message::ConnectionId;

/// What a session can be ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// A reply of its own can be sent.
    Reply = 1,
    /// It has messages that wait for room in the chat's log.
    Room = 2,
    /// Its status report can go on.
    Report = 4,
    /// It has messages that may cost much, or is told a list, and waits for its turn.
    Effort = 8,
}

/// The lists that contain a session. They share one byte, because a session has no room for more.
#[derive(Debug, Default)]
pub(super) struct Membership(u8);

impl Membership {
    /// Whether the list contains the session.
    pub(super) fn is_in(&self, list: For) -> bool {
        self.0 & list as u8 != 0
    }
}

/// One list, first come, first served. A closed session leaves its entry behind, which is ignored, and dropped once there are many.
#[derive(Debug)]
pub(super) struct ReadyList {
    list: For,
    queue: VecDeque<ConnectionId>,
}

impl ReadyList {
    /// An empty list.
    pub(super) fn new(list: For) -> ReadyList {
        ReadyList { list, queue: VecDeque::new() }
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether it has none.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Which list it is.
    pub(super) fn list(&self) -> For {
        self.list
    }

    /// The sessions in it, in order, including closed ones.
    pub(super) fn peers(&self) -> impl Iterator<Item = ConnectionId> {
        self.queue.iter().copied()
    }

    /// Adds a session at the end, unless it is in the list.
    #[inline]
    pub(super) fn push(&mut self, peer: ConnectionId, membership: &mut Membership) {
        if !membership.is_in(self.list) {
            membership.0 |= self.list as u8;
            self.queue.push_back(peer);
        }
    }

    /// Drops the entries of closed sessions if it has more than two entries for each open one. Call it when a session was closed:
    /// then it never has more than three for each, even if no turn gets to its end.
    #[inline]
    pub(super) fn drop_closed(&mut self, open: usize, is_open: impl Fn(ConnectionId) -> bool) {
        if self.queue.len() > 2 * open {
            self.queue.retain(|peer| is_open(*peer));
        }
    }

    /// Takes the first entry off the list; `None`: its session is closed, or there is no entry.
    #[inline]
    pub(super) fn pop<'s>(
        &mut self,
        membership_of: impl FnOnce(ConnectionId) -> Option<&'s mut Membership>,
    ) -> Option<ConnectionId> {
        let peer = self.queue.pop_front()?;
        membership_of(peer)?.0 &= !(self.list as u8);
        Some(peer)
    }
}
