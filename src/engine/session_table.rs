//! The table of sessions, each at the index of its connection.

use super::capacity::shrunk;
use super::message::ConnectionId;
use super::ready_list::Membership;
use super::session::Session;

/// Every session.
#[derive(Debug, Default)]
pub(super) struct SessionTable {
    /// By [`ConnectionId::index`]; the reactor keeps the indices dense. The last entry is never empty, so memory is
    /// freed after a peak.
    entries: Vec<Option<Session>>,
    taken: usize,
}

impl SessionTable {
    /// The number of sessions.
    pub(super) fn len(&self) -> usize {
        self.taken
    }

    /// One more than the highest index in use.
    pub(super) fn end(&self) -> usize {
        self.entries.len()
    }

    /// The peer's session, unless it is closed.
    #[inline]
    pub(super) fn get(&self, peer: ConnectionId) -> Option<&Session> {
        self.at(peer.index as usize).filter(|session| session.peer() == peer)
    }

    /// The peer's session, mutably, unless it is closed.
    #[inline]
    pub(super) fn get_mut(&mut self, peer: ConnectionId) -> Option<&mut Session> {
        self.at_mut(peer.index as usize).filter(|session| session.peer() == peer)
    }

    /// The session at an index.
    #[inline]
    pub(super) fn at(&self, index: usize) -> Option<&Session> {
        self.entries.get(index)?.as_ref()
    }

    /// The session at an index, mutably.
    #[inline]
    pub(super) fn at_mut(&mut self, index: usize) -> Option<&mut Session> {
        self.entries.get_mut(index)?.as_mut()
    }

    /// The lists that contain the peer's session.
    #[inline]
    pub(super) fn membership(&mut self, peer: ConnectionId) -> Option<&mut Membership> {
        self.get_mut(peer).map(Session::membership)
    }

    /// All of them, by index.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.entries.iter().flatten()
    }

    /// The sessions from one index up to another, mutably.
    pub(super) fn range_mut(&mut self, from: usize, to: usize) -> impl Iterator<Item = &mut Session> {
        self.entries[from.min(to)..to].iter_mut().flatten()
    }

    /// Adds one, at the index of its connection.
    pub(super) fn insert(&mut self, session: Session) {
        let index = session.peer().index as usize;
        if self.entries.len() <= index {
            self.entries.resize_with(index + 1, || None);
        }
        debug_assert!(self.entries[index].is_none(), "the reactor gave an index away twice");
        self.entries[index] = Some(session);
        self.taken += 1;
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, peer: ConnectionId) -> Option<Session> {
        let entry = self.entries.get_mut(peer.index as usize)?;
        let session = entry.take_if(|session| session.peer() == peer)?;
        self.taken -= 1;
        while self.entries.pop_if(|entry| entry.is_none()).is_some() {}
        if let Some(capacity) = shrunk(self.entries.len(), self.entries.capacity()) {
            self.entries.shrink_to(capacity);
        }
        Some(session)
    }

    /// The number of sessions for which memory is allocated.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// The table itself, for tests that break it.
    #[cfg(test)]
    pub(super) fn entries(&mut self) -> &mut Vec<Option<Session>> {
        &mut self.entries
    }
}
