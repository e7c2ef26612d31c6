//! A thousand handshakes at once, and how they delay a client without TLS.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::client::Client;
use crate::endpoint::{Endpoint, TIMEOUT};
use crate::load::{Latency, compare};
use crate::peer::{Environment, Peer};
use crate::poller::Poller;
use crate::stream::Stream;
use crate::words::Exchange;

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

pub fn measure(peer: Peer, environment: &Environment, rounds: usize, quick: bool) -> Result<Flood> {
    let count = if quick { 20 } else { HANDSHAKES };
    let (mut server, plain) = peer.spawn_beside_tls(environment)?;
    server.wait()?;
    let mut client = Client::new(plain.connect()?, peer);
    let end = Instant::now() + Duration::from_millis(if quick { 20 } else { 1000 });
    while Instant::now() < end {
        client.ask()?;
    }
    let quiet = Latency::of(std::mem::take(&mut client.times));
    let (mut hellos, mut finished) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let mut others = connect(&server.endpoint, count)?;
        let mut poller = watch(&others)?;
        for stream in &mut others {
            stream.begin()?;
        }
        client.ask_until(|| Ok(poller.look(0)? == count))?; // their replies stay unread
        hellos.append(&mut client.times);

        let Exchange { request, reply } = client.exchanges[0].clone();
        let flights = others.iter_mut().map(|stream| stream.prepare(&request)).collect::<Result<Vec<_>>>()?;
        let mut poller = watch(&others)?;
        for (stream, flight) in others.iter_mut().zip(&flights) {
            stream.write_prepared(flight)?;
        }
        client.ask_until(|| Ok(poller.look(0)? == count))?; // their replies stay unread
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
