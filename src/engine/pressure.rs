//! Which connections are closed when the queues of all together are full. Knows who holds how much, and not what.
//!
//! The client (an address, or on Unix sockets a user) that holds the most loses its largest connection, and so on until there is
//! room. A client that holds no more than an equal share of the whole loses none: nobody can displace another client, whatever the
//! number of connections.

use std::collections::{BinaryHeap, HashMap};

use super::Engine;
use super::limits::RELIEF_SHARE;
use super::message::{ConnectionId, Timestamp};
use super::source::Source;

/// How often the largest ones are searched for at once. A closing connection keeps its last words, and loses them in the second
/// round.
const ROUNDS: usize = 3;

/// A connection whose queues are not empty.
#[derive(Debug)]
pub(super) struct MemoryHolder {
    peer: ConnectionId,
    client: Source,
    bytes: usize,
}

/// The memory of a connection during the search: its entry, and its client's entries in a table and in a heap, each with room to
/// grow.
pub(super) const HOLDER_BYTES: usize = 2
    * (2 * size_of::<MemoryHolder>()
        + size_of::<(Source, Vec<MemoryHolder>)>()
        + size_of::<(usize, usize)>());

impl Engine {
    /// The counted memory of the queues of all connections, in bytes.
    #[inline]
    pub(super) fn held_bytes(&self) -> usize {
        self.shared.held + self.shared.room.direct_bytes()
    }

    /// Closes connections if the queues of all together exceed their bound.
    #[inline]
    pub(super) fn relieve_when_full(&mut self, now: Timestamp) {
        if self.held_bytes() > self.shared.settings.queued_bytes_max {
            self.relieve(now);
        }
    }

    #[cold]
    fn relieve(&mut self, now: Timestamp) {
        let max = self.shared.settings.queued_bytes_max;
        for _ in 0..ROUNDS {
            let held = self.held_bytes();
            if held <= max {
                return;
            }
            for peer in choose(self.holders(), held - (max - max / RELIEF_SHARE)) {
                self.act_on(now, peer, |session, shared| session.give_way(shared, now));
            }
        }
    }

    fn holders(&self) -> Vec<MemoryHolder> {
        let counted = self.sessions.iter().filter(|session| !session.is_lossy());
        counted
            .map(|session| {
                let (peer, client) = (session.peer(), session.remote().into());
                MemoryHolder { peer, client, bytes: session.held_bytes(&self.shared) }
            })
            .filter(|holder| holder.bytes > 0)
            .collect()
    }
}

/// The connections to close so that at least `excess` bytes become free, in order.
fn choose(holders: Vec<MemoryHolder>, excess: usize) -> Vec<ConnectionId> {
    let mut clients: HashMap<Source, Vec<MemoryHolder>> = HashMap::new();
    for holder in holders {
        clients.entry(holder.client).or_default().push(holder);
    }
    let mut clients: Vec<Vec<MemoryHolder>> = clients.into_values().collect();
    for connections in &mut clients {
        connections.sort_unstable_by_key(|holder| (holder.bytes, holder.peer));
    }
    let total =
        |connections: &Vec<MemoryHolder>| connections.iter().map(|holder| holder.bytes).sum::<usize>();
    let first = |connections: &Vec<MemoryHolder>| connections.first().map(|holder| holder.peer);
    // Sorted, so that among equals the random order of the table does not decide.
    clients.sort_unstable_by_key(first);
    let mut heap: BinaryHeap<(usize, usize)> =
        clients.iter().enumerate().map(|(at, connections)| (total(connections), at)).collect();
    let (mut chosen, mut freed) = (Vec::new(), 0);
    while freed < excess
        && let Some((held, at)) = heap.pop()
    {
        let Some(holder) = clients[at].pop() else { continue };
        freed += holder.bytes;
        chosen.push(holder.peer);
        heap.push((held - holder.bytes, at));
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::message::RemoteAddress;

    fn holder(index: u32, uid: u32, bytes: usize) -> MemoryHolder {
        let client = RemoteAddress::Process { uid, gid: 1, pid: 1 }.into();
        MemoryHolder { peer: ConnectionId { index, generation: 1 }, client, bytes }
    }

    fn chosen(holders: Vec<MemoryHolder>, excess: usize) -> Vec<u32> {
        choose(holders, excess).into_iter().map(|peer| peer.index).collect()
    }

    #[test]
    fn heaviest_connection_of_the_heaviest_client_is_chosen() {
        // User 1 holds 90 in small pieces, user 2 holds 60 in one.
        let holders =
            || (0..9).map(|index| holder(index, 1, 10 + index as usize % 2)).chain([holder(9, 2, 60)]);
        assert_eq!(chosen(holders().collect(), 1), [7]);
        assert_eq!(chosen(holders().collect(), 34), [7, 5, 3, 1], "94, and then still more than the other");
        assert_eq!(chosen(holders().collect(), 45), [7, 5, 3, 1, 9], "now the other holds most");
        assert_eq!(chosen(holders().collect(), 1000).len(), 10, "all of them are not enough");
        assert_eq!(chosen(Vec::new(), 1000), [] as [u32; 0]);
    }

    #[test]
    fn client_within_an_equal_share_is_chosen_last() {
        let crowd = (0..1000).map(|index| holder(index, 1, 100));
        let quiet = (0..99).map(|index| holder(1000 + index, 2 + index, 1000));
        let given = chosen(crowd.chain(quiet).collect(), 99_000);
        assert_eq!(given.len(), 990);
        assert!(given.iter().all(|index| *index < 1000), "each of the 100 clients has 1,000 bytes left");
    }
}
