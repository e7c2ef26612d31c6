//! The listeners: added, moved to another binding, and removed while the loop runs.

use std::io;
use std::rc::Rc;

use mio::Interest;
use mio::unix::SourceFd;

use crate::endpoint::ResolvedEndpoint;
use crate::engine::datagram::Ledger;
use crate::engine::message::Binding;
use crate::transport::listener::Listener;

use super::Reactor;
use super::fifo_endpoint::FifoEndpoint;
use super::slots::{ListenerSlot, Source};

impl Reactor {
    /// Begins to accept from a listener.
    ///
    /// # Errors
    /// The listener cannot be watched (epoll_ctl(2): ENOMEM or ENOSPC).
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
        self.ready.push(Source::ListenerSlot(listener_slot)); // somebody may wait there already
        Ok(())
    }

    /// The places that are listened on, and the binding each is.
    pub fn places(&self) -> impl Iterator<Item = (&ResolvedEndpoint, &Binding)> {
        let listener_slots = self
            .slots
            .listener_slots()
            .map(|(_, listener_slot)| (listener_slot.listener.place(), &*listener_slot.binding));
        listener_slots.chain(self.fifos.iter().map(FifoEndpoint::place_and_binding))
    }

    /// The listener at a place.
    pub fn listener(&self, place: &ResolvedEndpoint) -> Option<&Listener> {
        self.slots
            .listener_slots()
            .map(|(_, listener_slot)| &listener_slot.listener)
            .find(|listener| listener.place() == place)
    }

    /// Connections that come in at `place` from now on come in through another binding.
    pub fn redirect(&mut self, place: &ResolvedEndpoint, binding: Binding) {
        self.redirect_fifo(place, &binding);
        if let Some(listener_slot) = self.listener_slot_at(place) {
            self.slots.set_binding(listener_slot, Rc::new(binding));
        }
    }

    /// Stops listening at a place, after what waits there, as much as its `backlog` lets wait, has been accepted.
    pub fn remove(&mut self, place: &ResolvedEndpoint, backlog: usize) {
        self.remove_fifo(place);
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

    /// The listeners that nobody else keeps open, as far as another process can go on with them: a Unix socket's file and
    /// lock are this process's.
    pub fn own_listeners(&self) -> impl Iterator<Item = &Listener> {
        let listeners = self.slots.listener_slots().map(|(_, listener_slot)| &listener_slot.listener);
        listeners.filter(|listener| !listener.is_kept() && listener.place().network().is_some())
    }

    /// The listeners on Unix sockets that nobody else keeps open.
    pub fn own_unix_listeners(&self) -> impl Iterator<Item = &Listener> {
        let listeners = self.slots.listener_slots().map(|(_, listener_slot)| &listener_slot.listener);
        listeners.filter(|listener| !listener.is_kept() && listener.place().path().is_some())
    }

    /// Accepts what waits at a place, as much as its `backlog` lets wait.
    pub fn accept_waiting(&mut self, place: &ResolvedEndpoint, backlog: usize) {
        if let Some(listener_slot) = self.listener_slot_at(place) {
            // The kernel lets one more wait than it was asked for.
            self.accept(self.clock.now(), listener_slot, backlog + 1);
        }
    }
}
