//! The engine with peers that accept its output, and with a clock of its own.

use std::rc::Rc;
use std::time::Duration;

use ipcd::engine::Engine;
use ipcd::engine::limits::Settings;
use ipcd::engine::message::{
    Binding, ConnectionId, Event, EventKind, Input, RemoteAddress, Timestamp, Transport,
};
use ipcd::engine::service::Service;

use super::settle;

/// The engine, and the client's end of each connection.
pub struct Stage {
    pub engine: Engine,
    pub now: Timestamp,
    pub ends: Vec<End>,
    pub events: Vec<EventKind>,
}

#[derive(Default)]
pub struct End {
    pub heard: Vec<u8>,
    pub is_open: bool,
    pub ended: bool,
    /// Set while it does not read.
    pub stuck: bool,
}

impl settle::Stage for Stage {
    fn engine(&mut self) -> (&mut Engine, Timestamp) {
        (&mut self.engine, self.now)
    }

    fn flush(&mut self, peer: ConnectionId) {
        loop {
            let bytes = self.engine.outgoing(peer).slices().concat();
            let end = &mut self.ends[peer.index as usize];
            if bytes.is_empty() {
                return;
            }
            if end.stuck {
                return self.engine.handle(self.now, Input::Blocked { peer });
            }
            end.heard.extend_from_slice(&bytes);
            self.engine.handle(self.now, Input::Sent { peer, bytes: bytes.len() });
        }
    }

    fn close(&mut self, peer: ConnectionId) {
        self.ends[peer.index as usize].is_open = false;
    }

    fn handle_event(&mut self, event: Event) {
        self.events.push(event.what);
    }
}

impl Stage {
    pub fn new(settings: Settings) -> Stage {
        Stage { engine: Engine::new(settings), now: Timestamp::at(0), ends: Vec::new(), events: Vec::new() }
    }

    pub fn place(&mut self) -> ConnectionId {
        self.ends.push(End { is_open: true, ..End::default() });
        ConnectionId { index: self.ends.len() as u32 - 1, generation: 1 }
    }

    pub fn connect(&mut self, service: Service, transport: Transport) -> usize {
        let peer = self.place();
        let binding = Rc::new(Binding { endpoint: "stage".into(), service, transport, allowed: None });
        self.engine.handle(
            self.now,
            Input::Opened {
                peer,
                binding: &binding,
                remote: RemoteAddress::Process { uid: 1, gid: 1, pid: 1 },
            },
        );
        self.settle();
        peer.index as usize
    }

    /// A peer that is still connected; numbers wrap around.
    pub fn peer(&self, number: usize) -> Option<ConnectionId> {
        let index = number.checked_rem(self.ends.len())?;
        self.ends[index].is_open.then_some(ConnectionId { index: index as u32, generation: 1 })
    }

    /// Sends one burst, unless the engine has paused reading from this peer.
    pub fn send(&mut self, number: usize, bytes: &[u8]) {
        let Some(peer) = self.peer(number) else { return };
        if !self.ends[peer.index as usize].ended && self.engine.is_reading(peer) && !bytes.is_empty() {
            self.engine.handle(self.now, Input::Bytes { peer, bytes, more: false });
            self.settle();
        }
    }

    pub fn end(&mut self, number: usize) {
        let Some(peer) = self.peer(number) else { return };
        if !std::mem::replace(&mut self.ends[peer.index as usize].ended, true) {
            self.engine.handle(self.now, Input::EndOfFile { peer });
            self.settle();
        }
    }

    pub fn lose(&mut self, number: usize) {
        let Some(peer) = self.peer(number) else { return };
        self.engine.handle(self.now, Input::Lost { peer });
        self.settle();
    }

    pub fn stuck(&mut self, number: usize) {
        if let Some(peer) = self.peer(number) {
            self.ends[peer.index as usize].stuck = true;
        }
    }

    pub fn unstick(&mut self, number: usize) {
        let Some(peer) = self.peer(number) else { return };
        if std::mem::take(&mut self.ends[peer.index as usize].stuck) {
            self.engine.handle(self.now, Input::Writable { peer });
            self.settle();
        }
    }

    /// Executes the engine's requests until none is left at this time.
    pub fn settle(&mut self) {
        settle::settle(self);
    }

    pub fn pass(&mut self, span: Duration) {
        let then = self.now + span;
        while !self.engine.is_done()
            && let Some(deadline) = self.engine.poll_deadline().filter(|deadline| *deadline <= then)
        {
            self.now = self.now.max(deadline);
            self.settle();
        }
        self.now = then;
        self.settle();
    }

    /// What a client receives after it sends these pieces at one time and half-closes.
    pub fn hold(service: Service, pieces: &[&[u8]]) -> Vec<u8> {
        let mut stage = Stage::new(Settings::default());
        let client = stage.connect(service, Transport::TCP);
        for piece in pieces {
            stage.send(client, piece);
        }
        stage.end(client);
        std::mem::take(&mut stage.ends[client].heard)
    }
}
