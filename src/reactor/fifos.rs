//! FIFOs: no client connects to one, so each has one session for as long as it is open.

use std::io;
use std::rc::Rc;

use super::fifo_endpoint::FifoEndpoint;
use super::report::EndpointError;
use super::{Reactor, STARVED};
use crate::endpoint::ResolvedEndpoint;
use crate::engine::message::{Binding, ConnectionId, Input, RemoteAddress, Timestamp};
use crate::transport::fifo::Fifo;

/// The most reads that empty a closing FIFO: enough for a pipe of the usual size, and a bound if its writers continue.
const LAST_READS: usize = 8;

impl Reactor {
    /// Adds a FIFO; [`begin_fifos`](Self::begin_fifos) begins its session.
    pub fn add_fifo(&mut self, fifo: Fifo, binding: Binding) {
        self.fifos.push(FifoEndpoint { fifo, binding: Rc::new(binding), peer: None });
    }

    /// The FIFO at a place.
    pub fn fifo(&self, place: &ResolvedEndpoint) -> Option<&Fifo> {
        self.fifos().find(|fifo| fifo.place() == place)
    }

    /// All FIFOs.
    pub fn fifos(&self) -> impl Iterator<Item = &Fifo> {
        self.fifos.iter().map(|endpoint| &endpoint.fifo)
    }

    /// Begins the session of each FIFO that has none. If that fails, it is tried again after a while, because no event
    /// would.
    pub fn begin_fifos(&mut self) {
        for index in 0..self.fifos.len() {
            let FifoEndpoint { fifo, binding, peer: None } = &self.fifos[index] else { continue };
            let (connection, binding) = (fifo.connection(), Rc::clone(binding));
            match connection.and_then(|connection| self.watch(connection)) {
                Ok(peer) => {
                    self.fifos[index].peer = Some(peer);
                    let opened = Input::Opened { peer, binding: &binding, remote: RemoteAddress::Writers };
                    self.engine.handle(self.clock.now(), opened);
                }
                Err(error) => {
                    let now = self.clock.now();
                    self.report.trouble(now, EndpointError::Fifo, &binding, &error);
                    self.accept_paused.get_or_insert(now + STARVED);
                }
            }
        }
    }

    /// If this is the session of a FIFO, it has failed and ends; another one begins after a while.
    pub(super) fn note_failed_fifo(&mut self, now: Timestamp, peer: ConnectionId, error: &io::Error) {
        if let Some(endpoint) = self.fifos.iter_mut().find(|endpoint| endpoint.peer == Some(peer)) {
            endpoint.peer = None;
            self.report.trouble(now, EndpointError::Fifo, &endpoint.binding, error);
            self.accept_paused.get_or_insert(now + STARVED);
        }
    }

    /// Gives the FIFO whose `.in` has this inode to the session that it had before a restart.
    pub(super) fn restore_fifo(&mut self, number: u64) -> Option<ConnectionId> {
        for index in 0..self.fifos.len() {
            let connection = self.fifos[index].fifo.connection().ok()?;
            if self.fifos[index].peer.is_none() && connection.number() == number {
                let peer = self.watch(connection).ok();
                self.fifos[index].peer = peer;
                return peer;
            }
        }
        None
    }

    /// Another service needs another session.
    pub(super) fn redirect_fifo(&mut self, place: &ResolvedEndpoint, binding: &Binding) {
        let Some(index) = self.fifos.iter().position(|endpoint| endpoint.fifo.place() == place) else {
            return;
        };
        if *self.fifos[index].binding != *binding {
            let peer = self.fifos[index].peer.take();
            self.end(peer);
            self.fifos[index].binding = Rc::new(binding.clone());
        }
    }

    /// Closes a FIFO, after reading the rest of its contents.
    pub(super) fn remove_fifo(&mut self, place: &ResolvedEndpoint) {
        if let Some(index) = self.fifos.iter().position(|endpoint| endpoint.fifo.place() == place) {
            // First the files, so that no client writes to a FIFO that is not read any more.
            let FifoEndpoint { peer, .. } = self.fifos.swap_remove(index);
            self.end(peer);
        }
    }

    fn end(&mut self, peer: Option<ConnectionId>) {
        let Some(peer) = peer else { return };
        for _ in 0..LAST_READS {
            if let Some(slot) = self.slots.get_mut(peer) {
                slot.readable = true;
                self.read(self.clock.now(), peer);
                self.answer(self.clock.now());
            }
        }
        self.end_of_file(self.clock.now(), peer);
    }
}
