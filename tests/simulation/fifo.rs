//! FIFOs, message queues and buffers on the engine alone: lines, on FIFOs cut anywhere by writers that come and go, a reader that is often absent, and time.
//! The output is whole lines in order, with the newest among them; and every missing one was counted.

use std::cell::Cell;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use ipcd::engine::Engine;
use ipcd::engine::limits::Settings;
use ipcd::engine::memory;
use ipcd::engine::message::{
    Binding, CloseReason, ConnectionId, EventKind, Input, Output, RemoteAddress, Timestamp, Transport,
};
use ipcd::engine::service::Service;

use super::link::Bytes;
use super::random::Random;
use super::totals::Totals;

/// Capacities of a pipe, in bytes.
const PIPES: &[usize] = &[1, 7, 64, 500, 4096, 65536];

/// Capacities of a queue, in messages.
const QUEUES: &[usize] = &[1, 3, 10];

/// One pair, or the only ordinary member of the room, which always reads.
struct End {
    peer: ConnectionId,
    /// The contents of `.in` and of `.out`.
    inbound: Bytes,
    outbound: usize,
    room: usize,
    has_messages: bool,
    blocked: bool,
    heard: Vec<u8>,
    closed: Option<CloseReason>,
}

struct World {
    random: Random,
    engine: Engine,
    settings: Settings,
    /// The largest bound of all settings so far.
    bytes_max: usize,
    now: Timestamp,
    ends: Vec<End>,
}

/// The kinds of the lines in a FIFO's `.in`.
#[derive(Default)]
struct Told {
    lines: usize,
    errors: usize,
}

impl World {
    fn new(seed: u64, transport: Transport) -> World {
        let mut random = Random::new(seed);
        let settings = settings(&mut random);
        let mut world = World {
            engine: Engine::new(settings.clone()),
            bytes_max: memory::bytes_max(&settings),
            now: Timestamp::at(0),
            ends: Vec::new(),
            settings,
            random,
        };
        let answering = if transport.is_one_way { Transport::MQ } else { transport };
        world.open(Service::Multiply, answering, RemoteAddress::Writers);
        world.open(Service::Chat, transport, RemoteAddress::Writers);
        world.open(Service::Chat, Transport::UNIX, RemoteAddress::Process { uid: 1, gid: 1, pid: 1 });
        world.ends[2].room = usize::MAX;
        world.give(2, b"alice\n");
        (0..10).for_each(|_| world.turn());
        assert_eq!(world.engine.members(), 2);
        world
    }

    fn open(&mut self, service: Service, transport: Transport, remote: RemoteAddress) {
        let peer = ConnectionId { index: self.ends.len() as u32, generation: 1 };
        let has_messages = transport.has_messages();
        let room = match transport.is_one_way {
            true => usize::MAX, // what is written there goes nowhere
            false => self.random.pick(if has_messages { QUEUES } else { PIPES }),
        };
        self.ends.push(End {
            peer,
            inbound: Bytes::default(),
            outbound: 0,
            room,
            has_messages,
            blocked: false,
            heard: Vec::new(),
            closed: None,
        });
        let binding = Rc::new(Binding {
            endpoint: match transport.is_one_way {
                true => format!("shm:///{service}?semaphores"),
                false => format!("fifo:///run/{service}"),
            },
            service,
            transport,
            allowed: None,
        });
        self.engine.handle(self.now, Input::Opened { peer, binding: &binding, remote });
    }

    /// Writes a line with its number.
    fn give_line(&mut self, index: usize, number: usize) {
        let inbound = self.ends[index].inbound.growing();
        writeln!(inbound, "{number} 1").expect("memory can be written to");
    }

    fn give(&mut self, index: usize, bytes: &[u8]) {
        self.ends[index].inbound.push(bytes);
    }

    /// Reads the available bytes if the engine wants them, and executes the engine's requests.
    fn turn(&mut self) {
        for index in 0..self.ends.len() {
            let peer = self.ends[index].peer;
            let max = self.random.pick(&[1, 10, 1000, 16384]);
            if self.engine.is_reading(peer) && !self.ends[index].inbound.is_empty() {
                let end = &mut self.ends[index];
                let bytes = match end.has_messages {
                    true => end.inbound.take_line(),
                    false => end.inbound.take(end.inbound.len().min(max)),
                };
                self.engine.handle(self.now, Input::Bytes { peer, bytes, more: false });
            }
        }
        self.engine.handle(self.now, Input::Tick);
        for _ in 0..100_000 {
            self.notes();
            match self.engine.poll_output() {
                None => break,
                Some(Output::Flush(peer)) => self.flush(peer),
                Some(Output::Reading(..) | Output::Acknowledge(_)) => {}
                Some(Output::Close(peer)) => assert!(self.ends[peer.index as usize].closed.is_some()),
                Some(output) => assert_eq!(output, Output::ShutdownWrite(self.ends[2].peer)),
            }
        }
        let (queued, most) = (self.engine.queued_bytes(), self.bytes_max);
        assert!(queued <= most, "{queued} bytes are queued, {most} at most");
    }

    fn notes(&mut self) {
        while let Some(event) = self.engine.poll_event() {
            if let EventKind::Closed(reason) = event.what {
                self.ends[event.peer.expect("a connection").index as usize].closed = Some(reason);
            }
        }
    }

    fn flush(&mut self, peer: ConnectionId) {
        let end = &mut self.ends[peer.index as usize];
        while !end.blocked {
            let outgoing = self.engine.outgoing(peer);
            let wanted = outgoing.len();
            if wanted == 0 {
                return;
            }
            let free = end.room - end.outbound;
            let count = match end.has_messages {
                true if free == 0 => 0,
                true => wanted,
                false => wanted.min(free),
            };
            if count > 0 {
                end.outbound = match end.room {
                    usize::MAX => 0,
                    _ if end.has_messages => end.outbound + 1,
                    _ => end.outbound + count,
                };
                let mut left = count;
                for slice in outgoing.slices() {
                    let taken = slice.len().min(left);
                    end.heard.extend_from_slice(&slice[..taken]);
                    left -= taken;
                }
                if end.has_messages {
                    end.heard.push(b'\n'); // the message ends here
                }
                self.engine.handle(self.now, Input::Sent { peer, bytes: count });
            }
            if count < wanted {
                end.blocked = true;
                self.engine.handle(self.now, Input::Blocked { peer });
            }
        }
    }

    /// A reader takes the contents of `.out`.
    fn read_out(&mut self, index: usize) {
        let end = &mut self.ends[index];
        end.outbound = 0;
        if std::mem::take(&mut end.blocked) {
            let peer = end.peer;
            self.engine.handle(self.now, Input::Writable { peer });
        }
    }

    fn rest(&mut self, reading: bool) {
        for turn in 0.. {
            if reading {
                (0..2).for_each(|index| self.read_out(index));
            }
            let busy = self.engine.has_work() || self.ends.iter().any(|end| !end.inbound.is_empty());
            if !busy && turn > 3 {
                return;
            }
            assert!(turn < 1_000_000, "no rest");
            self.turn();
        }
    }
}

fn settings(random: &mut Random) -> Settings {
    let mut settings = Settings { connections_max: 1, standing: 2, ..Settings::default() };
    for service in &mut settings.services {
        service.backlog_bytes_max = random.pick(&[4096, 5000, 20_000, 65536, 1 << 20]);
        service.message_bytes_max = random.pick(&[64, 100, 4096]);
        service.message_timeout = Duration::from_secs(random.pick(&[1, 30]));
        service.idle_timeout = Duration::from_secs(1);
        service.listening = true;
    }
    settings
}

/// Runs one seed.
pub fn run(transport: Transport, seed: u64, steps: u64, step: &Cell<u64>) -> Totals {
    let mut world = World::new(seed, transport);
    let mut told = <[Told; 2]>::default();
    let mut totals = Totals::default();
    for at in 0..steps {
        step.set(at);
        let index = world.random.below(2);
        // Every writer ends its line in time.
        for _ in 0..world.random.within(0, 40) {
            if world.random.percent(3) {
                let length = 4097 + world.random.below(3000);
                world.give(index, &[&vec![b'x'; length][..], b"\n"].concat());
                told[index].errors += 1;
                totals.count("FIFO: too long");
            } else if index == 1 && world.random.percent(3) {
                world.give(index, b"\x07\n"); // without its control character, the line is empty
            } else {
                world.give_line(index, told[index].lines);
                told[index].lines += 1;
            }
        }
        for _ in 0..world.random.within(1, 3) {
            world.turn();
        }
        if world.random.percent(30) {
            let reader = world.random.below(2);
            world.read_out(reader);
        }
        if world.random.percent(2) {
            world.rest(false);
            world.now = world.now + Duration::from_secs(40);
            world.turn();
        }
        if world.random.percent(1) {
            world.settings = settings(&mut world.random);
            world.bytes_max = world.bytes_max.max(memory::bytes_max(&world.settings));
            let settings = Box::new(world.settings.clone());
            world.engine.handle(world.now, Input::Reconfigure(settings));
        }
    }
    world.rest(true);
    assert!(
        world.ends.iter().all(|end| end.closed.is_none()),
        "nothing ends a FIFO, and nobody waits for it"
    );
    check_multiply(&world, &told[0], &mut totals);
    check_chat(&world, &told[1], &mut totals);
    world.engine.handle(world.now, Input::Stop { by: world.now + Duration::from_secs(5) });
    for index in 0..3 {
        let peer = world.ends[index].peer;
        world.engine.handle(world.now, Input::Drained { peer });
    }
    for _ in 0..10 {
        world.turn();
        world.now = world.now + Duration::from_millis(300);
    }
    let reasons: Vec<_> = world.ends[..2].iter().map(|end| end.closed).collect();
    assert_eq!(reasons, [Some(CloseReason::Stopping); 2], "a reader that is not there is not waited for");
    totals
}

fn lines(end: &End) -> Vec<&str> {
    let text = std::str::from_utf8(&end.heard).expect("whole characters");
    assert!(text.is_empty() || text.ends_with('\n'), "whole lines");
    text.lines().collect()
}

fn check_multiply(world: &World, told: &Told, totals: &mut Totals) {
    let lines = lines(&world.ends[0]);
    let numbers: Vec<f64> = lines.iter().filter_map(|line| line.parse().ok()).collect();
    let errors = lines.iter().filter(|line| line.starts_with("Error: message longer than ")).count();
    let acknowledged = lines.iter().filter(|line| **line == "Data received").count();
    assert_eq!(lines.len(), numbers.len() + errors + acknowledged, "{lines:?}");
    assert!(numbers.is_sorted_by(|one, next| one < next), "in order, each once");
    if let Some(last) = told.lines.checked_sub(1) {
        assert_eq!(numbers.last(), Some(&(last as f64)), "the newest is there");
    }
    let dropped = world.engine.counters().of(Service::Multiply).dropped();
    assert_eq!(
        lines.len() as u64 + dropped,
        (2 * told.lines + told.errors) as u64,
        "what is missing was counted"
    );
    totals.add("FIFO: replies dropped", dropped);
}

fn check_chat(world: &World, told: &Told, totals: &mut Totals) {
    let said = |line: &&str| line.starts_with("chat: ");
    let heard = lines(&world.ends[1]);
    let from_fifo: Vec<&str> = heard.iter().copied().filter(said).collect();
    let to_alice: Vec<&str> = lines(&world.ends[2]).into_iter().filter(said).collect();
    assert_eq!(to_alice.len(), told.lines, "who reads hears everything");
    let mut all = to_alice.iter();
    assert!(from_fifo.iter().all(|line| all.any(|other| other == line)), "in the room's order, each once");
    let dropped = world.engine.counters().of(Service::Chat).dropped();
    // The announcement of the other member is one line more.
    assert_eq!(
        heard.len() as u64 + dropped,
        (told.lines + told.errors + 1) as u64,
        "what is missing was counted"
    );
    totals.add("FIFO: lines of the room missed", dropped);
}
