//! The listeners: added, given another binding, and removed while the loop runs.

use std::io;
use std::rc::Rc;

use mio::Interest;
use mio::unix::SourceFd;

use crate::endpoint::ResolvedEndpoint;
use crate::engine::datagram::Ledger;
use crate::engine::message::Binding;
use crate::transport::listener::Listener;

use super::Reactor;
use super::pair_endpoint::PairEndpoint;
use super::slots::{ListenerSlot, Source};

impl Reactor {
    /// Begins to accept from a listener.
    ///
    /// # Errors
    /// If the listener cannot be watched (epoll_ctl(2): ENOMEM or ENOSPC).
    pub fn add(&mut self, listener: Listener, binding: Binding) -> io::Result<()> {
        let listener_slot = self.slots.insert_listener(ListenerSlot {
            listener,
            binding: Rc::new(binding),
            ledger: Ledger::default(),
        });
        let Some(ListenerSlot { listener, .. }) = self.slots.listener_slot(listener_slot) else {
            return Ok(());
        };
        let fd = std::os::fd::AsRawFd::as_raw_fd(listener);
        let token = Source::ListenerSlot(listener_slot).token();
        if let Err(error) = self.poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE) {
            self.slots.remove_listener(listener_slot);
            return Err(error);
        }
        self.ready.push(Source::ListenerSlot(listener_slot)); // clients may already be waiting
        Ok(())
    }

    /// The endpoints with a listener, and the binding of each.
    pub fn places(&self) -> impl Iterator<Item = (&ResolvedEndpoint, &Binding)> {
        let listener_slots = self
            .slots
            .listener_slots()
            .map(|(_, listener_slot)| (listener_slot.listener.place(), &*listener_slot.binding));
        listener_slots.chain(self.pairs.iter().map(PairEndpoint::place_and_binding))
    }

    /// The listener at an endpoint.
    pub fn listener(&self, place: &ResolvedEndpoint) -> Option<&Listener> {
        self.slots
            .listener_slots()
            .map(|(_, listener_slot)| &listener_slot.listener)
            .find(|listener| listener.place() == place)
    }

    /// Gives new connections at `place` another binding.
    pub fn redirect(&mut self, place: &ResolvedEndpoint, binding: Binding) {
        self.redirect_pair(place, &binding);
        if let Some(listener_slot) = self.listener_slot_at(place) {
            self.slots.set_binding(listener_slot, Rc::new(binding));
        }
    }

    /// Stops listening at an endpoint, after accepting the connections that wait, up to its `backlog`.
    pub fn remove(&mut self, place: &ResolvedEndpoint, backlog: usize) {
        self.remove_pair(place);
        self.accept_waiting(place, backlog);
        if let Some(listener_slot) = self.listener_slot_at(place) {
            self.slots.remove_listener(listener_slot);
        }
    }

    pub(super) fn listener_slot_at(&self, place: &ResolvedEndpoint) -> Option<usize> {
        self.slots
            .listener_slots()
            .find(|(_, listener_slot)| listener_slot.listener.place() == place)
            .map(|(index, _)| index)
    }

    /// The listeners that no other process holds open, and that another process could continue. A Unix socket's file and lock
    /// belong to this process.
    pub fn own_listeners(&self) -> impl Iterator<Item = &Listener> {
        let listeners = self.slots.listener_slots().map(|(_, listener_slot)| &listener_slot.listener);
        listeners.filter(|listener| !listener.is_kept() && listener.place().network().is_some())
    }

    /// The listeners on Unix sockets that no other process holds open.
    pub fn own_unix_listeners(&self) -> impl Iterator<Item = &Listener> {
        let listeners = self.slots.listener_slots().map(|(_, listener_slot)| &listener_slot.listener);
        listeners.filter(|listener| !listener.is_kept() && listener.place().path().is_some())
    }

    /// Accepts the connections that wait at an endpoint, up to its `backlog`.
    pub fn accept_waiting(&mut self, place: &ResolvedEndpoint, backlog: usize) {
        if let Some(listener_slot) = self.listener_slot_at(place) {
            // The kernel queues one more than was requested.
            self.accept(self.clock.now(), listener_slot, backlog + 1);
        }
    }
}
