//! The stage for counting: the engine with a kernel that accepts everything, and the whole loop over socket pairs.
//! Knows the course of a turn; has never seen a count.

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

/// How much later the next turn is.
const TURN: Duration = Duration::from_micros(100);

const REMOTE: RemoteAddress = RemoteAddress::Process { uid: 1, gid: 1, pid: 1 };

fn binding(service: Service) -> Binding {
    Binding { endpoint: "stage".into(), service, transport: Transport::UNIX, allowed: None }
}

/// The engine, and a reactor without a kernel: it calls the engine like the real one, in the same order.
pub struct Stage {
    engine: Engine,
    binding: Rc<Binding>,
    now: Timestamp,
    peers: u32,
    /// The output of the last turn.
    expected: u64,
}

impl Stage {
    /// An engine that has served a connection already: tables and queues have the memory that they keep.
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

    /// `count` members of the room, each of which has seen the others join.
    pub fn room(members: u32) -> Box<Stage> {
        let stage = Stage::with(Service::Chat, members, |number| format!("member {number}\n"));
        assert_eq!(stage.engine.members(), members as usize);
        stage
    }

    /// The `number`th connection, from 1 on.
    pub fn peer(number: u32) -> ConnectionId {
        ConnectionId { index: number, generation: 1 }
    }

    /// A connection comes in.
    pub fn connect(&mut self) -> ConnectionId {
        let peer = Stage::peer(self.peers);
        self.peers += 1;
        self.engine.handle(self.now, Input::Opened { peer, binding: &self.binding, remote: REMOTE });
        self.note();
        peer
    }

    /// A turn in which a peer has sent something.
    pub fn send(&mut self, peer: ConnectionId, bytes: &[u8]) {
        assert!(self.engine.is_reading(peer));
        self.engine.handle(self.now, Input::Bytes { peer, bytes, more: false });
        self.note();
        self.finish_turn();
    }

    /// A peer sends nothing more; turns until it is gone.
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
        while let Some(output) = self.engine.poll_output() {
            if let Output::Flush(peer) = output {
                self.flush(peer);
            }
            self.note();
        }
        self.engine.handle(self.now, Input::Turned(Duration::from_micros(5)));
        self.now = self.now + TURN;
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

    // Inlined into its callers, however large an event is: we count the engine, and not calls of this.
    #[inline(always)]
    fn note(&mut self) {
        while let Some(event) = self.engine.poll_event() {
            black_box(event);
        }
    }

    /// The number of bytes to write from here on.
    pub fn expect(&mut self, bytes: usize) {
        self.expected = self.engine.counters().bytes_out() + bytes as u64;
    }

    /// These bytes were written.
    pub fn is_as_expected(&self) -> bool {
        self.engine.counters().bytes_out() == self.expected
    }
}

/// The whole loop, and the far ends of its connections.
pub struct House {
    reactor: Reactor,
    service: Service,
    ends: Vec<UnixStream>,
    expected: u64,
}

impl House {
    /// A loop with so many connections, each of which has sent `first` already.
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

    /// `count` members of the room, each of which has seen the others join.
    pub fn room(members: usize) -> Box<House> {
        let house = House::with(Service::Chat, members, |number| format!("member {}\n", number + 1));
        assert_eq!(house.reactor.engine.members(), members);
        house
    }

    /// A connection.
    pub fn connect(&mut self) {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        ours.set_nonblocking(true).expect("fcntl");
        self.reactor
            .serve(Connection::new(OwnedFd::from(ours)), REMOTE, binding(self.service))
            .expect("epoll");
        self.ends.push(theirs);
    }

    /// A client sends something, for the next turn.
    pub fn send(&mut self, number: usize, bytes: &[u8]) {
        self.ends[number].write_all(bytes).expect("room in the kernel");
    }

    /// One turn.
    pub fn turn(&mut self) {
        let turn = self.reactor.turn(Some(self.reactor.now())).expect("epoll");
        black_box(turn);
    }

    fn settle(&mut self) {
        self.turn();
        while self.reactor.engine.has_work() {
            self.turn();
        }
    }

    /// The number of bytes to write from here on.
    pub fn expect(&mut self, bytes: usize) {
        self.expected = self.reactor.engine.counters().bytes_out() + bytes as u64;
    }

    /// These bytes were written.
    pub fn is_as_expected(&self) -> bool {
        self.reactor.engine.counters().bytes_out() == self.expected
    }
}
