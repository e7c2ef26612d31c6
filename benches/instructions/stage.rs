//! What the counted paths run on: the engine with a kernel that accepts everything, and the whole loop over socket pairs.
//! It performs turns and counts nothing.

use std::hint::black_box;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use ipcd::engine::Engine;
use ipcd::engine::limits::Settings;
use ipcd::engine::message::{Binding, ConnectionId, Input, Output, RemoteAddress, Timestamp, Transport};
use ipcd::engine::service::Service;
use ipcd::reactor::Reactor;
use ipcd::transport::connection::Connection;

/// The time between two turns.
const TURN: Duration = Duration::from_micros(100);

const REMOTE: RemoteAddress = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };

fn binding(service: Service) -> Binding {
    let transport = if service == Service::Page { Transport::HTTP_UNIX } else { Transport::UNIX };
    Binding { endpoint: "stage".into(), service, transport, allowed: None }
}

/// A client's request for a WebSocket to a service.
fn opening(service: Service) -> String {
    format!(
        "GET /{service} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A client's text frame.
pub fn frame(text: &str) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let length = u8::try_from(text.len()).expect("a short text");
    let masked = text.bytes().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    [0x81, 0x80 | length].into_iter().chain(MASK).chain(masked).collect()
}

/// The engine and, in place of the reactor, code that calls it in the same order, without a kernel.
pub struct Stage {
    engine: Engine,
    binding: Rc<Binding>,
    now: Timestamp,
    peers: u32,
    /// The output of the last turn, in bytes.
    expected: u64,
}

impl Stage {
    /// An engine that has served a connection already, so that its tables and queues have the memory that they keep.
    pub fn new(service: Service) -> Box<Stage> {
        let engine = Engine::new(Settings::default());
        let binding = Rc::new(binding(service));
        let mut stage = Box::new(Stage { engine, binding, now: Timestamp::at(0), peers: 0, expected: 0 });
        let peer = stage.connect();
        stage.send(peer, b"warm up\n");
        stage.end(peer);
        assert!(stage.engine.is_empty(), "the first one has gone");
        stage
    }

    /// `count` connections that have already sent `first`.
    pub fn with(service: Service, count: u32, first: impl Fn(u32) -> String) -> Box<Stage> {
        let mut stage = Stage::new(service);
        for number in 1..=count {
            let peer = stage.connect();
            stage.send(peer, first(number).as_bytes());
        }
        stage
    }

    /// `members` members of the chat, each of which has seen the others join.
    pub fn room(members: u32) -> Box<Stage> {
        let stage = Stage::with(Service::Chat, members, |number| format!("member {number}\n"));
        assert_eq!(stage.engine.members(), members as usize);
        stage
    }

    /// `count` WebSockets, each of which has sent `first`.
    pub fn web(service: Service, count: u32, first: impl Fn(u32) -> String) -> Box<Stage> {
        let mut stage = Stage::new(Service::Page);
        for number in 1..=count {
            let peer = stage.connect();
            stage.send(peer, opening(service).as_bytes());
            stage.send(peer, &frame(&first(number)));
        }
        stage
    }

    /// `count` members of the room behind WebSockets.
    pub fn web_room(members: u32) -> Box<Stage> {
        let stage = Stage::web(Service::Chat, members, |number| format!("member {number}"));
        assert_eq!(stage.engine.members(), members as usize);
        stage
    }

    /// The id of the `number`th connection, counted from 1.
    pub fn peer(number: u32) -> ConnectionId {
        ConnectionId { index: number, generation: 1 }
    }

    /// Accepts a connection.
    pub fn connect(&mut self) -> ConnectionId {
        let peer = Stage::peer(self.peers);
        self.peers += 1;
        self.engine.handle(self.now, Input::Opened { peer, binding: &self.binding, remote: REMOTE });
        self.note();
        peer
    }

    /// A turn in which this peer sends `bytes`.
    pub fn send(&mut self, peer: ConnectionId, bytes: &[u8]) {
        assert!(self.engine.is_reading(peer));
        self.engine.handle(self.now, Input::Bytes { peer, bytes, more: false });
        self.note();
        while let Some(output) = self.engine.poll_urgent() {
            self.execute(output);
        }
        self.finish_turn();
    }

    /// This peer sends no more; runs turns until its connection is closed.
    pub fn end(&mut self, peer: ConnectionId) {
        self.engine.handle(self.now, Input::EndOfFile { peer });
        self.note();
        self.finish_turn();
    }

    /// A turn after this time, without input.
    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.finish_turn();
    }

    fn finish_turn(&mut self) {
        self.engine.handle(self.now, Input::Tick);
        self.note();
        loop {
            while let Some(delivery) = self.engine.poll_delivery() {
                let receipt = black_box(delivery).receipt;
                self.engine.delivered(receipt);
            }
            let Some(output) = self.engine.poll_output() else { break };
            self.execute(output);
        }
        self.engine.handle(self.now, Input::Turned(Duration::from_micros(5)));
        self.now = self.now + TURN;
    }

    fn execute(&mut self, output: Output) {
        if let Output::Flush(peer) = output {
            self.flush(peer);
        }
        self.note();
    }

    fn flush(&mut self, peer: ConnectionId) {
        loop {
            let outgoing = self.engine.outgoing(peer);
            let bytes = outgoing.len();
            if bytes == 0 {
                return;
            }
            black_box(outgoing.slices());
            self.engine.handle(self.now, Input::Sent { peer, bytes });
        }
    }

    // Inlined so that its calls, whatever an event's size, are not counted as the engine's.
    #[inline(always)]
    fn note(&mut self) {
        while let Some(event) = self.engine.poll_event() {
            black_box(event);
        }
    }

    /// Sets how many bytes the following turns have to write.
    pub fn expect(&mut self, bytes: usize) {
        self.expected = self.engine.counters().bytes_out() + bytes as u64;
    }

    /// Whether exactly those bytes were written.
    pub fn is_as_expected(&self) -> bool {
        self.engine.counters().bytes_out() == self.expected
    }
}

/// The whole loop, and the clients' ends of its connections.
pub struct House {
    reactor: Reactor,
    service: Service,
    ends: Vec<UnixStream>,
    expected: u64,
}

impl House {
    /// A loop with `count` connections, each of which has sent `first` already.
    pub fn with(service: Service, count: usize, first: impl Fn(usize) -> String) -> Box<House> {
        let reactor = Reactor::new(Engine::new(Settings::default()), Timestamp::at(0)).expect("epoll");
        let mut house = Box::new(House { reactor, service, ends: Vec::new(), expected: 0 });
        for number in 0..count {
            house.connect();
            house.send(number, first(number).as_bytes());
            house.settle();
        }
        house
    }

    /// `members` members of the chat, each of which has seen the others join.
    pub fn room(members: usize) -> Box<House> {
        let house = House::with(Service::Chat, members, |number| format!("member {}\n", number + 1));
        assert_eq!(house.reactor.engine().members(), members);
        house
    }

    /// Opens one more connection.
    pub fn connect(&mut self) {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        ours.set_nonblocking(true).expect("fcntl");
        self.reactor
            .serve(Connection::new(OwnedFd::from(ours)), REMOTE, binding(self.service))
            .expect("epoll");
        self.ends.push(theirs);
    }

    /// Sends bytes from a client; the next turn reads them.
    pub fn send(&mut self, number: usize, bytes: &[u8]) {
        self.ends[number].write_all(bytes).expect("room in the kernel");
    }

    /// Runs one turn.
    pub fn turn(&mut self) {
        let turn = self.reactor.turn(Some(self.reactor.now())).expect("epoll");
        black_box(turn);
    }

    fn settle(&mut self) {
        self.turn();
        while self.reactor.engine().has_work() {
            self.turn();
        }
    }

    /// Sets how many bytes the following turns have to write.
    pub fn expect(&mut self, bytes: usize) {
        self.expected = self.reactor.engine().counters().bytes_out() + bytes as u64;
    }

    /// Whether exactly those bytes were written.
    pub fn is_as_expected(&self) -> bool {
        self.reactor.engine().counters().bytes_out() == self.expected
    }
}
