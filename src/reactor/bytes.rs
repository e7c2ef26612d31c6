//! Bytes from and to one peer: read within its budget, flushed once for a burst, lost and retried.

use std::io::{self, ErrorKind};

use crate::engine::limits::READ_BYTES_MAX;
use crate::engine::message::{ConnectionId, Input, Timestamp};

use crate::transport::connection::Received;

use super::{DRYING, PACKET_COST, Reactor};

impl Reactor {
    pub(super) fn read(&mut self, now: Timestamp, peer: ConnectionId) {
        let Some(slot) = self.slots.get_mut(peer) else { return };
        slot.queued = false;
        if !slot.readable {
            return;
        }
        // Without a reader it does not matter what a writer beside it still says.
        if !self.engine.wants_input(peer) || !slot.is_socket() && slot.failed() {
            if slot.failed() {
                self.lose(now, peer);
            }
            return; // `Output::Listen` will bring us back
        }
        if slot.is_packets() {
            return self.receive(now, peer);
        }
        match slot.read(&mut self.buffer[..READ_BYTES_MAX]) {
            Ok(0) => {
                slot.readable = false;
                self.engine.handle(now, Input::EndOfFile { peer });
            }
            Ok(count) => {
                let more = count == READ_BYTES_MAX;
                slot.bulk_sender |= more;
                // A short read has drained the socket (epoll(7)), unless its end is waiting behind the bytes. Of a
                // terminal one read is one line.
                slot.readable = more || slot.ended || !slot.is_socket();
                slot.more = more;
                if slot.readable {
                    self.ready.push_peer(peer, slot);
                }
                let drained = !slot.readable;
                self.engine.handle(now, Input::Bytes { peer, bytes: &self.buffer[..count], more });
                if drained {
                    self.dry(now, peer);
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                slot.readable = false;
                if std::mem::take(&mut slot.more) {
                    // The burst ended exactly where our buffer did.
                    self.engine.handle(now, Input::Bytes { peer, bytes: &[], more: false });
                }
                self.dry(now, peer);
            }
            Err(error) => self.fail(now, peer, error),
        }
    }

    /// Takes packets, as many as one read takes bytes.
    pub(super) fn receive(&mut self, now: Timestamp, peer: ConnectionId) {
        let mut budget = READ_BYTES_MAX;
        loop {
            let Some(slot) = self.slots.get_mut(peer) else { return };
            if !self.engine.wants_input(peer) {
                return; // `Output::Listen` will bring us back
            }
            if budget == 0 {
                return self.ready.push_peer(peer, slot);
            }
            match slot.receive(&mut self.buffer) {
                Ok(Received::Packet { count, truncated }) => {
                    budget = budget.saturating_sub(count + PACKET_COST);
                    let bytes = &self.buffer[..count];
                    self.engine.handle(now, Input::Bytes { peer, bytes, more: truncated });
                }
                Ok(Received::End) => {
                    slot.readable = false;
                    return self.engine.handle(now, Input::EndOfFile { peer });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    slot.readable = false;
                    return self.dry(now, peer);
                }
                Err(error) => return self.fail(now, peer, error),
            }
        }
    }

    pub(super) fn dry(&mut self, now: Timestamp, peer: ConnectionId) {
        let Some(slot) = self.slots.get_mut(peer) else { return };
        let was_torrent = std::mem::take(&mut slot.bulk_sender);
        if !self.stopping {
            return;
        }
        if was_torrent {
            let at = now + DRYING;
            slot.drained = Some(at);
            self.quiescing.push_back((at, peer));
        } else if slot.drained.is_none_or(|at| at <= now) {
            self.engine.handle(now, Input::Dry { peer });
        }
    }

    /// A descriptor failed. Of a socket that is its peer's doing, and of a pair that its reader has gone.
    pub(super) fn fail(&mut self, now: Timestamp, peer: ConnectionId, error: io::Error) {
        self.note_failed_fifo(now, peer, &error);
        if self.slots.get_mut(peer).is_some_and(|slot| !slot.is_socket())
            && error.kind() != ErrorKind::BrokenPipe
        {
            self.failure = Some(error);
        }
        self.lose(now, peer);
    }

    pub(super) fn lose(&mut self, now: Timestamp, peer: ConnectionId) {
        self.engine.handle(now, Input::Lost { peer });
    }

    /// Writes until nothing is left or the kernel takes no more.
    pub(super) fn flush(&mut self, now: Timestamp, peer: ConnectionId) {
        loop {
            let Some(slot) = self.slots.get_mut(peer) else { return };
            if slot.blocked {
                return;
            }
            let outgoing = self.engine.outgoing(peer);
            let (wanted, is_part) = (outgoing.len(), outgoing.is_part());
            if wanted == 0 {
                return;
            }
            match slot.write(outgoing.slices()) {
                Ok(count) => {
                    slot.blocked = count < wanted && !slot.always_writable;
                    let blocked = slot.blocked;
                    self.engine.handle(now, Input::Sent { peer, bytes: count });
                    if blocked {
                        return self.engine.handle(now, Input::Blocked { peer });
                    }
                    if count == wanted && !is_part {
                        return; // what comes of it asks for another flush
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    slot.blocked = true;
                    return self.engine.handle(now, Input::Blocked { peer });
                }
                Err(error) => return self.fail(now, peer, error),
            }
        }
    }

    /// Writes to a peer for which the kernel takes nothing, as far as we know.
    pub(super) fn retry(&mut self, now: Timestamp, peer: ConnectionId) {
        let Some(slot) = self.slots.get_mut(peer).filter(|slot| slot.blocked) else { return };
        let outgoing = self.engine.outgoing(peer);
        if outgoing.is_empty() {
            slot.blocked = false;
            return self.engine.handle(now, Input::Writable { peer });
        }
        match slot.write(outgoing.slices()) {
            Ok(count) => {
                slot.blocked = false;
                self.engine.handle(now, Input::Sent { peer, bytes: count });
                self.engine.handle(now, Input::Writable { peer });
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.engine.handle(now, Input::Blocked { peer });
            }
            Err(error) => self.fail(now, peer, error),
        }
    }
}
