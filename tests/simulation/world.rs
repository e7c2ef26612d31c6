//! The engine among its virtual peers: a reactor without descriptors, a kernel without a network, and what must be true
//! after every turn.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use ipcd::engine::Engine;
use ipcd::engine::allow::Allowed;
use ipcd::engine::limits::{FramingRule, PLACES_KEPT, READ_BYTES_MAX, SAMPLES_MAX, Settings};
use ipcd::engine::memory;
use ipcd::engine::message::{
    Binding, CloseReason, ConnectionId, EventKind, Input, Output, RemoteAddress, Timestamp, Transport,
};
use ipcd::engine::service::Service;

use memchr::memchr;

use super::link::{Read, Written};
use super::peer::{Actor, BURST};
use super::random::Random;
use super::room::{Record, Reference};
use super::settings;
use super::tally::Tally;

/// Whom a binding with a list lets in, of users and groups 0 to 2, and the observer.
const LISTED_USERS: [u32; 2] = [1, 77];
const LISTED_GROUP: u32 = 2;

/// One chunk of the room's log, which is kept for the next message.
const LOG_CHUNK: usize = 16 * 1024;

/// Outputs in one turn; more, and the engine asks for ever.
const OUTPUTS_PER_TURN_MAX: usize = 200_000;

/// Turns without any input after which nothing may be left to do.
const TURNS_TO_REST: usize = 20_000;

pub struct World {
    random: Random,
    engine: Engine,
    settings: Settings,
    /// All settings so far: a deadline of old ones may still be at work.
    seen: Vec<Settings>,
    /// The shortest gap of them all.
    gap_min: Duration,
    now: Timestamp,
    bindings: Vec<Rc<Binding>>,
    slots: Vec<Option<Actor>>,
    generations: Vec<u32>,
    free: Vec<u32>,
    /// What was read last.
    buffer: Vec<u8>,
    dead: Vec<u32>,
    ready: VecDeque<ConnectionId>,
    /// Who was read from is answered before the next one is, as the reactor does; otherwise at the end of the turn.
    is_prompt: bool,
    chunk: usize,
    crowd: usize,
    haste: usize,
    serial: u64,
    /// When everything has to be closed, and whether there was time enough to answer everybody.
    stop: Option<(Timestamp, bool)>,
    observer: Option<ConnectionId>,
    observed: Option<Vec<u8>>,
    joins: HashMap<String, usize>,
    records: Vec<Record>,
    /// The most that a connection may hold, that one in the chat may, and that the room may, with any settings so far.
    memory_max: [usize; 3],
    tally: Tally,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let settings = settings::first(&mut random);
        let binding = |service: Service, transport: Transport, allowed: Option<Allowed>| {
            let scheme = match transport {
                Transport::TCP => "tcp",
                Transport::UNIX => "unix",
                _ => "unixseq",
            };
            Rc::new(Binding { endpoint: format!("{scheme}:{service}"), service, transport, allowed })
        };
        let bindings: Vec<_> = Service::ALL
            .into_iter()
            .flat_map(|service| {
                [Transport::TCP, Transport::UNIX, Transport::UNIXSEQ].map(|transport| (service, transport))
            })
            .filter(|(service, transport)| service.fits(*transport))
            .map(|(service, transport)| {
                let is_listed = transport != Transport::TCP && random.percent(15);
                binding(service, transport, is_listed.then(|| Allowed::new(LISTED_USERS, [LISTED_GROUP])))
            })
            .collect();
        World {
            engine: Engine::new(settings.clone()),
            seen: vec![settings.clone()],
            gap_min: shortest_gap(&settings),
            now: Timestamp::at(0),
            bindings,
            slots: Vec::new(),
            generations: Vec::new(),
            free: Vec::new(),
            buffer: Vec::new(),
            dead: Vec::new(),
            ready: VecDeque::new(),
            is_prompt: !seed.is_multiple_of(4),
            chunk: random.pick(&[READ_BYTES_MAX, READ_BYTES_MAX, READ_BYTES_MAX, 23, 97, 1009]),
            crowd: random.pick(&[3, 10, 25, 40]),
            haste: random.pick(&[0, 0, 1, 5]),
            serial: 0,
            stop: None,
            observer: None,
            observed: None,
            joins: HashMap::new(),
            records: Vec::new(),
            memory_max: [0; 3],
            tally: Tally::default(),
            settings,
            random,
        }
    }

    pub fn run(mut self, steps: u64, step: &Cell<u64>) -> Tally {
        self.bound_memory();
        let observed = self.settings.of(Service::Mux).framing != FramingRule::Raw && !self.random.percent(12);
        if observed {
            self.invite_observer();
        }
        for at in 0..steps {
            step.set(at);
            self.act_all(false);
            self.advance();
            self.come_in();
            self.turn();
            if at % 32 == 0 {
                self.rest();
            }
            if self.random.percent(1) && self.random.percent(40) {
                self.reconfigure();
            }
        }
        if self.random.percent(75) {
            self.stop()
        } else {
            self.empty()
        }
        self.check_room();
        self.tally.add("steps", steps);
        self.tally
    }

    // ---- the peers

    fn invite_observer(&mut self) {
        let binding = self.bindings.iter().find(|binding| binding.service == Service::Mux).map(Rc::clone);
        let binding = binding.expect("there is a door to the mux");
        let origin = RemoteAddress::Process { uid: 77, gid: 1, pid: 1 };
        // Let in whatever the limits: they begin once it is there.
        let mut free = self.settings.clone();
        (free.connections_max, free.connections_per_address_max) = (1, 0);
        for service in &mut free.services {
            (service.connections_max, service.connections_per_address_max) = (None, 0);
        }
        self.engine.handle(self.now, Input::Reconfigure(Box::new(free)));
        let actor = Actor::observer(&mut self.random, &binding, origin, &self.settings);
        self.observer = Some(self.open(actor));
        let peer = self.observer.expect("it was just invited");
        for _ in 0..5 {
            self.act_all(true);
            self.turn();
        }
        assert!(self.actor(peer).is_some_and(|actor| actor.is_in_the_room()), "the observer is in the room");
        self.engine.handle(self.now, Input::Reconfigure(Box::new(self.settings.clone())));
    }

    fn come_in(&mut self) {
        let present = self.slots.iter().flatten().count();
        for _ in 0..self.random.within(0, 2) {
            if present < self.crowd && self.random.percent(50) {
                let binding = self.bindings[self.random.below(self.bindings.len())].clone();
                let origin = if binding.transport == Transport::TCP {
                    let address = [127, 0, 0, self.random.within(1, 4) as u8];
                    RemoteAddress::Address((address, self.random.within(1024, 65535) as u16).into())
                } else {
                    RemoteAddress::Process {
                        uid: self.random.below(3) as u32,
                        gid: self.random.below(3) as u32,
                        pid: self.random.next() as u32,
                    }
                };
                self.serial += 1;
                let actor = Actor::any(&mut self.random, &binding, origin, &self.settings, self.serial);
                self.open(actor);
            }
        }
    }

    fn act_all(&mut self, hurry: bool) {
        for index in 0..self.slots.len() {
            let Some(actor) = &mut self.slots[index] else { continue };
            if !hurry && !self.random.percent(40) && Some(actor.peer) != self.observer {
                continue;
            }
            let (peer, look) = (actor.peer, actor.act(&mut self.random, hurry, self.chunk));
            if look {
                self.push(peer);
            }
        }
    }

    fn open(&mut self, mut actor: Actor) -> ConnectionId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.generations.push(0);
            self.slots.len() as u32 - 1
        });
        let generation = &mut self.generations[index as usize];
        *generation += 1;
        let peer = ConnectionId { index, generation: *generation };
        let (binding, origin, serial) = (Rc::clone(&actor.binding), actor.origin, self.serial);
        (actor.since, actor.seen) = (self.now, self.seen.len());
        actor.peer = peer;
        actor.link.readable = true;
        // Who connects has often sent something already.
        if self.random.percent(50) {
            actor.act(&mut self.random, true, self.chunk);
        }
        self.slots[index as usize] = Some(actor);
        self.push(peer);
        let kept_out = self.is_full(&binding, origin) || !is_on_the_list(&binding, origin);
        self.tell(Input::Opened { peer, binding: &binding, origin });
        let opened = self.actor(peer).is_some_and(|actor| actor.opened);
        if serial > 0 {
            assert_eq!(
                opened, !kept_out,
                "let in although a limit was reached or a list has it not, or refused"
            );
        }
        self.tally.count(if opened { "let in" } else { "refused at the door" });
        peer
    }

    /// Whether some limit keeps a newcomer out.
    fn is_full(&self, binding: &Binding, origin: RemoteAddress) -> bool {
        // Everybody comes from loopback here, which is one address. Root has places of its own.
        let kept = if matches!(origin, RemoteAddress::Process { uid: 0, .. }) { PLACES_KEPT } else { 0 };
        let near = |other: RemoteAddress| match (origin, other) {
            (RemoteAddress::Address(_), RemoteAddress::Address(_)) => true,
            (RemoteAddress::Process { uid: a, .. }, RemoteAddress::Process { uid: b, .. }) => a == b,
            _ => false,
        };
        let inside = || self.slots.iter().flatten().filter(|actor| actor.opened && actor.closed.is_none());
        let here = || inside().filter(|actor| actor.service == binding.service);
        let limits = self.settings.of(binding.service);
        let reached = |count: usize, max: usize| max > 0 && count >= max + kept;
        inside().count() >= self.settings.connections_max + kept
            || limits.connections_max.is_some_and(|max| here().count() >= max + kept)
            || reached(
                inside().filter(|actor| near(actor.origin)).count(),
                self.settings.connections_per_address_max,
            )
            || reached(here().filter(|actor| near(actor.origin)).count(), limits.connections_per_address_max)
    }

    fn actor(&mut self, peer: ConnectionId) -> Option<&mut Actor> {
        self.slots.get_mut(peer.index as usize)?.as_mut().filter(|actor| actor.peer == peer)
    }

    // ---- the reactor

    fn push(&mut self, peer: ConnectionId) {
        if let Some(actor) = self.actor(peer)
            && !std::mem::replace(&mut actor.link.queued, true)
        {
            self.ready.push_back(peer);
        }
    }

    fn advance(&mut self) {
        let jump = match self.random.below(100) {
            0..50 => self.random.below(2000),
            50..80 => self.random.below(50_000),
            80..95 => self.random.below(2_000_000),
            95..98 if self.haste > 0 => self.random.below(10_000_000 * self.haste),
            98 if self.haste > 1 => self.random.below(400_000_000),
            _ => 0,
        };
        let mut jump = jump as u64;
        if !self.random.percent(15) {
            // In time, as a rule: at the next deadline, and at once while there is work.
            if !self.ready.is_empty() || self.engine.has_work() {
                jump = jump.min(200);
            } else if let Some(deadline) = self.engine.poll_deadline() {
                jump = jump.min(deadline.micros().saturating_sub(self.now.micros()));
            }
        }
        self.now = self.now + Duration::from_micros(jump);
    }

    fn turn(&mut self) {
        for index in 0..self.slots.len() {
            let Some(actor) = &mut self.slots[index] else { continue };
            let (peer, link) = (actor.peer, &mut actor.link);
            link.was_blocked = link.blocked;
            link.ever_blocked |= link.blocked;
            if std::mem::take(&mut link.writable_edge) && std::mem::take(&mut link.blocked) {
                self.tell(Input::Writable { peer });
            }
        }
        let mut outputs = 0;
        for _ in 0..self.ready.len() {
            if let Some(peer) = self.ready.pop_front() {
                self.read(peer);
            }
            while self.is_prompt
                && let Some(output) = self.engine.poll_urgent()
            {
                self.count(output, &mut outputs);
                self.obey(output);
            }
        }
        self.tell(Input::Tick);
        while let Some(output) = self.engine.poll_output() {
            self.count(output, &mut outputs);
            self.obey(output);
        }
        self.free.append(&mut self.dead);
        self.check();
    }

    fn count(&self, output: Output, outputs: &mut usize) {
        *outputs += 1;
        assert!(*outputs < OUTPUTS_PER_TURN_MAX, "the engine asks for ever: {output:?}");
    }

    /// Tells the engine something, and notes what happened.
    fn tell(&mut self, input: Input<'_>) {
        self.engine.handle(self.now, input);
        while let Some(note) = self.engine.poll_note() {
            self.note(note.peer.expect("a connection"), note.what);
        }
    }

    fn note(&mut self, peer: ConnectionId, what: EventKind) {
        self.serial += 1;
        let serial = self.serial;
        if let EventKind::Joined(name) = &what {
            let count = self.joins.entry(name.clone()).or_default();
            *count += 1;
            let ordinal = *count;
            self.actor(peer).expect("somebody joined").note_joined(name, ordinal);
            self.tally.count("joined");
            return;
        }
        let actor = self.slots[peer.index as usize].as_mut().filter(|actor| actor.peer == peer);
        let actor = actor.unwrap_or_else(|| panic!("{what:?} happened to nobody"));
        assert!(actor.closed.is_none(), "{}: {what:?} after its end", actor.who);
        match what {
            EventKind::Opened => assert!(!std::mem::replace(&mut actor.opened, true), "opened twice"),
            EventKind::Decided(kind) => {
                actor.note_decision(kind);
                self.tally.count_case("decided", &kind);
            }
            EventKind::Chose(service) => {
                actor.service = service;
                let limit = self.settings.of(service).connections_max.unwrap_or(usize::MAX);
                let count = self.engine.connections_of(service);
                assert!(
                    count <= limit.saturating_add(PLACES_KEPT) || actor.is_observer(),
                    "too many chose {service}: {count}"
                );
            }
            EventKind::Erred(error) => {
                actor.note_error(&error, serial);
                if error.starts_with("message longer than ") {
                    self.tally.count("told that a message was too long");
                }
            }
            EventKind::Closed(reason) => {
                if reason == CloseReason::TooMany && actor.opened {
                    self.tally.count("refused on the mux");
                }
                actor.closed = Some(reason);
                self.tally.count_case("closed", &reason);
            }
            EventKind::Said(_) => {
                actor.said += 1;
                let rates = |settings: &Settings| {
                    [Service::Mux, actor.service].map(|service| settings.of(service).messages_per_second)
                };
                let rates: Vec<u32> = self.seen.iter().flat_map(rates).collect();
                let spent = self.now.since(actor.since).as_secs_f64();
                // On the mux, in the service chosen there, and after each reload.
                let bursts = 2 + self.seen.len() - actor.seen;
                let fastest = f64::from(rates.iter().copied().max().unwrap_or(0));
                let most = (bursts * BURST + 1) as f64 + fastest * spent;
                let bounded = rates.iter().all(|rate| *rate > 0) && self.stop.is_none();
                assert!(!bounded || actor.said as f64 <= most, "{}: {} in {spent} s", actor.who, actor.said);
            }
            EventKind::Met(_)
            | EventKind::Dropped(_)
            | EventKind::Undelivered { .. }
            | EventKind::Refused(_)
            | EventKind::Mistaken(_)
            | EventKind::Ordered(_)
            | EventKind::Remarked(_)
            | EventKind::Asked(_)
            | EventKind::Confided(_)
            | EventKind::Joined(_) => {}
        }
    }

    fn read(&mut self, peer: ConnectionId) {
        let (chunk, stopping) = (self.chunk, self.stop.is_some());
        let wanted = self.engine.wants_input(peer);
        let place = self.slots[peer.index as usize].as_mut();
        let Some(actor) = place.filter(|actor| actor.peer == peer) else { return };
        let is_on_packets = actor.is_on_packets();
        let link = &mut actor.link;
        link.queued = false;
        if !link.readable {
            return;
        }
        if !wanted {
            if link.ended && link.failed {
                self.tell(Input::Lost { peer });
            }
            return self.tally.count("not read from");
        }
        if is_on_packets {
            // As many as one read of the reactor's takes.
            for _ in 0..50 {
                if !self.engine.wants_input(peer) || !self.receive(peer) {
                    break;
                }
            }
            return;
        }
        let mut dry = false;
        match link.read(chunk, &mut self.buffer) {
            Read::EndOfFile => {
                link.readable = false;
                assert!(!std::mem::replace(&mut link.end_read, true), "read on after the end of file");
                self.tell(Input::EndOfFile { peer });
            }
            Read::Bytes => {
                let bytes = std::mem::take(&mut self.buffer);
                let more = bytes.len() == chunk;
                link.readable = more || link.ended;
                dry = !link.readable;
                actor.taken += bytes.len() as u64;
                if !dry {
                    self.push(peer);
                }
                self.tell(Input::Bytes { peer, bytes: &bytes, more });
                self.buffer = bytes;
            }
            Read::Blocked => {
                link.readable = false;
                dry = true;
            }
            Read::Broken => self.tell(Input::Lost { peer }),
        }
        if dry && stopping {
            self.tell(Input::Dry { peer });
        }
    }

    fn obey(&mut self, output: Output) {
        match output {
            Output::Flush(peer) => self.flush(peer),
            Output::Retry(peer) => self.retry(peer),
            Output::ShutdownWrite(peer) => {
                let actor = self.actor(peer).expect("nobody's sending side is shut down");
                assert!(!std::mem::replace(&mut actor.link.shut, true), "{}: shut down twice", actor.who);
                actor.words_lost |= actor.link.was_blocked || actor.link.blocked;
            }
            Output::Listen(peer) => {
                self.tally.count("listened to again");
                if self.actor(peer).expect("nobody is listened to").link.readable {
                    self.push(peer);
                }
            }
            Output::Acknowledge(peer) => {
                self.tally.count("acknowledged within a message");
                let actor = self.actor(peer).expect("nobody is waited for");
                assert_eq!(
                    actor.binding.transport,
                    Transport::TCP,
                    "{}: nothing there waits for that",
                    actor.who
                );
            }
            Output::Ask(peer, _) => panic!("{peer:?} has not asked for anything"),
            Output::Close(peer) | Output::Reset(peer) => {
                let place = &mut self.slots[peer.index as usize];
                let mut actor = place.take().filter(|actor| actor.peer == peer).expect("nobody is closed");
                assert!(actor.closed.is_some(), "{}: closed, and nothing was said of it", actor.who);
                if matches!(output, Output::Reset(_)) {
                    self.tally.count("reset by the engine");
                }
                if actor.may_be_window() {
                    // Its last words may have been given up some time ago: nothing tells of it.
                    actor.words_lost |= actor.link.ever_blocked;
                } else if !actor.link.shut {
                    actor.words_lost |= actor.link.was_blocked || actor.link.blocked;
                }
                self.dead.push(peer.index);
                self.end(actor);
            }
        }
    }

    fn end(&mut self, mut actor: Actor) {
        let over = self.stop.is_some_and(|(by, _)| self.now >= by);
        let fair = self.stop.map(|(_, fair)| fair);
        let record = actor.judge(&self.seen, fair, over, &mut self.tally);
        if self.observer == Some(actor.peer) {
            self.observer = None;
            let record = record.expect("the observer was in the room");
            let excused = self.stop.is_some() || self.slots.iter().flatten().count() == 0;
            assert!(excused, "the observer was closed: {}", record.who);
            self.observed = Some(record.heard);
        } else {
            self.records.extend(record);
        }
        self.tally.count("peers");
    }

    /// Takes one packet: a line of those who are written here as line clients; whether there may be another.
    fn receive(&mut self, peer: ConnectionId) -> bool {
        let stopping = self.stop.is_some();
        let place = self.slots[peer.index as usize].as_mut();
        let place = place.filter(|actor| actor.peer == peer && actor.link.readable);
        let Some(actor) = place else { return false };
        let link = &mut actor.link;
        let line = memchr(b'\n', link.inbound.all()).map(|lf| lf + 1);
        let rest = (link.fin && !link.inbound.is_empty()).then_some(link.inbound.len());
        let packet = line.or(rest).unwrap_or(0);
        if packet == 0 && !link.inbound.is_empty() && !link.failed {
            link.readable = false; // it is still being written
            if stopping {
                self.tell(Input::Dry { peer });
            }
            return false;
        }
        match link.read(packet, &mut self.buffer) {
            Read::EndOfFile => {
                link.readable = false;
                assert!(!std::mem::replace(&mut link.end_read, true), "read on after the end of file");
                self.tell(Input::EndOfFile { peer });
            }
            Read::Bytes => {
                let bytes = std::mem::take(&mut self.buffer);
                actor.taken += bytes.len() as u64 + u64::from(line.is_none()); // its end counts as an LF
                self.push(peer);
                self.tally.count("packets");
                self.tell(Input::Bytes { peer, bytes: &bytes, more: false });
                self.buffer = bytes;
            }
            Read::Blocked => {
                link.readable = false;
                if stopping {
                    self.tell(Input::Dry { peer });
                }
            }
            Read::Broken => self.tell(Input::Lost { peer }),
        }
        true
    }

    fn flush(&mut self, peer: ConnectionId) {
        loop {
            let Some(actor) = self.slots[peer.index as usize].as_mut().filter(|actor| actor.peer == peer)
            else {
                return assert!(self.engine.outgoing(peer).is_empty(), "something for somebody who is gone");
            };
            if actor.link.blocked {
                return;
            }
            let outgoing = self.engine.outgoing(peer);
            let wanted = outgoing.len();
            if wanted == 0 {
                return;
            }
            if actor.is_on_packets() {
                let line = actor.line_of(&outgoing.slices().concat());
                match actor.link.write_packet(&line) {
                    Written::Bytes(_) => self.tell(Input::Sent { peer, bytes: wanted }),
                    Written::Blocked => {
                        actor.link.blocked = true;
                        self.tally.count("blocked");
                        return self.tell(Input::Blocked { peer });
                    }
                    Written::Broken => return self.tell(Input::Lost { peer }),
                }
                continue;
            }
            match actor.link.write(outgoing.slices()) {
                Written::Bytes(count) => {
                    let gap = Some(self.gap_min).filter(|_| self.stop.is_none());
                    let bytes = outgoing.slices()[0];
                    let whole = count == wanted && outgoing.slices().len() == 1;
                    actor.note_written(self.now, bytes, whole, gap, &mut self.tally);
                    actor.link.blocked = count < wanted;
                    let blocked = actor.link.blocked;
                    self.tell(Input::Sent { peer, bytes: count });
                    if blocked {
                        self.tally.count("blocked");
                        return self.tell(Input::Blocked { peer });
                    }
                }
                Written::Blocked => {
                    actor.link.blocked = true;
                    self.tally.count("blocked");
                    return self.tell(Input::Blocked { peer });
                }
                Written::Broken => return self.tell(Input::Lost { peer }),
            }
        }
    }

    /// Writes to one for whom the kernel takes nothing, as far as the engine knows.
    fn retry(&mut self, peer: ConnectionId) {
        let actor = self.slots[peer.index as usize].as_mut().filter(|actor| actor.peer == peer);
        let actor = actor.expect("nobody is written to once more");
        assert!(actor.link.blocked, "{}: written to once more without need", actor.who);
        if actor.closed.is_some() {
            return; // the order was given before its time was over altogether: it is closed next
        }
        let outgoing = self.engine.outgoing(peer);
        assert!(!outgoing.is_empty(), "{}: blocked, and nothing waits for it", actor.who);
        let (wanted, written) = if actor.is_on_packets() {
            (outgoing.len(), actor.link.write_packet(&actor.line_of(&outgoing.slices().concat())))
        } else {
            (0, actor.link.write(outgoing.slices()))
        };
        self.tally.count("written to once more");
        match written {
            Written::Bytes(count) => {
                actor.link.blocked = false;
                self.tally.count("written to once more, and it took something");
                self.tell(Input::Sent { peer, bytes: if wanted > 0 { wanted } else { count } });
                self.tell(Input::Writable { peer });
            }
            Written::Blocked => self.tell(Input::Blocked { peer }),
            Written::Broken => self.tell(Input::Lost { peer }),
        }
    }

    fn reconfigure(&mut self) {
        settings::vary(&mut self.random, &mut self.settings);
        self.seen.push(self.settings.clone());
        self.gap_min = self.gap_min.min(shortest_gap(&self.settings));
        self.bound_memory();
        self.tell(Input::Reconfigure(Box::new(self.settings.clone())));
        self.tally.count("reconfigured");
    }

    // ---- what must be true

    /// What the engine promises for as many as there may be, told for as many as there are.
    fn bound_memory(&mut self) {
        let of = |service| memory::queues_bytes(&self.settings, service);
        let with_chat = of(Service::Chat);
        let others = Service::ALL.into_iter().filter(|service| *service != Service::Chat);
        let without_chat = others.map(of).max().expect("there are services");
        let shared = ["words for refused", "the room's log", "machines", "events for those who watch"];
        let is_shared = |part: &memory::Part| shared.iter().any(|name| part.name.starts_with(name));
        let room =
            memory::parts(&self.settings).iter().filter(|part| is_shared(part)).map(|part| part.bytes).sum();
        let now = [without_chat, with_chat, room];
        self.memory_max = std::array::from_fn(|at| self.memory_max[at].max(now[at]));
    }

    fn check(&mut self) {
        let queued = self.engine.queued_bytes();
        let (mut chatting, mut inside, mut of) = (0, 0, [0; Service::ALL.len()]);
        for actor in self.slots.iter_mut().flatten() {
            let took = std::mem::take(&mut actor.link.took);
            actor.patience.check(self.now, actor.link.blocked, took, &self.seen, &actor.who);
            chatting += usize::from(actor.service == Service::Chat);
            if actor.closed.is_none() {
                inside += 1;
                of[actor.service as usize] += usize::from(actor.opened);
            }
        }
        let [other, chat, room] = self.memory_max;
        let most = chatting * chat + (self.engine.len().max(chatting) - chatting) * other + room;
        assert!(queued <= most, "{queued} bytes are queued, {most} at most");
        let (counted, held) = self.engine.shared_bytes();
        assert_eq!(counted, held, "bytes that all queues take, as they are counted");
        assert_eq!(self.engine.len(), inside, "connections in the table");
        for (service, count) in Service::ALL.into_iter().zip(of) {
            assert_eq!(self.engine.connections_of(service), count, "connections of {service}");
        }
    }

    /// With no more input and no more time, all work comes to its end, and nobody is forgotten.
    fn rest(&mut self) {
        for turn in 0.. {
            let due = self.engine.poll_deadline().is_some_and(|deadline| deadline <= self.now);
            if self.ready.is_empty() && !self.engine.has_work() && !due {
                break;
            }
            assert!(turn < TURNS_TO_REST, "no rest: work {}, deadline due {due}", self.engine.has_work());
            self.turn();
        }
        let World { slots, engine, settings, tally, .. } = self;
        for actor in slots.iter().flatten() {
            let (link, wanted) = (&actor.link, engine.wants_input(actor.peer));
            assert!(
                !wanted || link.end_read || !link.readable,
                "{}: wanted, has something to be read, and nobody reads it",
                actor.who
            );
            if !wanted && !link.end_read {
                // Or it is its partner who does not read.
                let held = actor.may_be_held(settings);
                if held {
                    tally.count("held to a pace");
                }
                let waits = held || link.blocked || actor.is_paced() || actor.service == Service::Talk;
                assert!(waits, "{}: has read all and is not read from", actor.who);
            }
            if !link.blocked && !actor.is_paced() {
                let left = engine.outgoing(actor.peer);
                assert!(left.is_empty(), "{}: something waits for it and it could take it", actor.who);
            }
        }
    }

    // ---- how it ends

    fn stop(&mut self) {
        let fair = self.random.percent(70);
        let grace = if fair {
            Duration::from_secs(20)
        } else {
            Duration::from_millis(self.random.below(3000) as u64)
        };
        let by = self.now + grace;
        self.stop = Some((by, fair));
        self.tell(Input::Stop { by });
        self.tally.count("stopped");
        for index in 0..self.slots.len() {
            let Some(actor) = &mut self.slots[index] else { continue };
            actor.note_stop();
            actor.link.readable = true;
            let peer = actor.peer;
            self.push(peer);
        }
        while !self.engine.is_done() {
            assert!(self.now <= by + Duration::from_secs(1), "not done by the end of the grace");
            let max = if fair { 2000 } else { 100_000 };
            self.act_all(true);
            self.now = self.now + Duration::from_micros(self.random.below(max) as u64);
            self.turn();
        }
        self.check_empty();
    }

    /// Everybody leaves, the observer last.
    fn empty(&mut self) {
        // Nobody waits any more until it may say what it has sent already.
        self.settings.services.iter_mut().for_each(|service| service.messages_per_second = 0);
        self.seen.push(self.settings.clone());
        self.tell(Input::Reconfigure(Box::new(self.settings.clone())));
        for index in 0..self.slots.len() {
            let Some(actor) = &mut self.slots[index] else { continue };
            let peer = actor.peer;
            if Some(peer) != self.observer && actor.leave(&mut self.random) {
                self.push(peer);
            }
        }
        let mut turns = 0;
        while !self.engine.is_empty() {
            turns += 1;
            assert!(turns < 5000, "{} never leave", self.engine.len());
            self.act_all(true);
            self.now = self.now + Duration::from_micros(self.random.below(1_000_000) as u64);
            self.turn();
            if self.engine.len() == 1
                && let Some(peer) = self.observer
                && let Some(actor) = self.actor(peer)
                && !actor.link.fin
            {
                actor.link.half_close();
                self.push(peer);
            }
        }
        self.rest();
        self.check_empty();
        assert_eq!(self.engine.poll_deadline(), None, "nobody is there, and somebody is to be woken");
        assert!(!self.engine.has_work());
        self.tally.count("emptied");
    }

    fn check_empty(&mut self) {
        self.check();
        assert_eq!((self.engine.len(), self.engine.members()), (0, 0));
        assert_eq!(self.slots.iter().flatten().count(), 0, "somebody was never closed");
        let left = self.engine.queued_bytes();
        let history = |settings: &Settings| match settings.chat_history {
            0 => 0,
            _ => settings.of(Service::Chat).backlog_bytes_max,
        };
        let history_max = self.seen.iter().map(history).max().unwrap_or(0);
        let machines_max = super::peer::MACHINES * (SAMPLES_MAX * 100 + 200);
        assert!(left <= LOG_CHUNK + history_max + machines_max, "nobody is there, and {left} bytes are kept");
    }

    fn check_room(&mut self) {
        let Some(heard) = self.observed.take() else { return };
        let reference = Reference::new(&heard, "observer", self.stop.is_some());
        let history_max = self.seen.iter().map(|settings| settings.chat_history).max().unwrap_or(0);
        for record in std::mem::take(&mut self.records) {
            reference.check(&record, history_max, &mut self.tally);
        }
    }
}

fn shortest_gap(settings: &Settings) -> Duration {
    settings.services.iter().map(|service| service.raw_gap).min().expect("there are services")
}

/// Whether a binding's list, if it has one, has whoever comes there: root always, and these.
fn is_on_the_list(binding: &Binding, origin: RemoteAddress) -> bool {
    let RemoteAddress::Process { uid, gid, .. } = origin else { return binding.allowed.is_none() };
    binding.allowed.is_none() || uid == 0 || LISTED_USERS.contains(&uid) || gid == LISTED_GROUP
}
