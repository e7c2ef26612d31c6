//! A restart: the connections that continue in the next process, and those of the previous process.

use std::collections::HashMap;
use std::io;

use super::Reactor;
use crate::engine::message::ConnectionId;
use crate::engine::record::piece::Piece;
use crate::engine::record::{Record, SavedSession};
use crate::transport::connection::Connection;

impl Reactor {
    /// Every connection that can continue in another process. Their record goes to `write`, piece by piece. Nothing changes here.
    ///
    /// # Errors
    /// The error of `write`.
    pub fn save(&self, mut write: impl FnMut(&Piece<'_>) -> io::Result<()>) -> io::Result<Vec<&Connection>> {
        let mut connections = Vec::new();
        let mut handover = self.engine.hand_over(self.now());
        write(&handover.head())?;
        handover.machines().try_for_each(|piece| write(&piece))?;
        for peer in handover.peers() {
            // The next process takes those without a descriptor as closed.
            let connection = self.slots.connection(peer);
            let Some(piece) = handover.session(peer, connection.map_or(0, Connection::number)) else {
                continue;
            };
            write(&piece)?;
            // Pairs are handed over apart from these: see `pairs`.
            connections
                .extend(connection.filter(|connection| connection.is_socket() && self.slots.is_plain(peer)));
        }
        write(&handover.end())?;
        Ok(connections)
    }

    /// Writes what waits for one peer, as far as the kernel accepts it.
    pub fn deliver(&mut self, peer: ConnectionId) {
        self.flush(self.clock.now(), peer);
    }

    /// Continues the connections of the previous process that were handed over.
    pub fn restore(&mut self, record: Record, connections: Vec<Connection>) {
        let now = self.now();
        let mut connections: HashMap<u64, Connection> =
            connections.into_iter().map(|connection| (connection.number(), connection)).collect();
        let mut present: Vec<(ConnectionId, SavedSession)> = Vec::new();
        let mut missing = Vec::new();
        for (number, saved) in record.sessions {
            let found = match saved.transport() {
                Some(transport) if transport.is_standing() => self.restore_pair(transport, number),
                _ => connections.remove(&number).and_then(|connection| self.watch(connection).ok()),
            };
            match found {
                Some(peer) => present.push((peer, saved)),
                None => missing.push(saved),
            }
        }
        self.engine.restore_machines(now, record.machines);
        self.engine.restore(now, (record.history, record.log), present, missing);
        self.report.restore(&self.engine);
        self.begin_pairs();
    }
}
