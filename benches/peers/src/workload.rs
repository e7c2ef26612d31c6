//! The workloads, and the servers that can run them.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::endpoint::Endpoint;
use crate::load::{Load, Requests, Short};
use crate::peer::{Environment, Over, Peer, Service};
use crate::report::median;
use crate::room::Chat;
use crate::server::Server;
use crate::words::exchanges;

/// The most short connections in one run: all source addresses together have ports for some 64 × 28,000 a minute.
const SHORT_MAX: u64 = 300_000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The number of connections, and the requests in flight on each.
    Requests(usize, u64),
    Short,
    /// Short connections, each of which resumes the session of an earlier one.
    Resumed,
    Greeting,
    /// The number of members, and the messages sent at once.
    Chat(usize, usize),
    /// The number of members, and the messages per second.
    Latency(usize, u64),
}

pub struct Workload {
    pub name: &'static str,
    pub title: &'static str,
    pub kind: Kind,
    pub over: Over,
}

const fn tcp(name: &'static str, title: &'static str, kind: Kind) -> Workload {
    Workload { name, title, kind, over: Over::Tcp }
}

const fn unix(name: &'static str, title: &'static str, kind: Kind) -> Workload {
    Workload { name, title, kind, over: Over::Unix }
}

const fn tls(name: &'static str, title: &'static str, kind: Kind) -> Workload {
    Workload { name, title, kind, over: Over::Tls }
}

const fn ws(name: &'static str, title: &'static str, kind: Kind) -> Workload {
    Workload { name, title, kind, over: Over::Ws }
}

use Kind::{Chat as Room, Greeting, Latency, Requests as Ask, Resumed, Short as Brief};

pub const ALL: [Workload; 27] = [
    tcp("tcp-64x1", "multiply, TCP, 64 connections, 1 in flight", Ask(64, 1)),
    tcp("tcp-1000x1", "multiply, TCP, 1,000 connections, 1 in flight", Ask(1000, 1)),
    tcp("tcp-64x32", "multiply, TCP, 64 connections, 32 in flight", Ask(64, 32)),
    unix("unix-64x1", "multiply, Unix socket, 64 connections, 1 in flight", Ask(64, 1)),
    unix("unix-1000x1", "multiply, Unix socket, 1,000 connections, 1 in flight", Ask(1000, 1)),
    unix("unix-64x32", "multiply, Unix socket, 64 connections, 32 in flight", Ask(64, 32)),
    tcp("short", "connect, multiply, close", Brief),
    tcp("greeting", "greeting: connect, read to the end, close", Greeting),
    tcp("chat-10", "chat, 10 members, single messages", Room(10, 1)),
    tcp("chat-100", "chat, 100 members, single messages", Room(100, 1)),
    tcp("chat-1000", "chat, 1,000 members, single messages", Room(1000, 1)),
    tcp("bulk-10", "chat, 10 members, 32 messages a write", Room(10, 32)),
    tcp("bulk-100", "chat, 100 members, 32 messages a write", Room(100, 32)),
    tcp("bulk-1000", "chat, 1,000 members, 32 messages a write", Room(1000, 32)),
    tcp("latency", "chat, 100 members, 1,000 messages a second", Latency(100, 1000)),
    tls("tls-64x1", "multiply, 64 connections, 1 in flight", Ask(64, 1)),
    tls("tls-64x32", "multiply, 64 connections, 32 in flight", Ask(64, 32)),
    tls("tls-chat-100", "chat, 100 members, single messages", Room(100, 1)),
    tls("tls-bulk-100", "chat, 100 members, 32 messages a write", Room(100, 32)),
    tls("tls-full", "full handshake, multiply, close", Brief),
    tls("tls-resumed", "resumed handshake, multiply, close", Resumed),
    ws("ws-64x1", "multiply, 64 connections, 1 in flight", Ask(64, 1)),
    ws("ws-64x32", "multiply, 64 connections, 32 in flight", Ask(64, 32)),
    ws("ws-chat-100", "chat, 100 members, single messages", Room(100, 1)),
    ws("ws-chat-1000", "chat, 1,000 members, single messages", Room(1000, 1)),
    ws("ws-bulk-100", "chat, 100 members, 32 messages a write", Room(100, 32)),
    ws("ws-bulk-1000", "chat, 1,000 members, 32 messages a write", Room(1000, 32)),
];

impl Workload {
    pub fn can(&self, peer: Peer) -> bool {
        match self.kind {
            _ if self.over == Over::Tls => Peer::OVER_TLS.contains(&peer),
            _ if self.over == Over::Ws => Peer::OVER_WS.contains(&peer),
            _ if peer.is_front() || peer == Peer::Node => false,
            Kind::Requests(..) | Kind::Short | Kind::Resumed => {
                matches!(
                    peer,
                    Peer::Limit | Peer::Ipcd | Peer::Former | Peer::Redis | Peer::Tokio | Peer::Python
                )
            }
            Kind::Greeting => {
                matches!(peer, Peer::Limit | Peer::Ipcd | Peer::Former | Peer::Tokio | Peer::Python)
            }
            Kind::Chat(..) => peer != Peer::Memcached,
            // ncat puts the speaker's name once before what it reads at once, and at a fixed rate the number of reads is
            // unpredictable.
            Kind::Latency(..) => !matches!(peer, Peer::Memcached | Peer::Ncat),
        }
    }

    /// Starts a server and opens its connections; `quick`: only a few.
    pub fn prepare(
        &self,
        peer: Peer,
        environment: &Environment,
        quick: bool,
    ) -> Result<(Server, Box<dyn Load>)> {
        let service = match self.kind {
            Kind::Requests(..) | Kind::Short | Kind::Resumed => Service::Multiply,
            Kind::Greeting => Service::Greeting,
            Kind::Chat(..) | Kind::Latency(..) => Service::Chat,
        };
        let mut server = peer.spawn(service, self.over, environment)?;
        server.wait()?;
        let few = |count: usize| if quick { count.min(100) } else { count };
        let endpoint = &server.endpoint;
        let load = self.load(peer, endpoint, few)?;
        Ok((server, load))
    }

    fn load(&self, peer: Peer, endpoint: &Endpoint, few: impl Fn(usize) -> usize) -> Result<Box<dyn Load>> {
        Ok(match self.kind {
            Kind::Requests(clients, depth) => Box::new(Requests::connect(
                endpoint,
                few(clients),
                exchanges(peer, depth, endpoint.form()),
                depth,
            )?),
            Kind::Short => {
                Box::new(Short::new(endpoint, Some(exchanges(peer, 1, endpoint.form())), SHORT_MAX))
            }
            Kind::Resumed => Box::new(
                Short::new(endpoint, Some(exchanges(peer, 1, endpoint.form())), SHORT_MAX).resuming()?,
            ),
            Kind::Greeting => Box::new(Short::new(endpoint, None, SHORT_MAX)),
            Kind::Chat(members, burst) => Box::new(Chat::enter(peer, endpoint, few(members), burst, None)?),
            Kind::Latency(members, pace) => {
                Box::new(Chat::enter(peer, endpoint, few(members), 1, Some(pace))?)
            }
        })
    }
}

/// The results of one peer for a workload.
pub type Outcome = Result<Vec<Round>, String>;

#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// The server's processor time per unit, in µs.
    pub cpu: f64,
    pub per_second: f64,
    pub latency: Option<crate::load::Latency>,
    /// The server's resident memory with these connections, in bytes.
    pub resident: Option<u64>,
}

/// Measures all named peers, in turn, round by round.
pub fn measure(
    workload: &Workload,
    peers: &[Peer],
    rounds: usize,
    time: Duration,
    quick: bool,
    environment: &Environment,
    disturbed: &mut Disturbed,
) -> Vec<(Peer, Outcome)> {
    let mut all: Vec<_> = peers
        .iter()
        .filter(|&&peer| workload.can(peer))
        .map(|&peer| (peer, workload.prepare(peer, environment, quick), Vec::new()))
        .collect();
    for _ in 0..rounds {
        for (_, prepared, done) in &mut all {
            let Ok((server, load)) = prepared else { continue };
            let measured = match quick {
                true => round(server, load.as_mut(), time),
                false => calm_round(server, load.as_mut(), time, disturbed),
            };
            match measured {
                Ok(round) => done.push(round),
                Err(error) => *prepared = Err(error),
            }
        }
    }
    all.into_iter()
        .map(|(peer, prepared, done)| match prepared {
            Ok(_) => (peer, Ok(done)),
            Err(error) => (peer, Err(format!("{error:#}"))),
        })
        .collect()
}

/// How often a round is measured again that other processes have disturbed.
const REPEATS: usize = 3;

/// The share of a round that other processes may take. On an idle machine they take a tenth of it.
const TAKEN: f64 = 0.03;

/// Rounds in which other processes took the processors from the server or the load generator.
#[derive(Default)]
pub struct Disturbed {
    pub rounds: usize,
    /// Measured again.
    pub repeated: usize,
    /// Kept, because they were disturbed each time.
    pub kept: usize,
    /// The share that other processes took of each round that was kept.
    shares: Vec<f64>,
}

impl Disturbed {
    pub fn as_words(&self) -> String {
        let Disturbed { rounds, repeated, kept, shares } = self;
        if shares.is_empty() {
            return "no round was watched for other processes".to_owned();
        }
        let share = 100.0 * median(shares.iter().copied());
        format!(
            "{rounds} rounds, of which other processes disturbed {repeated}, which were repeated, {kept} in vain; \
             of the median round they took {share:.1} %"
        )
    }
}

/// One turn of one peer, repeated if other processes have disturbed it: the calmest that was found.
fn calm_round(
    server: &Server,
    load: &mut dyn Load,
    time: Duration,
    disturbed: &mut Disturbed,
) -> Result<Round> {
    let mut calmest: Option<(f64, Round)> = None;
    disturbed.rounds += 1;
    for attempt in 0..=REPEATS {
        let (before, start) = (server.taken()?, std::time::Instant::now());
        let round = round(server, load, time)?;
        let share = server.taken()?.share_since(before, start.elapsed());
        if calmest.is_none_or(|(least, _)| share < least) {
            calmest = Some((share, round));
        }
        if share <= TAKEN {
            disturbed.shares.push(share);
            return Ok(round);
        }
        match attempt {
            0 => disturbed.repeated += 1,
            REPEATS => disturbed.kept += 1,
            _ => {}
        }
    }
    let (share, round) = calmest.context("at least one round")?;
    disturbed.shares.push(share);
    Ok(round)
}

/// Runs one peer for one round.
pub fn round(server: &Server, load: &mut dyn Load, time: Duration) -> Result<Round> {
    let (cpu, start) = (server.cpu()?, std::time::Instant::now());
    let work = load.run(time)?;
    let (wall, cpu) = (start.elapsed().as_secs_f64(), (server.cpu()? - cpu).as_secs_f64());
    let units = work.units as f64;
    Ok(Round { cpu: cpu * 1e6 / units, per_second: units / wall, latency: work.latency, resident: None })
}
