//! Handshakes: begun with a connection, a few steps in each turn, each with a deadline; and the reports of wires.

use std::time::Duration;

use crate::engine::Engine;
#[cfg(feature = "tls")]
use crate::engine::allow::Allowed;
use crate::engine::encryption::EncryptionEvent;
use crate::engine::message::{Binding, ConnectionId, Input, Timestamp};
#[cfg(feature = "tls")]
use crate::wire::tls::{Acceptor, Tls};
use crate::wire::{Heard, Wire};

use super::Reactor;
use super::slots::{Reading, Writing};

/// The longest time for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The error after that time.
const TOO_LONG: &str = "the handshake was not finished within 10 s";

/// Passes what a wire has received to the engine.
#[inline]
pub(super) fn hear(
    engine: &mut Engine,
    now: Timestamp,
    peer: ConnectionId,
    reading: &mut Reading,
    heard: Heard<'_>,
) {
    let event = match heard {
        Heard::Bytes { bytes, more } => return engine.handle(now, Input::Bytes { peer, bytes, more }),
        Heard::End => {
            *reading = Reading::Ended;
            return engine.handle(now, Input::EndOfFile { peer });
        }
        Heard::Secured { how, name } => EncryptionEvent::Begun { how, name },
        Heard::Truncated => EncryptionEvent::Truncated,
        Heard::PlainText => EncryptionEvent::Missing,
        Heard::Failed(reason) => EncryptionEvent::Failed(reason),
    };
    engine.handle(now, Input::Encryption { peer, event });
}

impl Reactor {
    /// Gives a connection the wire that its binding needs. Returns whether that was possible.
    pub(super) fn begin_wire(&mut self, now: Timestamp, peer: ConnectionId, binding: &Binding) -> bool {
        if !binding.transport.is_encrypted {
            return true;
        }
        let Some(wire) = self.new_wire(binding) else { return false };
        let Some(slot) = self.slots.get_mut(peer) else { return false };
        slot.wire = wire;
        slot.writing = Writing::Blocked; // until the handshake is complete
        let slots = &mut self.slots;
        let goes_on = |peer| slots.get_mut(peer).is_some_and(|slot| slot.wire.is_handshaking());
        self.handshakes.begin(now + HANDSHAKE, peer, goes_on);
        true
    }

    #[cfg(feature = "tls")]
    fn new_wire(&self, binding: &Binding) -> Option<Wire> {
        let asks = binding.allowed.as_ref().is_some_and(Allowed::asks_for_certificate);
        let serves_page = binding.transport.is_web;
        Some(Wire::Tls(Box::new(Tls::accept(self.acceptor.as_ref()?, asks, serves_page).ok()?)))
    }

    #[cfg(not(feature = "tls"))]
    fn new_wire(&self, _: &Binding) -> Option<Wire> {
        None
    }

    /// Makes encrypted endpoints present these certificates from now on.
    #[cfg(feature = "tls")]
    pub fn accept_with(&mut self, acceptor: Option<Acceptor>) {
        self.acceptor = acceptor;
    }

    /// Sends the handshake's output. When the handshake is complete, output that was queued in the meantime is sent in the same
    /// write.
    pub(super) fn continue_handshake(&mut self, now: Timestamp, peer: ConnectionId) {
        let Some(slot) = self.slots.get_mut(peer) else { return };
        if slot.wire.is_handshaking() || slot.writing != Writing::Blocked {
            if slot.wire.is_holding() {
                self.flush_held(now, peer);
            }
            return;
        }
        slot.writing = Writing::Free;
        self.engine.handle(now, Input::Writable { peer });
        self.flush(now, peer);
        self.flush_held(now, peer);
    }

    /// Closes connections whose handshake has taken too long. No error can reach such a client.
    pub(super) fn give_up_handshakes(&mut self, now: Timestamp) {
        for (_, peer) in std::mem::take(&mut self.handshakes.deadlines) {
            if self.slots.get_mut(peer).is_some_and(|slot| slot.wire.is_handshaking()) {
                let event = EncryptionEvent::Failed("the daemon is stopping");
                self.engine.handle(now, Input::Encryption { peer, event });
            }
        }
    }

    /// Begins another turn, and gives up handshakes whose time is over.
    pub(super) fn end_late_handshakes(&mut self, now: Timestamp) {
        self.handshakes.steps = 0;
        while let Some((until, peer)) = self.handshakes.deadlines.front().copied() {
            let slot = self.slots.get_mut(peer).filter(|slot| slot.wire.is_handshaking());
            if slot.is_some() && until > now {
                return;
            }
            self.handshakes.deadlines.pop_front();
            if let Some(slot) = slot {
                let (engine, reading) = (&mut self.engine, &mut slot.reading);
                slot.wire.give_up_handshake(TOO_LONG, |heard| hear(engine, now, peer, reading, heard));
                self.continue_handshake(now, peer);
            }
        }
    }

    /// Closes it with a reset, after the end of its wire if it has one.
    pub(super) fn reset(&mut self, peer: ConnectionId) {
        if let Some(slot) = self.slots.get_mut(peer) {
            slot.wire.end();
            if slot.wire.is_holding() {
                let _ = slot.send(&[]);
            }
        }
        self.slots.reset(peer);
    }

    /// Sends the last messages on encrypted connections, which no other process can continue, and ends them. The others are not
    /// changed. Ask the engine for nothing afterwards.
    pub fn end_encrypted(&mut self) {
        let now = self.now();
        let peers: Vec<ConnectionId> = self.slots.peers().collect();
        for peer in peers {
            if self.slots.get_mut(peer).is_none_or(|slot| matches!(slot.wire, Wire::Plain)) {
                continue;
            }
            self.engine.handle(now, Input::Restarting { peer });
            self.flush(now, peer);
            let Some(slot) = self.slots.get_mut(peer) else { continue };
            slot.wire.end();
            let _ = slot.send(&[]);
            slot.shutdown_write();
            // With unread input, the close would be a reset.
            while slot.read(&mut self.buffer).is_ok_and(|count| count > 0) {}
        }
    }
}
