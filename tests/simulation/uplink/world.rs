//! Daemons, their servers, and the network between them: on a connection everything arrives in order, late, or never.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ipcd::engine::message::Timestamp;
use ipcd::engine::uplink::{
    Credentials, Encrypt, House, InstanceId, LinkId, Reason, RoomToken, Server as Address, Settings,
    StreamSettings, Uplink,
};

use super::super::random::Random;
use super::super::totals::Totals;
use super::daemon::Daemon;
use super::server::{SECOND, Server, Storing, Version};

/// One direction of a connection.
#[derive(Default)]
struct Pipe {
    pieces: VecDeque<(u64, Vec<u8>)>,
    last: u64,
}

impl Pipe {
    fn put(&mut self, bytes: Vec<u8>, now: u64, random: &mut Random) {
        let delay = if random.percent(2) { random.within(1, 300_000) } else { random.within(20, 2_000) };
        self.last = self.last.max(now + delay as u64);
        self.pieces.push_back((self.last, bytes));
    }

    fn next(&self) -> u64 {
        self.pieces.front().map_or(u64::MAX, |(at, _)| *at)
    }

    fn take(&mut self, now: u64) -> Option<Vec<u8>> {
        if self.next() > now {
            return None;
        }
        self.pieces.pop_front().map(|(_, bytes)| bytes)
    }
}

struct Connection {
    daemon: usize,
    link: LinkId,
    to_server: Pipe,
    to_client: Pipe,
    /// Whether nothing passes, although neither side knows it.
    is_cut: bool,
}

/// An attempt to connect, and when it ends.
struct Dial {
    at: u64,
    daemon: usize,
    link: LinkId,
    node: usize,
}

pub struct World {
    pub random: Random,
    pub now: u64,
    pub server: Server,
    pub daemons: Vec<Daemon>,
    pub totals: Totals,
    connections: BTreeMap<usize, Connection>,
    dials: Vec<Dial>,
    next_connection: usize,
    next_daemon: usize,
    /// Daemons whose network is down, and until when.
    pub isolated: BTreeMap<usize, u64>,
    /// Later events.
    plans: Vec<(u64, Plan)>,
}

#[derive(Clone, Copy, Debug)]
pub enum Plan {
    Elect,
    Thaw(usize),
    Raise(usize),
    Calm(usize),
}

pub fn settings(nodes: usize) -> Settings {
    Settings {
        servers: (0..nodes).map(|at| Address::new(&format!("n{at}"), 4222, Encrypt::IfAsked)).collect(),
        credentials: Credentials::None,
        house: House::new("h").unwrap(),
        room: RoomToken::new("aula").unwrap(),
        stream: StreamSettings::default(),
        client: "sim".into(),
    }
}

impl World {
    pub fn new(seed: u64, nodes: usize, daemons: usize) -> World {
        let mut random = Random::new(seed);
        let version = random.pick(&[Version::V2_9, Version::V2_10, Version::V2_15]);
        let mut world = World {
            random,
            now: 0,
            server: Server::new(version, nodes),
            daemons: Vec::new(),
            totals: Totals::default(),
            connections: BTreeMap::new(),
            dials: Vec::new(),
            next_connection: 0,
            next_daemon: 0,
            isolated: BTreeMap::new(),
            plans: Vec::new(),
        };
        for _ in 0..daemons {
            world.add_daemon();
        }
        world
    }

    pub fn time(&self) -> Timestamp {
        Timestamp::at(self.now)
    }

    /// The servers' clock differs from ours.
    fn server_time(&self) -> u64 {
        self.now + 1_000_000_000 * SECOND
    }

    pub fn add_daemon(&mut self) -> usize {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.random.next().to_le_bytes());
        id[8..].copy_from_slice(&self.random.next().to_le_bytes());
        let uplink =
            Uplink::new(settings(self.server.nodes.len()), InstanceId(id), self.random.next(), self.time());
        self.daemons.push(Daemon::new(self.next_daemon, uplink));
        self.next_daemon += 1;
        let at = self.daemons.len() - 1;
        self.pump(at);
        at
    }

    /// Called after each call of an uplink: executes its requests.
    pub fn pump(&mut self, at: usize) {
        let now = self.time();
        let daemon = &mut self.daemons[at];
        if !daemon.is_alive {
            return;
        }
        daemon.hear(self.now);
        while let Some(id) = daemon.uplink.wants_close() {
            daemon.uplink.closed(id);
            if let Some(connection) = daemon.links.remove(&id) {
                self.connections.remove(&connection);
                self.server.disconnect(connection);
            }
        }
        while let Some((link, address)) = daemon.uplink.dial(now) {
            let node: usize = address.host[1..].parse().unwrap();
            let delay = self.random.within(50, 3000) as u64;
            self.dials.push(Dial { at: self.now + delay, daemon: at, link, node });
        }
        assert!(daemon.links.len() <= 2, "more than two connections");
        for (link, connection) in daemon.links.clone() {
            let Some(connection) = self.connections.get_mut(&connection) else { continue };
            let output = daemon.uplink.output(link);
            assert!(output.len() <= 512 * 1024, "{} bytes of output", output.len());
            // What the kernel accepts at once.
            let count = if self.random.percent(90) { output.len() } else { output.len() / 2 };
            if count > 0 && !connection.is_cut {
                connection.to_server.put(output[..count].to_vec(), self.now, &mut self.random);
                daemon.uplink.sent(link, count);
            }
        }
        daemon.hear(self.now);
    }

    fn next_time(&self) -> u64 {
        let daemons = self.daemons.iter().filter(|daemon| daemon.is_alive);
        let deadlines = daemons.filter_map(|daemon| daemon.uplink.deadline()).map(Timestamp::micros);
        let server = self.server.deadline();
        let pipes = self.connections.values().filter(|connection| !connection.is_cut);
        let pipes = pipes.map(|connection| connection.to_server.next().min(connection.to_client.next()));
        let dials = self.dials.iter().map(|dial| dial.at);
        let plans = self.plans.iter().map(|(at, _)| *at);
        let server = if server == u64::MAX { server } else { server.saturating_sub(1_000_000_000 * SECOND) };
        deadlines.chain(pipes).chain(dials).chain(plans).chain([server]).min().unwrap_or(u64::MAX)
    }

    /// Lets time pass.
    pub fn advance(&mut self, until: u64) {
        let mut idle = 0;
        loop {
            let next = self.next_time().max(self.now);
            if next > until {
                break;
            }
            idle = if next == self.now { idle + 1 } else { 0 };
            assert!(
                idle < 10_000,
                "time stands still at {next}: {:?}",
                self.daemons.iter().map(|d| d.uplink.deadline()).collect::<Vec<_>>()
            );
            self.now = next;
            self.turn();
        }
        self.now = until;
    }

    fn turn(&mut self) {
        let time = self.server_time();
        for (_, plan) in self.plans.extract_if(.., |(at, _)| *at <= self.now).collect::<Vec<_>>() {
            self.carry_out(plan);
        }
        for dial in self.dials.extract_if(.., |dial| dial.at <= self.now).collect::<Vec<_>>() {
            self.dialled(&dial);
        }
        self.server.tick(time, &mut self.random);
        for id in self.connections.keys().copied().collect::<Vec<_>>() {
            self.carry(id, time);
        }
        self.collect();
        for at in 0..self.daemons.len() {
            let now = self.time();
            let daemon = &mut self.daemons[at];
            if daemon.is_alive && daemon.uplink.deadline().is_some_and(|deadline| deadline <= now) {
                daemon.uplink.tick(now);
                self.pump(at);
            }
        }
    }

    fn dialled(&mut self, dial: &Dial) {
        let id = self.next_connection;
        self.next_connection += 1;
        let now = self.time();
        let daemon = &mut self.daemons[dial.daemon];
        if !daemon.is_alive {
            return;
        }
        let is_isolated = self.isolated.get(&dial.daemon).is_some_and(|until| *until > self.now);
        if !is_isolated && self.server.connect(id, dial.node) {
            let connection = Connection {
                daemon: dial.daemon,
                link: dial.link,
                to_server: Pipe::default(),
                to_client: Pipe::default(),
                is_cut: false,
            };
            self.connections.insert(id, connection);
            daemon.links.insert(dial.link, id);
            daemon.uplink.connected(dial.link, now);
        } else {
            self.totals.count("uplink: refused connections");
            daemon.uplink.disconnected(dial.link, Reason::Network("refused".into()), now);
        }
        self.pump(dial.daemon);
        self.collect();
    }

    /// Sends the output of the servers.
    fn collect(&mut self) {
        for (id, connection) in &mut self.connections {
            let out = self.server.output(*id);
            if !out.is_empty() {
                connection.to_client.put(out, self.now, &mut self.random);
            }
        }
    }

    /// Carries the bytes of one connection.
    fn carry(&mut self, id: usize, time: u64) {
        let now = self.time();
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !connection.is_cut {
            while let Some(bytes) = connection.to_server.take(self.now) {
                self.server.bytes(id, &bytes, time, &mut self.random);
            }
        }
        if connection.is_cut {
            return;
        }
        let (daemon, link) = (connection.daemon, connection.link);
        while let Some(bytes) =
            self.connections.get_mut(&id).and_then(|connection| connection.to_client.take(self.now))
        {
            let piece = if self.random.percent(20) { self.random.within(1, 64) } else { 65536 };
            for piece in bytes.chunks(piece) {
                self.daemons[daemon].uplink.received(link, piece, now);
                self.pump(daemon);
                if !self.connections.contains_key(&id) {
                    return;
                }
            }
        }
    }

    fn carry_out(&mut self, plan: Plan) {
        let time = self.server_time();
        match plan {
            Plan::Elect => self.server.elect(time, &mut self.random),
            Plan::Thaw(node) => self.server.thaw(node, time, &mut self.random),
            Plan::Raise(node) => {
                let state = &mut self.server.nodes[node];
                (state.is_up, state.is_frozen, state.is_lame) = (true, false, false);
            }
            Plan::Calm(lost) => self.server.lost = lost,
        }
    }

    pub fn plan(&mut self, after: u64, plan: Plan) {
        self.plans.push((self.now + after, plan));
    }

    /// Ends a connection; its client is told, or must find out.
    pub fn break_connection(&mut self, id: usize, is_told: bool) {
        self.server.disconnect(id);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !is_told {
            connection.is_cut = true;
            return;
        }
        let connection = self.connections.remove(&id).unwrap();
        let now = self.time();
        let daemon = &mut self.daemons[connection.daemon];
        daemon.links.remove(&connection.link);
        if daemon.is_alive {
            daemon.uplink.disconnected(connection.link, Reason::Closed, now);
            self.pump(connection.daemon);
        }
    }

    /// Takes a daemon's network down for a while.
    pub fn isolate(&mut self, at: usize, span: u64) {
        self.isolated.insert(at, self.now + span);
        for id in self.daemons[at].links.values().copied().collect::<Vec<_>>() {
            self.break_connection(id, false);
        }
    }

    pub fn connections(&self) -> Vec<usize> {
        self.connections.keys().copied().collect()
    }

    /// Ends a node's process, and starts it again later.
    pub fn kill_node(&mut self, node: usize, again: u64) {
        self.server.nodes[node].is_up = false;
        for id in self.server.clients_of(node) {
            self.break_connection(id, true);
        }
        self.plan(again, Plan::Raise(node));
    }

    /// Ends a daemon's process without warning.
    pub fn kill_daemon(&mut self, at: usize) {
        self.daemons[at].is_alive = false;
        for id in self.daemons[at].links.values().copied().collect::<Vec<_>>() {
            self.server.disconnect(id);
            self.connections.remove(&id);
        }
        self.daemons[at].links.clear();
    }

    /// Replaces a daemon's process by another one with its state.
    pub fn restart_daemon(&mut self, at: usize) {
        let saved = self.daemons[at].uplink.save();
        self.daemons[at].hear(self.now);
        for id in self.daemons[at].links.values().copied().collect::<Vec<_>>() {
            self.server.disconnect(id);
            self.connections.remove(&id);
        }
        let saved = serde_json::from_str(&serde_json::to_string(&saved).unwrap()).unwrap();
        let seed = self.random.next();
        let now = self.time();
        let daemon = &mut self.daemons[at];
        daemon.links.clear();
        for outcome in daemon.whispers.values_mut().filter(|outcome| outcome.is_none()) {
            *outcome = Some(ipcd::engine::uplink::Outcome::CutOff);
        }
        self.dials.retain(|dial| dial.daemon != at);
        daemon.uplink =
            Uplink::restore(settings(self.server.nodes.len()), saved, seed, now).expect("the same room");
        (daemon.is_up, daemon.was_told) = (false, false);
        self.pump(at);
    }

    /// Makes everything work again.
    pub fn heal(&mut self) {
        let time = self.server_time();
        self.plans.clear();
        self.isolated.clear();
        for node in 0..self.server.nodes.len() {
            self.carry_out(Plan::Raise(node));
            self.server.thaw(node, time, &mut self.random);
        }
        if self.server.storing != Storing::Works {
            self.server.elect(time, &mut self.random);
        }
        (self.server.final_refusals, self.server.late, self.server.lost) = (0, 0, 0);
    }

    pub fn wait(&mut self, span: Duration) {
        self.advance(self.now + span.as_micros() as u64);
    }
}
