//! A restart: the connections that go on in another process, and those that come from the one before.

use std::collections::HashMap;
use std::io;

use super::Reactor;
use crate::engine::message::ConnectionId;
use crate::engine::record::piece::Piece;
use crate::engine::record::{Record, SavedSession};
use crate::transport::connection::Connection;

impl Reactor {
    /// Every connection that can go on in another process; the record of them goes to `write`, piece by piece. Nothing
    /// changes here.
    ///
    /// # Errors
    /// What `write` says.
    pub fn save(&self, mut write: impl FnMut(&Piece<'_>) -> io::Result<()>) -> io::Result<Vec<&Connection>> {
        let mut connections = Vec::new();
        let mut handing = self.engine.hand_over(self.now());
        write(&handing.head())?;
        handing.machines().try_for_each(|piece| write(&piece))?;
        for peer in handing.peers() {
            // What is missing there has left.
            let connection = self.slots.connection(peer);
            let Some(piece) = handing.session(peer, connection.map_or(0, Connection::number)) else {
                continue;
            };
            write(&piece)?;
            // A FIFO's descriptors go their own way: see `fifos`.
            connections
                .extend(connection.filter(|connection| connection.is_socket() && self.slots.is_plain(peer)));
        }
        write(&handing.end())?;
        Ok(connections)
    }

    /// Writes what waits for one peer, as far as the kernel takes it.
    pub fn deliver(&mut self, peer: ConnectionId) {
        self.flush(self.clock.now(), peer);
    }

    /// Goes on with the connections of the process before, as far as they are there.
    pub fn restore(&mut self, record: Record, connections: Vec<Connection>) {
        let now = self.now();
        let mut connections: HashMap<u64, Connection> =
            connections.into_iter().map(|connection| (connection.number(), connection)).collect();
        let mut present: Vec<(ConnectionId, SavedSession)> = Vec::new();
        let mut missing = Vec::new();
        for (number, saved) in record.sessions {
            let found = match saved.is_standing() {
                true => self.restore_fifo(number),
                false => connections.remove(&number).and_then(|connection| self.watch(connection).ok()),
            };
            match found {
                Some(peer) => present.push((peer, saved)),
                None => missing.push(saved),
            }
        }
        self.engine.restore_machines(now, record.machines);
        self.engine.restore(now, (record.history, record.log), present, missing);
        self.report.restore(&self.engine);
        self.begin_fifos();
    }
}
