//! Tokens and their meaning. A token has a generation, so an event for a closed connection never reaches the next one in its slot.
//! Closed slots are freed between turns.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;

use mio::Token;

use crate::engine::capacity::shrunk;
use crate::engine::datagram::Ledger;
use crate::engine::message::{Binding, ConnectionId, Timestamp};
use crate::transport::connection::{self, Connection, Received};
use crate::transport::listener::Listener;
use crate::transport::rings::Rings;
use crate::wire::Wire;

/// The number of an attempt to connect, unique as long as the reactor exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempt(pub(super) usize);

#[cfg(feature = "nats")]
impl Attempt {
    /// The number of no attempt.
    pub(super) const NONE: Attempt = Attempt(0);
}

/// The source of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Signals,
    /// A listener, by its number.
    ListenerSlot(usize),
    ConnectionId(ConnectionId),
    /// A connection that is being made.
    Attempt(Attempt),
    /// A connection that the engine has asked for.
    #[cfg(feature = "nats")]
    Link(u32),
    /// Names that were looked up.
    #[cfg(feature = "nats")]
    Resolver,
}

/// Tokens from here on do not belong to peers: a generation has 31 bits.
const LISTENERS: u64 = 1 << 63;

/// Tokens from here on do not belong to listeners either.
const ATTEMPTS: u64 = LISTENERS | 1 << 62;

/// Tokens from here on do not belong to attempts either.
#[cfg(feature = "nats")]
const LINKS: u64 = ATTEMPTS | 1 << 61;

#[cfg(feature = "nats")]
const RESOLVER: u64 = u64::MAX - 1;

impl Source {
    pub(super) fn token(self) -> Token {
        Token(match self {
            Source::Signals => u64::MAX,
            Source::ListenerSlot(listener_slot) => LISTENERS | listener_slot as u64,
            Source::Attempt(Attempt(number)) => ATTEMPTS | number as u64,
            #[cfg(feature = "nats")]
            Source::Link(number) => LINKS | u64::from(number),
            #[cfg(feature = "nats")]
            Source::Resolver => RESOLVER,
            Source::ConnectionId(peer) => u64::from(peer.generation) << 32 | u64::from(peer.index),
        } as usize)
    }

    pub(super) fn of(token: Token) -> Source {
        match token.0 as u64 {
            bits if bits < LISTENERS => {
                Source::ConnectionId(ConnectionId { index: bits as u32, generation: (bits >> 32) as u32 })
            }
            u64::MAX => Source::Signals,
            #[cfg(feature = "nats")]
            RESOLVER => Source::Resolver,
            #[cfg(feature = "nats")]
            bits if bits >= LINKS => Source::Link(bits as u32),
            bits if bits >= ATTEMPTS => Source::Attempt(Attempt((bits & !ATTEMPTS) as usize)),
            bits => Source::ListenerSlot((bits & !LISTENERS) as usize),
        }
    }
}

/// A listener and its binding.
#[derive(Debug)]
pub(super) struct ListenerSlot {
    pub(super) listener: Listener,
    pub(super) binding: Rc<Binding>,
    /// The users with unread answers in its buffer, if it takes datagrams.
    pub(super) ledger: Ledger,
}

/// What follows the bytes that the wire holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Closing {
    /// More of the conversation.
    #[default]
    None,
    /// The end of our side.
    ShutdownWrite,
    /// The end of the connection, which the engine no longer knows.
    Close,
}

/// Whether the engine wants to read from this connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reading {
    #[default]
    On,
    Off,
    /// Its end of file has been read.
    Ended,
}

/// Whether a connection can be written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Writing {
    #[default]
    Free,
    /// A write returned WouldBlock, and no edge was seen since.
    Blocked,
    /// Epoll does not accept this file (a regular one): a write never blocks, and no event would report that it can continue.
    Always,
}

fn is_empty(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

/// One connection's slot.
#[derive(Debug, Default)]
pub(super) struct Slot {
    connection: Option<Connection>,
    generation: u32,
    /// Set if an edge was seen, and no WouldBlock since.
    pub(super) readable: bool,
    pub(super) reading: Reading,
    /// Set if its end of file, or an error, follows what can still be read.
    pub(super) ended: bool,
    /// Set if the last read filled the buffer: the burst continues, unless nothing follows.
    pub(super) more: bool,
    pub(super) writing: Writing,
    /// Whether the kernel was asked to report room: the first time that a write found none.
    pub(super) asks_for_room: bool,
    /// Whether it is on the ready list.
    pub(super) queued: bool,
    /// Set if a read filled the whole buffer, until a later read finds nothing.
    pub(super) bulk_sender: bool,
    /// What follows the bytes that the wire holds.
    pub(super) closing: Closing,
    /// The encoding of its bytes on the network.
    pub(super) wire: Wire,
}

impl Slot {
    fn connection(&self) -> io::Result<&Connection> {
        self.connection.as_ref().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// The descriptors to wait for.
    pub(super) fn sources(&self) -> impl Iterator<Item = connection::Source<'_>> {
        self.connection.iter().flat_map(Connection::sources).flatten()
    }

    /// What to wait for besides, once the kernel takes nothing more.
    pub(super) fn room_source(&self) -> Option<connection::Source<'_>> {
        self.connection.as_ref().and_then(Connection::room_source)
    }

    /// Whether it is one socket.
    pub(super) fn is_socket(&self) -> bool {
        self.connection.as_ref().is_none_or(Connection::is_socket)
    }

    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.connection()?.read(buffer)
    }

    /// Whether it carries packets.
    pub(super) fn is_packets(&self) -> bool {
        self.connection.as_ref().is_some_and(Connection::is_packets)
    }

    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        let connection = self.connection()?;
        match connection.receive(buffer) {
            // The end of its socket was seen earlier, so all that it has written is there.
            Err(error) if self.ended && is_empty(&error) && connection.rings().is_some() => Ok(Received::End),
            outcome => outcome,
        }
    }

    /// Its rings, if it has shared memory.
    pub(super) fn rings(&self) -> Option<&Rings> {
        self.connection.as_ref().and_then(Connection::rings)
    }

    /// Writes `said` after the bytes that the wire holds; returns how many bytes of `said` were accepted.
    #[inline]
    pub(super) fn send(&mut self, said: &[&[u8]]) -> io::Result<usize> {
        match &self.connection {
            // Nearly always. In a build with TLS it must not cost more.
            Some(connection) if !self.ended && matches!(self.wire, Wire::Plain) => connection.write(said),
            _ => self.send_through_wire(said),
        }
    }

    #[inline(never)]
    fn send_through_wire(&mut self, said: &[&[u8]]) -> io::Result<usize> {
        let connection = self.connection.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let ended = self.ended;
        self.wire.send(said, |pieces| match connection.write(pieces) {
            // The other side is gone, so it will not make room.
            Err(error) if ended && is_empty(&error) && connection.is_abandoned() => {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            outcome => outcome,
        })
    }

    /// Writes the bytes that the wire holds back. Right before the end of our side they go out together with it.
    pub(super) fn send_held(&mut self) -> io::Result<usize> {
        let ends = match self.closing {
            Closing::None => false,
            Closing::ShutdownWrite => true,
            // Unread input makes a reset of the end, and then nothing goes out with it.
            Closing::Close => self.reading == Reading::Ended,
        };
        if !ends {
            return self.send(&[]);
        }
        let connection = self.connection.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        self.wire.send(&[], |pieces| connection.write_last(pieces.first().unwrap_or(&&[][..])))
    }

    pub(super) fn acknowledge(&self) {
        if let Some(connection) = &self.connection {
            connection.acknowledge();
        }
    }

    pub(super) fn shutdown_write(&self) {
        // ENOTCONN: it is gone, which the next read shows.
        let _ = self.connection().and_then(Connection::shutdown_write);
    }

    /// Whether a connection that is not being read has failed.
    pub(super) fn failed(&self) -> bool {
        let has_failed = |connection: &Connection| match connection.rings() {
            Some(_) => self.writing == Writing::Blocked && connection.is_abandoned(),
            None => connection.has_failed(),
        };
        self.ended && self.connection.as_ref().is_some_and(has_failed)
    }
}

/// The tables of connections and listeners.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// The last slot is in use, or was freed in this turn. So memory is freed after a peak.
    slots: Vec<Slot>,
    /// The lowest index is used first, so that the end of the table becomes free.
    free: BTreeSet<u32>,
    /// The newest generation of any slot. A number returns after 2^31 connections.
    generation: u32,
    /// Connections that share memory.
    pub(super) sharing: usize,
    /// Slots that were freed in this turn.
    dead: Vec<u32>,
    /// Listeners by number. No number is used twice, so an old event cannot reach a new listener.
    listener_slots: BTreeMap<usize, ListenerSlot>,
    /// The number of the next listener.
    next_listener: usize,
}

impl Slots {
    /// Gives a connection a slot.
    pub(super) fn insert(&mut self, connection: Connection) -> ConnectionId {
        let index = self.free.pop_first().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        self.generation = (self.generation + 1) & (u32::MAX >> 1);
        self.sharing += usize::from(connection.rings().is_some());
        let generation = self.generation;
        self.slots[index as usize] = Slot { connection: Some(connection), generation, ..Slot::default() };
        ConnectionId { index, generation }
    }

    /// The peer's slot, unless it has been freed.
    pub(super) fn get_mut(&mut self, peer: ConnectionId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(peer.index as usize)?;
        (slot.generation == peer.generation && slot.connection.is_some()).then_some(slot)
    }

    /// A peer's connection.
    pub(super) fn connection(&self, peer: ConnectionId) -> Option<&Connection> {
        let slot = self.slots.get(peer.index as usize)?;
        slot.connection.as_ref().filter(|_| slot.generation == peer.generation)
    }

    /// Whether its bytes are not encrypted.
    pub(super) fn is_plain(&self, peer: ConnectionId) -> bool {
        self.slots.get(peer.index as usize).is_some_and(|slot| matches!(slot.wire, Wire::Plain))
    }

    /// All connections.
    pub(super) fn peers(&self) -> impl Iterator<Item = ConnectionId> {
        let taken = self.slots.iter().enumerate().filter(|(_, slot)| slot.connection.is_some());
        taken.map(|(index, slot)| ConnectionId { index: index as u32, generation: slot.generation })
    }

    fn take(&mut self, peer: ConnectionId) -> Option<Connection> {
        let slot = self.get_mut(peer)?;
        let connection = slot.connection.take();
        // Its keys and records do not outlive it.
        slot.wire = Wire::default();
        self.dead.push(peer.index);
        self.sharing -= usize::from(connection.as_ref().and_then(Connection::rings).is_some());
        connection
    }

    pub(super) fn close(&mut self, peer: ConnectionId) {
        drop(self.take(peer));
    }

    pub(super) fn reset(&mut self, peer: ConnectionId) {
        if let Some(connection) = self.take(peer) {
            connection.reset();
        }
    }

    /// Makes the slots freed in this turn available again; returns how many.
    pub(super) fn reap(&mut self) -> usize {
        let count = self.dead.len();
        self.free.extend(self.dead.drain(..));
        if let Some(capacity) = shrunk(0, self.dead.capacity()) {
            self.dead.shrink_to(capacity);
        }
        while let Some(last) = self.slots.len().checked_sub(1)
            && self.free.remove(&(last as u32))
        {
            self.slots.pop();
        }
        if let Some(capacity) = shrunk(self.slots.len(), self.slots.capacity()) {
            self.slots.shrink_to(capacity);
        }
        count
    }

    pub(super) fn insert_listener(&mut self, listener_slot: ListenerSlot) -> usize {
        let number = self.next_listener;
        self.next_listener += 1;
        self.listener_slots.insert(number, listener_slot);
        number
    }

    pub(super) fn listener_slot(&self, listener_slot: usize) -> Option<&ListenerSlot> {
        self.listener_slots.get(&listener_slot)
    }

    pub(super) fn listener_slot_mut(&mut self, listener_slot: usize) -> Option<&mut ListenerSlot> {
        self.listener_slots.get_mut(&listener_slot)
    }

    pub(super) fn set_binding(&mut self, listener_slot: usize, binding: Rc<Binding>) {
        if let Some(listener_slot) = self.listener_slots.get_mut(&listener_slot) {
            listener_slot.binding = binding;
        }
    }

    pub(super) fn remove_listener(&mut self, listener_slot: usize) {
        self.listener_slots.remove(&listener_slot);
    }

    pub(super) fn listener_slots(&self) -> impl Iterator<Item = (usize, &ListenerSlot)> {
        self.listener_slots.iter().map(|(number, listener_slot)| (*number, listener_slot))
    }
}

/// The memory of one connection in these tables right after they have grown, and on the ready lists.
pub(super) const CONNECTION_BYTES: usize = 2
    * (size_of::<Slot>()
        + 2 * size_of::<u32>()
        + size_of::<Source>()
        + size_of::<(Timestamp, ConnectionId)>());

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::endpoint::ResolvedEndpoint;
    use crate::engine::service::Service;
    use crate::engine::transport::Transport;
    use crate::transport::open::{Options, open};

    #[test]
    fn token_encodes_its_target() {
        for source in [
            Source::Signals,
            Source::ListenerSlot(0),
            Source::ListenerSlot(4711),
            Source::Attempt(Attempt(1)),
            Source::Attempt(Attempt(4711)),
            #[cfg(feature = "nats")]
            Source::Link(0),
            #[cfg(feature = "nats")]
            Source::Link(u32::MAX),
            #[cfg(feature = "nats")]
            Source::Resolver,
            Source::ConnectionId(ConnectionId { index: 0, generation: 1 }),
            Source::ConnectionId(ConnectionId { index: u32::MAX, generation: u32::MAX >> 1 }),
        ] {
            assert_eq!(Source::of(source.token()), source);
        }
    }

    #[test]
    fn freed_slot_is_reused_next_turn_and_stale_ids_are_ignored() {
        let connection = || Connection::new(UnixStream::pair().unwrap().0.into());
        let mut slots = Slots::default();
        let first = slots.insert(connection());
        slots.close(first);
        assert!(slots.get_mut(first).is_none());
        assert_ne!(slots.insert(connection()).index, first.index, "not before the turn is over");
        assert_eq!(slots.reap(), 1);
        let second = slots.insert(connection());
        assert_eq!(second.index, first.index);
        assert!(slots.get_mut(first).is_none() && slots.get_mut(second).is_some());
    }

    #[test]
    fn slot_takes_half_a_cache_line() {
        // A wire other than a plain one takes one pointer more.
        assert!(size_of::<Slot>() - size_of::<Wire>() <= 32, "{}", size_of::<Slot>());
    }

    #[test]
    fn table_shrinks_after_a_peak_and_stale_ids_are_ignored() {
        let mut slots = Slots::default();
        let peers: Vec<ConnectionId> =
            (0..300).map(|_| slots.insert(Connection::new(UnixStream::pair().unwrap().0.into()))).collect();
        let (stays, go) = (peers[3], peers.iter().filter(|peer| peer.index != 3));
        go.clone().for_each(|peer| slots.close(*peer));
        assert_eq!(slots.reap(), 299);
        assert!(slots.slots.len() == 4 && slots.slots.capacity() < 128 && slots.free.len() == 3);
        let new: Vec<ConnectionId> =
            (0..4).map(|_| slots.insert(Connection::new(UnixStream::pair().unwrap().0.into()))).collect();
        assert_eq!(new.iter().map(|peer| peer.index).collect::<Vec<_>>(), [0, 1, 2, 4]);
        assert!(go.clone().all(|peer| slots.get_mut(*peer).is_none()) && slots.get_mut(stays).is_some());
    }

    #[test]
    fn removed_listeners_leave_no_memory_and_their_numbers_stay_unused() {
        let mut slots = Slots::default();
        let place = ResolvedEndpoint::Tcp("127.0.0.1:0".parse().unwrap());
        let options = Options {
            backlog: 1,
            share_port: false,
            mode: 0,
            group: String::new(),
            message_bytes: 0,
            message_timeout: std::time::Duration::ZERO,
            make_directory: None,
        };
        let mut listen = || {
            let listener = open(&place, &options).unwrap().listener;
            let binding = Binding {
                endpoint: place.to_string(),
                service: Service::Hello,
                transport: Transport::TCP,
                allowed: None,
            };
            slots.insert_listener(ListenerSlot {
                listener,
                binding: Rc::new(binding),
                ledger: Ledger::default(),
            })
        };
        let numbers: Vec<usize> = (0..50).map(|_| listen()).collect();
        numbers[1..].iter().for_each(|number| slots.remove_listener(*number));
        assert_eq!(slots.listener_slots.len(), 1);
        assert_eq!(slots.listener_slots().map(|(number, _)| number).collect::<Vec<_>>(), [0]);
        assert!(slots.listener_slot(49).is_none());
    }
}
