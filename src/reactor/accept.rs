//! New connections: accepted within a budget, admitted, or refused when no descriptor is left.

use std::io::{self, ErrorKind};
use std::rc::Rc;

use rustix::io::Errno;

use crate::engine::message::{Binding, Input, RemoteAddress, Timestamp};
use crate::transport::connection::Connection;
use crate::transport::datagram::MORE_TRIES_MAX;

use super::report::EndpointError;
use super::slots::{ListenerSlot, Source};
use super::{Reactor, STARVED};
use crate::engine::words::TOO_MANY;

/// The outcome of refusing a connection for lack of a descriptor.
enum Refusal {
    Told,
    NobodyWaits,
    /// It stays in the backlog until a descriptor is free.
    Impossible,
}

impl Reactor {
    pub(super) fn accept(&mut self, now: Timestamp, listener_slot: usize, budget: usize) {
        let mut more_tries = MORE_TRIES_MAX;
        for _ in 0..budget {
            let Some(ListenerSlot { listener, binding, .. }) = self.slots.listener_slot(listener_slot) else {
                return;
            };
            let binding = Rc::clone(binding);
            if listener.is_for_datagrams() {
                match self.take_datagram(now, listener_slot, &binding, &mut more_tries) {
                    Ok(()) => continue,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                    // This may be the error of an earlier datagram (ip(7)), or memory is short. The next datagram may work.
                    Err(error) => {
                        self.report.trouble(now, EndpointError::Accept, &binding, &error);
                        continue;
                    }
                }
            }
            match listener.accept(TOO_MANY) {
                Ok((connection, remote))
                    if connection.rings().is_some() && self.slots.sharing >= self.watched.sharing_max =>
                {
                    let _ = connection.write(&[TOO_MANY.as_bytes()]);
                    self.report.refused(now, &binding, remote);
                }
                Ok((connection, remote)) => {
                    self.admit(now, connection, remote, &binding);
                    self.report.take(now, &mut self.engine);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => match Errno::from_io_error(&error) {
                    // The kernel reports this for an empty backlog too, because it takes a descriptor first.
                    Some(Errno::MFILE | Errno::NFILE) => match self.refuse(now, listener_slot, &binding) {
                        Refusal::Told => {}
                        Refusal::NobodyWaits => return,
                        Refusal::Impossible => return self.starve(now, listener_slot, &binding, &error),
                    },
                    // The connection ended before it was accepted, or its network failed (accept(2)). The next one may work.
                    Some(
                        Errno::CONNABORTED
                        | Errno::INTR
                        | Errno::PERM
                        | Errno::PROTO
                        | Errno::NOPROTOOPT
                        | Errno::NETDOWN
                        | Errno::NETUNREACH
                        | Errno::HOSTDOWN
                        | Errno::HOSTUNREACH
                        | Errno::NONET
                        | Errno::TIMEDOUT,
                    ) => {}
                    _ => return self.starve(now, listener_slot, &binding, &error),
                },
            }
        }
        self.ready.push(Source::ListenerSlot(listener_slot));
    }

    pub(super) fn admit(
        &mut self,
        now: Timestamp,
        connection: Connection,
        remote: RemoteAddress,
        binding: &Rc<Binding>,
    ) {
        let peer = match self.watch(connection) {
            Ok(peer) => peer,
            Err(error) => return self.report.trouble(now, EndpointError::Register, binding, &error),
        };
        if !self.begin_wire(now, peer, binding) {
            return self.close(peer);
        }
        self.engine.handle(now, Input::Opened { peer, binding, remote });
        // A new client has often sent something already, so it is read from at once, unless its service sends first. A refused
        // client is read from first too, so that a reset does not destroy the error.
        if self.engine.is_admitted(peer) && self.answer(now) {
            return;
        }
        if let Some(slot) = self.slots.get_mut(peer) {
            slot.readable = true;
        }
        self.read(now, peer);
        self.answer(now);
    }

    /// Accepts one connection with the reserve descriptor, sends it an error, and closes it.
    fn refuse(&mut self, now: Timestamp, listener_slot: usize, binding: &Binding) -> Refusal {
        let Some(ListenerSlot { listener, .. }) = self.slots.listener_slot(listener_slot) else {
            return Refusal::NobodyWaits;
        };
        if !self.spare.lend() {
            return Refusal::Impossible;
        }
        let refusal = match listener.accept(TOO_MANY) {
            Ok((connection, remote)) => {
                if !binding.transport.is_encrypted {
                    let _ = connection.write(&[TOO_MANY.as_bytes(), b"\n"]);
                }
                self.report.refused(now, binding, remote);
                Refusal::Told
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Refusal::NobodyWaits,
            Err(_) => Refusal::Impossible,
        };
        self.spare.restore();
        refusal
    }

    /// No event tells a listener that descriptors are free again. It is tried again after a close, and after a while.
    fn starve(&mut self, now: Timestamp, listener_slot: usize, binding: &Binding, error: &io::Error) {
        self.report.trouble(now, EndpointError::Accept, binding, error);
        self.ready.starve(listener_slot);
        self.accept_paused.get_or_insert(now + STARVED);
    }
}
