//! Facts that only a few peers have: in a table beside the sessions, which stay small.

use std::collections::HashMap;

use super::capacity::shrunk;
use super::message::ConnectionId;

/// The values of those peers.
#[derive(Debug)]
pub struct Peers<T>(HashMap<ConnectionId, T>);

impl<T> Default for Peers<T> {
    fn default() -> Self {
        Peers(HashMap::new())
    }
}

impl<T> Peers<T> {
    /// A peer's value.
    pub fn get(&self, peer: ConnectionId) -> Option<&T> {
        self.0.get(&peer)
    }

    /// The peers that have one.
    pub fn peers(&self) -> impl Iterator<Item = &ConnectionId> {
        self.0.keys()
    }

    /// Gives a peer a value.
    pub fn set(&mut self, peer: ConnectionId, value: T) {
        self.0.insert(peer, value);
    }

    /// Removes a peer's value. After a peak the memory is freed.
    pub fn remove(&mut self, peer: ConnectionId) {
        if !self.0.is_empty()
            && self.0.remove(&peer).is_some()
            && let Some(capacity) = shrunk(self.0.len(), self.0.capacity())
        {
            self.0.shrink_to(capacity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_shrinks_back_after_a_peak() {
        let mut table = Peers::default();
        let peers = (0..1000).map(|index| ConnectionId { index, generation: 1 });
        peers.clone().for_each(|peer| table.set(peer, peer.index));
        assert_eq!(table.get(ConnectionId { index: 7, generation: 1 }), Some(&7));
        assert_eq!(
            table.get(ConnectionId { index: 7, generation: 2 }),
            None,
            "another connection at that index"
        );
        peers.for_each(|peer| table.remove(peer));
        assert!(table.0.is_empty() && table.0.capacity() < 512, "{}", table.0.capacity());
    }
}
