//! The engine with its virtual peers: a reactor without descriptors, a kernel without a network, and the invariants after every
//! turn.

mod actors;
mod arrivals;
mod departures;
mod events;
mod invariants;
mod kernel;

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use ipcd::engine::Engine;
use ipcd::engine::allow::Allowed;
use ipcd::engine::limits::{FramingRule, READ_BYTES_MAX, Settings};
use ipcd::engine::message::{Binding, ConnectionId, Input, Output, Timestamp, Transport};
use ipcd::engine::service::Service;

use crate::random::Random;
use crate::room::Record;
use crate::settings;
use crate::totals::Totals;
use actors::Actors;
use arrivals::{LISTED_GROUP, LISTED_USERS};

/// The most outputs in one turn; more are an endless loop of the engine.
const OUTPUTS_PER_TURN_MAX: usize = 200_000;

pub struct World {
    random: Random,
    engine: Engine,
    settings: Settings,
    /// All settings so far: a deadline of earlier ones may still apply.
    seen: Vec<Settings>,
    /// The shortest gap in them.
    gap_min: Duration,
    now: Timestamp,
    bindings: Vec<Rc<Binding>>,
    actors: Actors,
    /// The bytes of the last read.
    buffer: Vec<u8>,
    ready: VecDeque<ConnectionId>,
    /// Whether a peer is answered before the next one is read from, as in the reactor, or at the end of the turn.
    is_prompt: bool,
    /// Whether the room's messages are taken as deliveries, as in the reactor, or all by flushes.
    delivers: bool,
    /// The number of the engine's requests in this turn.
    outputs: usize,
    chunk: usize,
    crowd: usize,
    haste: usize,
    serial: u64,
    /// When everything must be closed, and whether there is enough time to answer everyone.
    stop: Option<(Timestamp, bool)>,
    observer: Option<ConnectionId>,
    observed: Option<Vec<u8>>,
    joins: HashMap<String, usize>,
    records: Vec<Record>,
    /// The most that a connection, a connection in the chat, and the room may hold, with any settings so far.
    memory_max: [usize; 3],
    totals: Totals,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut random = Random::new(seed);
        let settings = settings::first(&mut random);
        let binding = |service: Service, transport: Transport, allowed: Option<Allowed>| {
            let scheme = match transport {
                Transport::TCP => "tcp",
                Transport::UNIX => "unix",
                Transport::SHM => "shm",
                _ => "unixseq",
            };
            Rc::new(Binding { endpoint: format!("{scheme}:{service}"), service, transport, allowed })
        };
        let bindings: Vec<_> = Service::ALL
            .into_iter()
            .flat_map(|service| {
                [Transport::TCP, Transport::UNIX, Transport::UNIXSEQ, Transport::SHM]
                    .map(|transport| (service, transport))
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
            actors: Actors::default(),
            buffer: Vec::new(),
            ready: VecDeque::new(),
            is_prompt: !seed.is_multiple_of(4),
            delivers: !seed.is_multiple_of(3),
            outputs: 0,
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
            totals: Totals::default(),
            settings,
            random,
        }
    }

    pub fn run(mut self, steps: u64, step: &Cell<u64>) -> Totals {
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
        self.totals.add("steps", steps);
        self.totals
    }

    fn act_all(&mut self, hurry: bool) {
        for index in 0..self.actors.places() {
            let Some(actor) = self.actors.at_mut(index) else { continue };
            if !hurry && !self.random.percent(40) && Some(actor.peer) != self.observer {
                continue;
            }
            let (peer, look) = (actor.peer, actor.act(&mut self.random, hurry, self.chunk));
            if look {
                self.push(peer);
            }
        }
    }

    fn push(&mut self, peer: ConnectionId) {
        if let Some(actor) = self.actors.get_mut(peer)
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
            // Usually in time: at the next deadline, and at once while there is work.
            if !self.ready.is_empty() || self.engine.has_work() {
                jump = jump.min(200);
            } else if let Some(deadline) = self.engine.poll_deadline() {
                jump = jump.min(deadline.micros().saturating_sub(self.now.micros()));
            }
        }
        self.now = self.now + Duration::from_micros(jump);
    }

    fn turn(&mut self) {
        for index in 0..self.actors.places() {
            let Some(actor) = self.actors.at_mut(index) else { continue };
            let (peer, link) = (actor.peer, &mut actor.link);
            link.was_blocked = link.blocked;
            link.ever_blocked |= link.blocked;
            if std::mem::take(&mut link.writable_edge) && std::mem::take(&mut link.blocked) {
                self.tell(Input::Writable { peer });
            }
        }
        self.outputs = 0;
        self.answer();
        for _ in 0..self.ready.len() {
            if let Some(peer) = self.ready.pop_front() {
                self.read(peer);
            }
            self.answer();
        }
        self.tell(Input::Tick);
        loop {
            self.deliver();
            let Some(output) = self.engine.poll_output() else { break };
            self.count(output);
            self.obey(output);
        }
        self.actors.finish_turn();
        self.check();
    }

    /// Executes urgent requests, unless they wait for the end of the turn.
    fn answer(&mut self) {
        while self.is_prompt
            && let Some(output) = self.engine.poll_urgent()
        {
            self.count(output);
            self.obey(output);
        }
    }

    fn count(&mut self, output: Output) {
        self.outputs += 1;
        assert!(self.outputs < OUTPUTS_PER_TURN_MAX, "the engine asks for ever: {output:?}");
    }

    /// Passes an input to the engine, and notes what happened.
    fn tell(&mut self, input: Input<'_>) {
        self.engine.handle(self.now, input);
        while let Some(event) = self.engine.poll_event() {
            self.note(event.peer.expect("a connection"), event.what);
        }
    }

    fn reconfigure(&mut self) {
        settings::vary(&mut self.random, &mut self.settings);
        self.seen.push(self.settings.clone());
        self.gap_min = self.gap_min.min(shortest_gap(&self.settings));
        self.bound_memory();
        self.tell(Input::Reconfigure(Box::new(self.settings.clone())));
        self.totals.count("reconfigured");
    }
}

fn shortest_gap(settings: &Settings) -> Duration {
    settings.services.iter().map(|service| service.raw_gap).min().expect("there are services")
}
