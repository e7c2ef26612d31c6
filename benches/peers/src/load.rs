//! The load generator for requests: many connections, each with the same number of requests in flight. It compares every byte.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use crate::endpoint::Endpoint;
use crate::poller::Poller;
use crate::stream::{ClientSide, Stream, resuming_client};
use crate::words::{Exchange, GREETING};
use anyhow::{Context, Result, bail, ensure};

/// The size of the read buffer, in bytes.
const BURST: usize = 64 * 1024;

/// Short connections that are open at once.
const SHORT: usize = 16;

/// Sessions that the clients keep and resume.
const RESUMED: usize = 8;

/// The result of a run.
#[derive(Clone, Default, Debug)]
pub struct Work {
    /// Completed requests, connections or deliveries.
    pub units: u64,
    pub latency: Option<Latency>,
}

/// Percentiles, in µs.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

impl Latency {
    pub fn of(mut nanoseconds: Vec<u32>) -> Option<Latency> {
        nanoseconds.sort_unstable();
        let last = nanoseconds.len().checked_sub(1)?;
        let at = |share: f64| f64::from(nanoseconds[(last as f64 * share).round() as usize]) / 1e3;
        Some(Latency { p50: at(0.5), p99: at(0.99), p999: at(0.999), max: at(1.0) })
    }
}

/// Work for a server that can be repeated for any time.
pub trait Load {
    fn run(&mut self, time: Duration) -> Result<Work>;
}

struct Client {
    socket: Stream,
    /// The index of the current exchange.
    at: usize,
    /// Bytes of its reply received so far.
    got: usize,
    since: Instant,
}

/// Connections that stay open, each with one exchange in flight.
pub struct Requests {
    clients: Vec<Client>,
    exchanges: Vec<Exchange>,
    /// Requests in an exchange.
    depth: u64,
    poller: Poller,
    buffer: Vec<u8>,
    latencies: Option<Vec<u32>>,
}

impl Requests {
    /// Opens the connections and sends one exchange on each.
    pub fn connect(
        endpoint: &Endpoint,
        count: usize,
        exchanges: Vec<Exchange>,
        depth: u64,
    ) -> Result<Requests> {
        let poller = Poller::new()?;
        let mut buffer = vec![0; BURST];
        let mut clients = Vec::with_capacity(count);
        for nth in 0..count {
            let mut socket = endpoint.connect().with_context(|| format!("connection {nth}"))?;
            let at = nth % exchanges.len();
            let Exchange { request, reply } = &exchanges[at];
            socket.write_all(request)?;
            let heard = &mut buffer[..reply.len()];
            socket.read_exact(heard).with_context(|| format!("connection {nth}, its first reply"))?;
            compare(heard, reply).with_context(|| format!("connection {nth}, its first reply"))?;
            socket.set_nonblocking(true)?;
            poller.add(&socket, nth)?;
            clients.push(Client { socket, at, got: 0, since: Instant::now() });
        }
        Ok(Requests { clients, exchanges, depth, poller, buffer, latencies: None })
    }

    /// From now on, measures the time of each exchange.
    pub fn with_latency(mut self) -> Requests {
        self.latencies = Some(Vec::new());
        self
    }

    fn ask(client: &mut Client, exchanges: &[Exchange], is_timed: bool) -> Result<()> {
        client.at = (client.at + 1) % exchanges.len();
        client.got = 0;
        if is_timed {
            client.since = Instant::now();
        }
        let request = &exchanges[client.at].request;
        ensure!(client.socket.write(request)? == request.len(), "a request was not taken whole");
        Ok(())
    }
}

impl Load for Requests {
    fn run(&mut self, time: Duration) -> Result<Work> {
        let is_timed = self.latencies.is_some();
        let end = Instant::now() + time;
        for client in &mut self.clients {
            Self::ask(client, &self.exchanges, is_timed)?;
        }
        let (mut waiting, mut done) = (self.clients.len(), 0);
        while waiting > 0 {
            let ready = self.poller.wait()?;
            let is_over = Instant::now() >= end;
            for nth in 0..ready {
                let client = &mut self.clients[self.poller.token(nth)];
                let reply = &self.exchanges[client.at].reply;
                let got = match client.socket.read(&mut self.buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    got => got.context("reading a reply")?,
                };
                ensure!(got > 0, "the server closed a connection");
                ensure!(client.got + got <= reply.len(), "more came than was asked for");
                compare(&self.buffer[..got], &reply[client.got..client.got + got])?;
                client.got += got;
                if client.got < reply.len() {
                    continue;
                }
                done += self.depth;
                if let Some(latencies) = &mut self.latencies {
                    latencies.push(nanoseconds(client.since.elapsed()));
                }
                if is_over {
                    waiting -= 1;
                } else {
                    Self::ask(client, &self.exchanges, is_timed)?;
                }
            }
        }
        let latency = self.latencies.as_mut().and_then(|latencies| Latency::of(std::mem::take(latencies)));
        Ok(Work { units: done, latency })
    }
}

/// Connections that end after one exchange.
pub struct Short {
    endpoint: Endpoint,
    /// The exchanges. `None`: the server sends first, and then closes.
    exchanges: Option<Vec<Exchange>>,
    made: u64,
    /// The most connections in one run.
    bound: u64,
    /// Set if the connections resume earlier sessions.
    resuming: Option<ClientSide>,
}

impl Short {
    pub fn new(endpoint: &Endpoint, exchanges: Option<Vec<Exchange>>, bound: u64) -> Short {
        Short { endpoint: endpoint.clone(), exchanges, made: 0, bound, resuming: None }
    }

    /// Makes connections resume earlier sessions. It opens the first ones here; each later one resumes the session of another.
    pub fn resuming(mut self) -> Result<Short> {
        self.resuming = Some(resuming_client()?);
        let mut poller = Poller::new()?;
        let mut clients = (0..RESUMED).map(|place| self.begin(&poller, place)).collect::<Result<Vec<_>>>()?;
        let mut heard = [false; RESUMED];
        let mut buffer = vec![0; 4096];
        while heard.contains(&false) {
            for nth in 0..poller.wait()? {
                let place = poller.token(nth);
                match clients[place].socket.read(&mut buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    got => {
                        ensure!(got? > 0, "the server closed a connection");
                        heard[place] = true;
                    }
                }
            }
        }
        Ok(self)
    }

    fn begin(&mut self, poller: &Poller, place: usize) -> Result<Client> {
        let socket =
            self.endpoint.connect_shortly(self.made, self.resuming.as_ref()).context("connecting")?;
        self.made += 1;
        let mut client = Client { socket, at: 0, got: 0, since: Instant::now() };
        if let Some(exchanges) = &self.exchanges {
            client.at = self.made as usize;
            Requests::ask(&mut client, exchanges, false)?;
        }
        poller.add(&client.socket, place)?;
        Ok(client)
    }
}

impl Load for Short {
    fn run(&mut self, time: Duration) -> Result<Work> {
        let mut poller = Poller::new()?;
        let mut buffer = [0; 4096];
        let end = Instant::now() + time;
        let last = self.made + self.bound;
        let mut clients = Vec::new();
        let most = if self.resuming.is_some() { RESUMED } else { SHORT };
        for place in 0..most.min(self.bound as usize) {
            clients.push(Some(self.begin(&poller, place)?));
        }
        let (mut waiting, mut done) = (clients.len(), 0);
        while waiting > 0 {
            let ready = poller.wait()?;
            let is_over = Instant::now() >= end;
            for nth in 0..ready {
                let place = poller.token(nth);
                let Some(client) = &mut clients[place] else {
                    bail!("a connection that is closed can be read")
                };
                let reply = self.exchanges.as_ref().map_or(GREETING, |exchanges| &exchanges[client.at].reply);
                let got = match client.socket.read(&mut buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    got => got.context("reading a reply")?,
                };
                ensure!(client.got + got <= reply.len(), "more came than was asked for");
                compare(&buffer[..got], &reply[client.got..client.got + got])?;
                client.got += got;
                let is_whole = client.got == reply.len();
                ensure!(is_whole || got > 0, "the server closed a connection in the middle of its reply");
                // A client that only listens has to wait for the end as well.
                if !is_whole || self.exchanges.is_none() && got > 0 {
                    continue;
                }
                done += 1;
                client.socket.check_handshake()?;
                // Fails if the client has seen the end already, which does not matter.
                let _ = client.socket.end();
                // Closes it before the next client takes its place.
                clients[place] = None;
                if is_over || self.made >= last {
                    waiting -= 1;
                } else {
                    clients[place] = Some(self.begin(&poller, place)?);
                }
            }
        }
        Ok(Work { units: done, latency: None })
    }
}

pub fn nanoseconds(time: Duration) -> u32 {
    u32::try_from(time.as_nanos()).unwrap_or(u32::MAX)
}

/// Compares received with expected bytes.
pub fn compare(heard: &[u8], expected: &[u8]) -> Result<()> {
    if heard != expected {
        let at = heard.iter().zip(expected).take_while(|(a, b)| a == b).count();
        let [heard, expected] = [heard, expected].map(|bytes| bytes[at..].escape_ascii().to_string());
        bail!("other bytes than expected from byte {at} on: {heard:.80} instead of {expected:.80}");
    }
    Ok(())
}
