//! Many connections of a few users that take everything they can and read nothing, with the engine, beside others that read. After
//! every step the queues keep their bound, and no other user's connection is ever closed.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ipcd::engine::Engine;
use ipcd::engine::limits::Settings;
use ipcd::engine::message::{
    Binding, CloseReason, ConnectionId, EventKind, Input, Output, RemoteAddress, Timestamp, Transport,
};
use ipcd::engine::service::Service;

use super::random::Random;
use super::totals::Totals;

/// Users that do harm, and their connections.
const HOGS: u32 = 3;
const GREED: usize = 40;

/// Users that do no harm: one connection each, the first half of them in the room.
const OTHERS: usize = 10;

struct End {
    peer: ConnectionId,
    service: Service,
    is_hog: bool,
    is_open: bool,
    /// How much its kernel's buffer can still hold.
    room: usize,
    blocked: bool,
    heard: Vec<u8>,
    asked: usize,
}

struct World {
    random: Random,
    engine: Engine,
    max: usize,
    now: Timestamp,
    ends: Vec<End>,
    totals: Totals,
}

impl World {
    fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let mut settings =
            Settings { queued_bytes_max: random.pick(&[1, 2, 3]) << 20, ..Settings::default() };
        settings.chat_history = random.pick(&[0, 1000]);
        for service in &mut settings.services {
            service.backlog_bytes_max = random.pick(&[4096, 65536, 1 << 20, 16 << 20]);
        }
        let max = settings.queued_bytes_max;
        let engine = Engine::new(settings);
        let mut world =
            World { random, engine, max, now: Timestamp::at(0), ends: Vec::new(), totals: Totals::default() };
        for number in 0..OTHERS {
            let service = if number < OTHERS / 2 { Service::Chat } else { Service::Multiply };
            world.open(number, service, HOGS + number as u32);
            world.ends[number].room = usize::MAX;
            if service == Service::Chat {
                world.send(number, format!("other{number}\n").as_bytes());
            }
        }
        world
    }

    fn open(&mut self, index: usize, service: Service, uid: u32) {
        let generation = self.ends.get(index).map_or(1, |end| end.peer.generation + 1);
        let peer = ConnectionId { index: index as u32, generation };
        let room = self.random.pick(&[0, 100, 5000, 100_000]);
        let is_hog = uid < HOGS;
        let end =
            End { peer, service, is_hog, is_open: true, room, blocked: false, heard: Vec::new(), asked: 0 };
        match self.ends.get_mut(index) {
            Some(place) => *place = end,
            None => self.ends.push(end),
        }
        let binding =
            Binding { endpoint: "unix:///x".into(), service, transport: Transport::UNIX, allowed: None };
        let remote = RemoteAddress::Process { uid, gid: 1, pid: 1 };
        self.tell(Input::Opened { peer, binding: &Rc::new(binding), remote });
    }

    /// After every input, the bound holds.
    fn tell(&mut self, input: Input<'_>) {
        self.engine.handle(self.now, input);
        let (counted, held) = self.engine.shared_bytes();
        assert_eq!(counted, held, "as it is counted, and as it is");
        assert!(held <= self.max, "{held} bytes are held, {} at most", self.max);
        while let Some(event) = self.engine.poll_event() {
            if let (Some(peer), EventKind::Closed(reason)) = (event.peer, event.what) {
                let end = &mut self.ends[peer.index as usize];
                assert!(end.is_hog || reason == CloseReason::Stopping, "user of {}: {reason}", peer.index);
                self.totals.count(match reason {
                    CloseReason::PeerHeldMost => "hogs: held most",
                    CloseReason::PeerTooSlow => "hogs: too slow",
                    _ => "hogs: closed",
                });
            }
        }
    }

    fn send(&mut self, index: usize, bytes: &[u8]) {
        let peer = self.ends[index].peer;
        for burst in bytes.chunks(16 * 1024) {
            if self.ends[index].is_open && self.engine.is_reading(peer) {
                self.tell(Input::Bytes { peer, bytes: burst, more: false });
            }
        }
        self.finish();
    }

    fn finish(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Flush(peer) => self.flush(peer),
                Output::Close(peer) | Output::Reset(peer) => self.ends[peer.index as usize].is_open = false,
                Output::Retry(peer) => self.tell(Input::Blocked { peer }), // its kernel accepts nothing
                Output::ShutdownWrite(_) | Output::Reading(..) | Output::Acknowledge(_) | Output::Ask(..) => {
                }
            }
        }
    }

    fn flush(&mut self, peer: ConnectionId) {
        let index = peer.index as usize;
        while !self.ends[index].blocked {
            let outgoing = self.engine.outgoing(peer);
            let wanted = outgoing.len();
            if wanted == 0 {
                return;
            }
            let end = &mut self.ends[index];
            let count = wanted.min(end.room);
            if !end.is_hog {
                outgoing.slices().iter().for_each(|slice| end.heard.extend_from_slice(slice));
            } else {
                end.room -= count;
            }
            if count > 0 {
                self.tell(Input::Sent { peer, bytes: count });
            }
            if count < wanted {
                self.ends[index].blocked = true;
                self.tell(Input::Blocked { peer });
            }
        }
    }

    /// A harmful connection does the worst that it can.
    fn misbehave(&mut self) {
        let index = OTHERS + self.random.below(HOGS as usize * GREED);
        if self.ends.get(index).is_none_or(|end| !end.is_open) {
            let services = [Service::Multiply, Service::Chat, Service::Talk, Service::Stats, Service::Mux];
            let (service, uid) = (self.random.pick(&services), self.random.below(HOGS as usize) as u32);
            let index = index.min(self.ends.len());
            self.open(index, service, uid);
            let number = self.random.next();
            return if service == Service::Chat {
                self.send(index, format!("h{number:x}\n").as_bytes())
            };
        }
        let end = &mut self.ends[index];
        let (peer, service) = (end.peer, end.service);
        let members = self.random.below(OTHERS / 2);
        let bytes = match (service, self.random.below(12)) {
            (_, 0) => return self.tell(Input::Lost { peer }),
            (_, 1) => return self.tell(Input::EndOfFile { peer }),
            (_, 2) => {
                end.room = self.random.within(0, 200_000);
                if std::mem::take(&mut end.blocked) {
                    self.tell(Input::Writable { peer });
                }
                return;
            }
            (_, 3) => b"1".repeat(self.random.within(1, 4096)),
            (Service::Chat, 4 | 5) => format!("/msg other{members} {}\n", "x".repeat(30)).repeat(300).into(),
            (Service::Chat, 6) => "/who\n".repeat(1000).into(),
            (Service::Chat, 7) => b"{quit}\n".to_vec(),
            (Service::Chat | Service::Talk, _) => format!("{}\n", "y".repeat(1000)).repeat(15).into(),
            (Service::Stats, 4..8) => {
                format!("{{\"host\":\"pc{}\",\"x\":\"{}\"}}\n", members, "z".repeat(3000)).into()
            }
            (Service::Stats, _) => "latest\n".repeat(100).into(),
            _ => "1 1\n".repeat(4000).into(),
        };
        self.send(index, &bytes);
    }

    /// One of the others sends a request.
    fn ask(&mut self) {
        let index = self.random.below(OTHERS);
        if !self.engine.is_reading(self.ends[index].peer) {
            return; // it is read from when the room's log has space again
        }
        self.ends[index].asked += 1;
        match self.ends[index].service {
            Service::Chat => self.send(index, format!("number {}\n", self.ends[index].asked).as_bytes()),
            _ => self.send(index, b"5 10\n"),
        }
    }

    fn turn(&mut self) {
        self.tell(Input::Tick);
        self.finish();
    }
}

/// Runs one seed.
pub fn run(seed: u64, steps: u64, step: &Cell<u64>) -> Totals {
    let mut world = World::new(seed);
    for at in 0..steps {
        step.set(at);
        world.misbehave();
        if world.random.percent(20) {
            world.ask();
        }
        if world.random.percent(50) {
            world.turn();
        }
        if world.random.percent(2) {
            world.now = world.now + Duration::from_millis(100);
        }
    }
    // Members that waited for room in the queues get it.
    (0..1000).for_each(|_| world.turn());
    for (index, end) in world.ends[..OTHERS].iter().enumerate() {
        let heard = String::from_utf8_lossy(&end.heard);
        match end.service {
            Service::Chat => {
                let own = format!("other{index}: number ");
                let numbers: Vec<usize> =
                    heard.lines().filter_map(|line| line.strip_prefix(&own)?.parse().ok()).collect();
                assert!(numbers.iter().copied().eq(1..=end.asked), "{index}: {numbers:?} of {}", end.asked);
            }
            _ => assert_eq!(heard, "Data received\n50.0\n".repeat(end.asked)),
        }
    }
    // All members are closed at the same time, and each gets its unsent messages.
    let by = world.now + Duration::from_secs(5);
    world.tell(Input::Stop { by });
    for _ in 0..20 {
        world.turn();
        world.now = world.now + Duration::from_millis(500);
    }
    assert!(world.engine.is_done());
    world.totals
}
