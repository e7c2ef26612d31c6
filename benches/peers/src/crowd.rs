//! Clients of ipcd in large numbers, and one of whose replies only the last line counts.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::endpoint::{Endpoint, TIMEOUT};
use crate::load::{Latency, compare, nanoseconds};
use crate::peer::{Environment, Over, Peer, Service};
use crate::poller::Poller;
use crate::stream::Stream;

/// Another client, of which only the end of what it hears counts.
pub struct Listener {
    pub stream: Stream,
    pub heard: Vec<u8>,
}

impl Listener {
    pub fn connect(place: &Endpoint, said: &str) -> Result<Listener> {
        let mut stream = place.connect()?;
        stream.write_all(said.as_bytes())?;
        stream.set_nonblocking(true)?;
        Ok(Listener { stream, heard: Vec::new() })
    }

    pub fn say(&mut self, said: &str) -> Result<()> {
        self.heard.clear();
        Ok(self.stream.write_all(said.as_bytes())?)
    }

    /// Reads what is there, and looks whether the last line contains this.
    pub fn has_heard(&mut self, last: &str) -> Result<bool> {
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            count => match count? {
                0 => bail!("the server closed a connection: {}", self.heard.escape_ascii()),
                count => self.heard.extend_from_slice(&buffer[..count]),
            },
        }
        let Some(lines) = self.heard.strip_suffix(b"\n") else { return Ok(false) };
        let line = lines.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        Ok(last.is_empty() || line.windows(last.len()).any(|part| part == last.as_bytes()))
    }

    pub fn wait(&mut self, last: &str) -> Result<()> {
        let deadline = Instant::now() + TIMEOUT;
        while !self.has_heard(last)? {
            ensure!(Instant::now() < deadline, "no line with {last:?}: {}", self.heard.escape_ascii());
        }
        Ok(())
    }

    /// Forgets what is there, without looking at it.
    pub fn drain(&mut self) -> Result<()> {
        self.heard.clear();
        let mut buffer = [0; 64 * 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                count => ensure!(count? > 0, "the server closed a connection"),
            }
        }
    }
}

/// New members between two times that the others read, so that the kernel does not keep all that they hear.
const ENTRANCES: usize = 250;

/// Fills a room of ipcd with members `m0000`, `m0001` and so on, and waits until all are there and have read everything.
pub fn fill_room(place: &Endpoint, count: usize) -> Result<Vec<Listener>> {
    let mut members: Vec<Listener> = Vec::with_capacity(count);
    for nth in 0..count {
        members.push(Listener::connect(place, &format!("m{nth:04}\n"))?);
        if nth % ENTRANCES == 0 {
            members.iter_mut().try_for_each(Listener::drain)?;
        }
    }
    let everybody = format!("({count})");
    let deadline = Instant::now() + 3 * TIMEOUT;
    loop {
        members.iter_mut().try_for_each(Listener::drain)?;
        let last = members.last_mut().context("nobody")?;
        last.say("/who\n")?;
        last.wait("(")?;
        if last.has_heard(&everybody)? {
            break;
        }
        ensure!(Instant::now() < deadline, "not everybody came: {}", last.heard.escape_ascii());
    }
    // What the last one hears comes after what all others hear.
    members.iter_mut().try_for_each(Listener::drain)?;
    Ok(members)
}

/// One member of a large room speaks, again when all have heard it.
pub struct BigRoom {
    pub members: usize,
    /// The server's processor time for a delivery, in µs.
    pub cpu: f64,
    /// From speaking until half of the members have heard it, in µs: the median of all deliveries.
    pub median: f64,
    /// Until the last one has.
    pub last: Latency,
}

pub fn measure(environment: &Environment, quick: bool) -> Result<BigRoom> {
    let (count, messages) = if quick { (100, 5) } else { (10_000, 200) };
    let mut server = Peer::Ipcd.spawn(Service::Chat, Over::Tcp, environment)?;
    server.wait()?;
    let mut members = fill_room(&server.endpoint, count)?;
    let mut poller = Poller::new()?;
    members.iter().enumerate().try_for_each(|(nth, member)| poller.add(&member.stream, nth))?;
    // The last one has asked who is there, and somebody may not have read everything yet.
    let quiet = Instant::now() + Duration::from_millis(500);
    while Instant::now() < quiet {
        for at in 0..poller.look(10)? {
            members[poller.token(at)].drain()?;
        }
    }
    let (mut all, mut last) = (Vec::new(), Vec::new());
    let before = server.cpu()?;
    for nth in 0..messages {
        let text = format!("thing {nth:04} that is said in the room\n");
        let heard = format!("m0000: {text}");
        let since = Instant::now();
        members[0].say(&text)?;
        let mut left = count;
        while left > 0 {
            for at in 0..poller.wait()? {
                let member = &mut members[poller.token(at)];
                if hear(member, heard.as_bytes())? {
                    left -= 1;
                    all.push(nanoseconds(since.elapsed()));
                }
            }
        }
        last.push(nanoseconds(since.elapsed()));
    }
    let cpu = (server.cpu()? - before).as_secs_f64() * 1e6 / all.len() as f64;
    let [Some(each), Some(last)] = [Latency::of(all), Latency::of(last)] else {
        bail!("nobody heard anything")
    };
    Ok(BigRoom { members: count, cpu, median: each.p50, last })
}

/// Reads a part of this message. Returns whether it is whole now.
fn hear(member: &mut Listener, message: &[u8]) -> Result<bool> {
    let mut buffer = [0; 256];
    let got = match member.stream.read(&mut buffer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
        got => got?,
    };
    ensure!(got > 0, "the server closed a member's connection");
    let before = member.heard.len();
    ensure!(before + got <= message.len(), "more was heard than said: {}", buffer[..got].escape_ascii());
    compare(&buffer[..got], &message[before..before + got])?;
    member.heard.extend_from_slice(&buffer[..got]);
    let is_whole = member.heard.len() == message.len();
    if is_whole {
        member.heard.clear();
    }
    Ok(is_whole)
}
