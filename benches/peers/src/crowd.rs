//! Clients of ipcd in large numbers, and one of whose replies only the last line counts.

use std::io::{ErrorKind, Read, Write};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::endpoint::{Endpoint, TIMEOUT};
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
