//! A thousand handshakes at once, and how they delay a client without TLS.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::endpoint::{Endpoint, TIMEOUT};
use crate::load::{Latency, compare, nanoseconds};
use crate::peer::{Environment, Peer};
use crate::poller::Poller;
use crate::stream::Stream;
use crate::words::{Exchange, Form, exchanges};

/// The latencies of a client's requests, one after another: without others; while the server answers the other clients' hellos; and
/// while they finish their handshakes and send a request each.
#[derive(Clone, Copy)]
pub struct Flood {
    pub handshakes: usize,
    pub quiet: Latency,
    pub hellos: Latency,
    pub finished: Latency,
}

/// Handshakes that begin at the same time.
const HANDSHAKES: usize = 1000;

struct Client {
    stream: Stream,
    exchanges: Vec<Exchange>,
    at: usize,
    times: Vec<u32>,
}

impl Client {
    /// Sends one request and reads its reply.
    fn ask(&mut self) -> Result<()> {
        let Exchange { request, reply } = &self.exchanges[self.at % self.exchanges.len()];
        self.at += 1;
        let mut heard = vec![0; reply.len()];
        let since = Instant::now();
        self.stream.write_all(request)?;
        self.stream.read_exact(&mut heard)?;
        self.times.push(nanoseconds(since.elapsed()));
        compare(&heard, reply)
    }

    /// Sends requests until every other client has received something. The replies to those clients stay unread.
    fn ask_until(&mut self, poller: &mut Poller, count: usize) -> Result<()> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            self.ask()?;
            if poller.look(0)? == count {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "not all handshakes were answered within {TIMEOUT:?}");
        }
    }

    fn latency(&mut self) -> Option<Latency> {
        Latency::of(std::mem::take(&mut self.times))
    }
}

pub fn measure(peer: Peer, environment: &Environment, rounds: usize, quick: bool) -> Result<Flood> {
    let count = if quick { 20 } else { HANDSHAKES };
    let (mut server, plain) = peer.spawn_beside_tls(environment)?;
    server.wait()?;
    let stream = plain.connect()?;
    let mut client = Client { stream, exchanges: exchanges(peer, 1, Form::Lines), at: 0, times: Vec::new() };
    let end = Instant::now() + Duration::from_millis(if quick { 20 } else { 1000 });
    while Instant::now() < end {
        client.ask()?;
    }
    let quiet = client.latency();
    let (mut hellos, mut finished) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut others = connect(&server.endpoint, count)?;
        let mut poller = watch(&others)?;
        for stream in &mut others {
            stream.begin()?;
        }
        client.ask_until(&mut poller, count)?;
        hellos.append(&mut client.times);

        let Exchange { request, reply } = client.exchanges[0].clone();
        let flights = others.iter_mut().map(|stream| stream.prepare(&request)).collect::<Result<Vec<_>>>()?;
        let mut poller = watch(&others)?;
        for (stream, flight) in others.iter_mut().zip(&flights) {
            stream.write_prepared(flight)?;
        }
        client.ask_until(&mut poller, count)?;
        finished.append(&mut client.times);
        for stream in &mut others {
            compare(&read(stream, reply.len())?, &reply)?;
        }
    }
    let [Some(quiet), Some(hellos), Some(finished)] = [quiet, Latency::of(hellos), Latency::of(finished)]
    else {
        anyhow::bail!("nobody asked anything");
    };
    Ok(Flood { handshakes: count, quiet, hellos, finished })
}

fn connect(endpoint: &Endpoint, count: usize) -> Result<Vec<Stream>> {
    (0..count).map(|nth| Ok(endpoint.connect_shortly(nth as u64, None)?)).collect()
}

fn watch(streams: &[Stream]) -> Result<Poller> {
    let poller = Poller::new()?;
    streams.iter().enumerate().try_for_each(|(nth, stream)| poller.add(stream, nth))?;
    Ok(poller)
}

fn read(stream: &mut Stream, length: usize) -> Result<Vec<u8>> {
    let (mut heard, deadline) = (Vec::new(), Instant::now() + TIMEOUT);
    while heard.len() < length {
        let mut buffer = [0; 1000];
        match stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                ensure!(Instant::now() < deadline, "no reply within {TIMEOUT:?}");
            }
            got => heard.extend_from_slice(&buffer[..got?]),
        }
    }
    Ok(heard)
}
