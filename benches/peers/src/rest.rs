//! Costs apart from a request's processor time: memory, idle processor time, start, system calls.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::crowd::fill_room;
use crate::endpoint::TIMEOUT;
use crate::load::{Load, Requests, Short, compare};
use crate::peer::{Environment, Over, Peer, Service};
use crate::report::median;
use crate::server::{Server, is_installed};
use crate::words::exchanges;

/// Descriptors that the server and the load generator need for other things.
const SPARE: u64 = 400;

/// How long a server may take to return memory.
const AFTER: Duration = Duration::from_secs(1);

/// The shortest time in which system calls are counted.
const COUNTED: Duration = Duration::from_millis(300);

/// How often ipcd is woken in this time with nobody connected, and with silent members in the room.
#[derive(Clone, Copy)]
pub struct Silence {
    pub time: Duration,
    pub members: usize,
    pub woken: [u64; 2],
}

pub fn wake_ups(environment: &Environment, quick: bool) -> Result<Silence> {
    let (time, members) =
        if quick { (Duration::from_millis(200), 100) } else { (Duration::from_secs(60), 10_000) };
    let start = |service| -> Result<Server> {
        let mut server = Peer::Ipcd.spawn(service, Over::Tcp, environment)?;
        server.wait()?;
        Ok(server)
    };
    let servers = [start(Service::Multiply)?, start(Service::Chat)?];
    let crowd = fill_room(&servers[1].endpoint, members)?;
    // The time in which a member has to give its name ends once for each, a minute after it came.
    sleep(if quick { AFTER } else { Duration::from_secs(65) });
    let sleeps = || servers.each_ref().map(Server::sleeps);
    let [alone, full] = sleeps();
    let before = [alone?, full?];
    sleep(time);
    let [alone, full] = sleeps();
    drop(crowd);
    Ok(Silence { time, members, woken: [alone? - before[0], full? - before[1]] })
}

/// Servers that answer one request with one reply, or keep a connection open.
pub const PEERS: [Peer; 7] =
    [Peer::Limit, Peer::Ipcd, Peer::Former, Peer::Redis, Peer::Tokio, Peer::Python, Peer::Memcached];

/// The cost of idle connections.
#[derive(Clone, Copy)]
pub struct Idle {
    pub connections: usize,
    /// The growth of the process, in bytes for each connection.
    pub each: f64,
    /// The share of that memory which it keeps after all connections have closed.
    pub kept: f64,
    /// Processor time, in ms, while no client sent anything.
    pub cpu_ms: f64,
    /// How often it was woken meanwhile.
    pub woken: u64,
}

/// The duration of that measurement.
pub fn silence(quick: bool) -> Duration {
    if quick { Duration::from_millis(100) } else { Duration::from_secs(10) }
}

pub fn idle(peer: Peer, over: Over, environment: &Environment, quick: bool) -> Result<Idle> {
    let mut server = peer.spawn(Service::Multiply, over, environment)?;
    server.wait()?;
    let ask =
        |count| Requests::connect(&server.endpoint, count, exchanges(peer, 1, server.endpoint.form()), 1);
    // Memory that only the first connection needs does not count. ipcd returns what its start needed when nothing has happened for a
    // moment, and then needs some of it again.
    drop(ask(1)?);
    sleep(AFTER / 10);
    drop(ask(1)?);
    let before = server.memory("Rss")?;
    // Each connection takes a handshake, and a proxy needs two descriptors for it.
    let most = if over == Over::Tls { 4000 } else { 19_600 };
    let connections =
        if quick { 200 } else { environment.descriptors.saturating_sub(SPARE).min(most) as usize };
    let clients = ask(connections)?;
    let full = server.memory("Rss")?;
    // Lets the TCP acknowledgements of the last replies pass.
    sleep(AFTER / 10);
    let (cpu, slept) = (server.cpu()?, server.sleeps()?);
    sleep(silence(quick));
    let cpu_ms = (server.cpu()? - cpu).as_secs_f64() * 1e3;
    let woken = server.sleeps()? - slept;
    drop(clients);
    sleep(AFTER);
    let growth = full.saturating_sub(before) as f64;
    let left = server.memory("Rss")?.saturating_sub(before) as f64;
    let kept = if growth > 0.0 { left / growth } else { 0.0 };
    Ok(Idle { connections, each: growth / connections as f64, kept, cpu_ms, woken })
}

#[derive(Clone, Copy)]
pub struct Start {
    /// The time from its start to its first reply, in ms.
    pub ms: f64,
    /// Its resident memory at that time, without clients, in bytes.
    pub resident: u64,
}

pub fn start(peer: Peer, over: Over, environment: &Environment, times: usize) -> Result<Start> {
    let (mut all, mut resident) = (Vec::new(), 0);
    for _ in 0..times {
        let started = Instant::now();
        let mut server = peer.spawn(Service::Multiply, over, environment)?;
        let mut socket = server.wait_to_connect()?;
        let exchange = &exchanges(peer, 1, server.endpoint.form())[0];
        socket.write_all(&exchange.request)?;
        let mut reply = vec![0; exchange.reply.len()];
        socket.read_exact(&mut reply)?;
        all.push(started.elapsed().as_secs_f64() * 1e3);
        compare(&reply, &exchange.reply)?;
        drop(socket);
        sleep(AFTER / 10);
        resident = server.memory("Rss")?;
    }
    Ok(Start { ms: median(all.into_iter()), resident })
}

/// System calls of the server for each request.
#[derive(Clone, Copy)]
pub struct Calls {
    pub one: f64,
    pub pipelined: f64,
    pub short: f64,
}

pub fn can_count() -> bool {
    is_installed("strace")
}

pub fn calls(peer: Peer, over: Over, environment: &Environment) -> Result<Calls> {
    let mut server = peer.spawn(Service::Multiply, over, environment)?;
    server.wait()?;
    let count = |load: &mut dyn Load| count(&server, load, environment);
    let endpoint = &server.endpoint;
    Ok(Calls {
        one: count(&mut Requests::connect(endpoint, 64, exchanges(peer, 1, endpoint.form()), 1)?)?,
        pipelined: count(&mut Requests::connect(endpoint, 64, exchanges(peer, 32, endpoint.form()), 32)?)?,
        short: count(&mut Short::new(endpoint, Some(exchanges(peer, 1, endpoint.form())), u64::MAX))?,
    })
}

fn count(server: &Server, load: &mut dyn Load, environment: &Environment) -> Result<f64> {
    let summary = environment.directory.join("strace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-o"]).arg(&summary);
    for pid in server.pids() {
        strace.args(["-p", &pid.to_string()]);
    }
    let mut strace = Tracer(strace.stdin(Stdio::null()).stderr(Stdio::null()).spawn().context("strace")?);
    let status = format!("/proc/{}/status", server.pid());
    let deadline = Instant::now() + TIMEOUT;
    while fs::read_to_string(&status)?.contains("TracerPid:\t0\n") {
        ensure!(strace.0.try_wait()?.is_none(), "strace may not look at the server");
        ensure!(Instant::now() < deadline, "strace did not begin within {TIMEOUT:?}");
        sleep(Duration::from_millis(1));
    }
    let work = load.run(COUNTED)?;
    kill(Pid::from_raw(strace.0.id() as i32), Signal::SIGINT)?;
    strace.0.wait()?;
    let text = fs::read_to_string(&summary)?;
    let total = text.lines().rev().find(|line| line.ends_with(" total"));
    let calls = total.and_then(|line| line.split_whitespace().nth(3)?.parse::<f64>().ok());
    Ok(calls.with_context(|| format!("strace's summary has no total:\n{text}"))? / work.units as f64)
}

/// strace, which is ended when this is dropped.
struct Tracer(Child);

impl Drop for Tracer {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}
