//! Pairs of FIFOs or message queues, and buffers: no client connects to one, so each has one session for as long as it is open.

use std::io;
use std::rc::Rc;

use super::pair_endpoint::PairEndpoint;
use super::report::EndpointError;
use super::{Reactor, STARVED};
use crate::endpoint::ResolvedEndpoint;
use crate::engine::message::{Binding, ConnectionId, Input, RemoteAddress, Timestamp};
use crate::engine::transport::Transport;
use crate::transport::connection::Connection;
use crate::transport::pair::Pair;

/// The most reads that empty a closing pair: enough for a pipe of the usual size, and a bound if its writers continue.
const LAST_READS: usize = 8;

impl Reactor {
    /// Adds a pair; [`begin_pairs`](Self::begin_pairs) begins its session.
    pub fn add_pair(&mut self, pair: Pair, binding: Binding) {
        self.pairs.push(PairEndpoint { pair, binding: Rc::new(binding), peer: None });
    }

    /// The pair at this endpoint.
    pub fn pair(&self, place: &ResolvedEndpoint) -> Option<&Pair> {
        self.pairs().find(|pair| pair.place() == place)
    }

    /// All pairs.
    pub fn pairs(&self) -> impl Iterator<Item = &Pair> {
        self.pairs.iter().map(|endpoint| &endpoint.pair)
    }

    /// Begins the session of each pair that has none. If that fails, it is tried again after a while, because no event would report
    /// a change.
    pub fn begin_pairs(&mut self) {
        for index in 0..self.pairs.len() {
            let PairEndpoint { pair, binding, peer: None } = &self.pairs[index] else { continue };
            let (connection, binding) = (pair.connection(), Rc::clone(binding));
            match connection.and_then(|connection| self.watch(connection)) {
                Ok(peer) => {
                    if let Some(pid) = self.slots.connection(peer).and_then(Connection::helper) {
                        log::info!("{}: process {pid} waits for its semaphores", binding.endpoint);
                    }
                    self.pairs[index].peer = Some(peer);
                    let opened = Input::Opened { peer, binding: &binding, remote: RemoteAddress::Writers };
                    self.engine.handle(self.clock.now(), opened);
                }
                Err(error) => {
                    let now = self.clock.now();
                    self.report.trouble(now, EndpointError::Pair, &binding, &error);
                    self.accept_paused.get_or_insert(now + STARVED);
                }
            }
        }
    }

    /// Handles the failure of a pair's session, which ends. Another one begins after a while.
    pub(super) fn note_failed_pair(&mut self, now: Timestamp, peer: ConnectionId, error: &io::Error) {
        if let Some(endpoint) = self.pairs.iter_mut().find(|endpoint| endpoint.peer == Some(peer)) {
            endpoint.peer = None;
            self.report.trouble(now, EndpointError::Pair, &endpoint.binding, error);
            self.accept_paused.get_or_insert(now + STARVED);
        }
    }

    /// Gives the pair of this kind whose `.in` has this inode the session that it had before the restart.
    pub(super) fn restore_pair(&mut self, transport: Transport, number: u64) -> Option<ConnectionId> {
        for index in 0..self.pairs.len() {
            let PairEndpoint { pair, peer, .. } = &self.pairs[index];
            let is_that = pair.place().scheme().transport == transport
                && pair.number().is_ok_and(|theirs| theirs == number);
            if peer.is_none() && is_that {
                let peer = pair.connection().and_then(|connection| self.watch(connection)).ok();
                self.pairs[index].peer = peer;
                return peer;
            }
        }
        None
    }

    /// Gives a pair another binding, which needs another session.
    pub(super) fn redirect_pair(&mut self, place: &ResolvedEndpoint, binding: &Binding) {
        let Some(index) = self.pairs.iter().position(|endpoint| endpoint.pair.place() == place) else {
            return;
        };
        if *self.pairs[index].binding != *binding {
            let peer = self.pairs[index].peer.take();
            self.end(peer);
            self.pairs[index].binding = Rc::new(binding.clone());
        }
    }

    /// Closes a pair, after reading and answering its contents.
    pub(super) fn remove_pair(&mut self, place: &ResolvedEndpoint) {
        if let Some(index) = self.pairs.iter().position(|endpoint| endpoint.pair.place() == place) {
            let PairEndpoint { pair, peer, .. } = self.pairs.swap_remove(index);
            // This comes last, so that everything in the queue was answered.
            self.end(peer);
            drop(pair);
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
