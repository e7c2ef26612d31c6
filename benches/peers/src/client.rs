//! A client that sends one request after another, and notes how long each took.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::endpoint::TIMEOUT;
use crate::load::{compare, nanoseconds};
use crate::peer::Peer;
use crate::stream::Stream;
use crate::words::{Exchange, Form, exchanges};

pub struct Client {
    stream: Stream,
    pub exchanges: Vec<Exchange>,
    /// The index of the current exchange.
    at: usize,
    /// How long each round trip took.
    pub times: Vec<u32>,
}

impl Client {
    pub fn new(stream: Stream, peer: Peer) -> Client {
        Client { stream, exchanges: exchanges(peer, 1, Form::Lines), at: 0, times: Vec::new() }
    }

    /// Sends a request.
    pub fn say(&mut self) -> Result<Instant> {
        self.at = (self.at + 1) % self.exchanges.len();
        let since = Instant::now();
        self.stream.write_all(&self.exchanges[self.at].request)?;
        Ok(since)
    }

    /// Reads the reply: if the stream does not block, without sleeping.
    pub fn hear(&mut self, since: Instant) -> Result<Duration> {
        let reply = &self.exchanges[self.at].reply;
        let (mut heard, mut got) = ([0; 256], 0);
        while got < reply.len() {
            match self.stream.read(&mut heard[got..]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ensure!(since.elapsed() < TIMEOUT, "no reply within {TIMEOUT:?}");
                }
                count => match count.context("reading a reply")? {
                    0 => bail!("the server closed the connection"),
                    count => got += count,
                },
            }
        }
        compare(&heard[..got], reply)?;
        Ok(since.elapsed())
    }

    /// Sends one request and reads its reply.
    pub fn ask(&mut self) -> Result<()> {
        let since = self.say()?;
        let took = self.hear(since)?;
        self.times.push(nanoseconds(took));
        Ok(())
    }

    /// Sends requests until this is true.
    pub fn ask_until(&mut self, mut is_over: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            self.ask()?;
            if is_over()? {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "it did not end within {TIMEOUT:?}");
        }
    }
}
