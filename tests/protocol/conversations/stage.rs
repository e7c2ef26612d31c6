//! The engine without sockets, and with a clock of the test.

use std::rc::Rc;
use std::time::Duration;

use ipcd::engine::Engine;
use ipcd::engine::limits::{READ_BYTES_MAX, Settings};
use ipcd::engine::message::{Binding, ConnectionId, Event, Input, RemoteAddress, Timestamp, Transport};
use ipcd::engine::service::Service;

use super::settle;
use super::table::MEMBERS;

/// An engine and the clients' ends of its connections.
pub struct Stage {
    pub engine: Engine,
    pub now: Timestamp,
    pub heard: Vec<Vec<u8>>,
    /// The same, separately for each send.
    pub sent: Vec<Vec<Vec<u8>>>,
    pub open: Vec<bool>,
}

impl settle::Stage for Stage {
    fn engine(&mut self) -> (&mut Engine, Timestamp) {
        (&mut self.engine, self.now)
    }

    fn flush(&mut self, peer: ConnectionId) {
        loop {
            let bytes = self.engine.outgoing(peer).slices().concat();
            if bytes.is_empty() {
                return;
            }
            self.heard[peer.index as usize].extend_from_slice(&bytes);
            self.sent[peer.index as usize].push(bytes.clone());
            self.engine.handle(self.now, Input::Sent { peer, bytes: bytes.len() });
        }
    }

    fn close(&mut self, peer: ConnectionId) {
        self.open[peer.index as usize] = false;
    }

    fn handle_event(&mut self, _: Event) {}
}

impl Stage {
    pub fn new() -> Stage {
        Stage {
            // The client is the daemon's own user: it may watch.
            engine: Engine::new(Settings { owner: 1, ..Settings::default() }),
            now: Timestamp::at(0),
            heard: Vec::new(),
            sent: Vec::new(),
            open: Vec::new(),
        }
    }

    pub fn connect(&mut self, service: Service) -> ConnectionId {
        self.connect_on(service, Transport::TCP)
    }

    pub fn connect_on(&mut self, service: Service, transport: Transport) -> ConnectionId {
        let peer = ConnectionId { index: self.heard.len() as u32, generation: 1 };
        self.heard.push(Vec::new());
        self.sent.push(Vec::new());
        self.open.push(true);
        let binding = Rc::new(Binding { endpoint: "stage".into(), service, transport, allowed: None });
        let remote = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };
        self.engine.handle(self.now, Input::Opened { peer, binding: &binding, remote });
        self.settle();
        peer
    }

    /// The session of a pair of FIFOs or message queues, which needs no client.
    pub fn stand(&mut self, service: Service, transport: Transport) -> ConnectionId {
        let peer = ConnectionId { index: self.heard.len() as u32, generation: 1 };
        self.heard.push(Vec::new());
        self.sent.push(Vec::new());
        self.open.push(true);
        let endpoint = if transport.is_one_way { "shm:///alice?semaphores" } else { "fifo:///run/alice" };
        let binding = Rc::new(Binding { endpoint: endpoint.into(), service, transport, allowed: None });
        self.engine
            .handle(self.now, Input::Opened { peer, binding: &binding, remote: RemoteAddress::Writers });
        self.settle();
        peer
    }

    /// Sends one burst.
    pub fn send(&mut self, peer: ConnectionId, bytes: &[u8]) {
        for bytes in bytes.chunks(READ_BYTES_MAX) {
            while self.open[peer.index as usize] && !self.engine.is_reading(peer) {
                self.settle();
            }
            self.engine.handle(self.now, Input::Bytes { peer, bytes, more: bytes.len() == READ_BYTES_MAX });
        }
        self.settle();
    }

    pub fn half_close(&mut self, peer: ConnectionId) {
        self.engine.handle(self.now, Input::EndOfFile { peer });
        self.settle();
    }

    /// Executes the engine's requests until none is left at this time.
    pub fn settle(&mut self) {
        settle::settle(self);
    }

    pub fn pass(&mut self, span: Duration) {
        let then = self.now + span;
        while let Some(deadline) = self.engine.poll_deadline().filter(|deadline| *deadline <= then) {
            self.now = self.now.max(deadline);
            self.settle();
        }
        self.now = then;
        self.settle();
    }

    /// Holds a dialogue in pieces, with a pause shorter than `raw_gap` after each; returns the client's input, and bob's.
    pub fn hold<'a>(service: Service, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<u8>) {
        let mut stage = Stage::new();
        for name in MEMBERS {
            let member = stage.connect(Service::Chat);
            stage.send(member, format!("{name}\n").as_bytes());
        }
        let client = stage.connect(service);
        for piece in pieces {
            stage.send(client, piece);
            stage.pass(Duration::from_millis(1));
        }
        stage.half_close(client);
        assert!(!stage.open[client.index as usize], "nothing is left to wait for");
        (stage.heard.swap_remove(client.index as usize), stage.heard.swap_remove(0))
    }
}
