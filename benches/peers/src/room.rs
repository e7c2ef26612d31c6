//! The load generator for chats: one client speaks, and all members have to receive it. It compares every byte.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::endpoint::{Endpoint, TIMEOUT};
use crate::load::{Latency, Load, Work, compare, nanoseconds};
use crate::peer::Peer;
use crate::poller::Poller;
use crate::stream::Stream;
use crate::words::{Form, Room};

const BURST: usize = 64 * 1024;

/// Messages that differ.
const DIFFERENT: usize = 64;

/// A pause this long ends the announcements of new members, whose number cannot be predicted.
const SILENCE_MS: u16 = 200;

/// New members between two reads of the others, so that those do not fall too far behind.
const ENTRANCES: usize = 16;

struct Listener {
    socket: Stream,
    got: usize,
    /// Whether it receives the speaker's stream rather than the members'.
    is_speaker: bool,
}

pub struct Chat {
    listeners: Vec<Listener>,
    speaker: usize,
    members: usize,
    form: Form,
    /// The bytes to send at once, in turn.
    said: Vec<Vec<u8>>,
    /// Messages in each of them.
    burst: usize,
    /// What all members receive: this, repeated for ever. Then what a speaker receives that is not a member.
    song: Vec<u8>,
    thanks: Vec<u8>,
    /// Bytes that each member receives for one message.
    step: usize,
    thanks_step: usize,
    /// Messages sent so far.
    count: usize,
    poller: Poller,
    buffer: Vec<u8>,
    /// Messages a second, sent whether or not the previous one has arrived.
    pace: Option<u64>,
}

impl Chat {
    pub fn enter(
        peer: Peer,
        endpoint: &Endpoint,
        members: usize,
        burst: usize,
        pace: Option<u64>,
    ) -> Result<Chat> {
        let room = Room::of(peer)?;
        let speaker = if room.hears_itself() { 0 } else { members };
        let count = members.max(speaker + 1);
        let mut chat = Chat {
            listeners: Vec::with_capacity(count),
            speaker,
            members,
            form: endpoint.form(),
            said: Vec::new(),
            burst,
            song: Vec::new(),
            thanks: Vec::new(),
            step: 0,
            thanks_step: 0,
            count: 0,
            poller: Poller::new()?,
            buffer: vec![0; BURST],
            pace,
        };
        let mut gossip = vec![Vec::new(); count];
        for nth in 0..count {
            let mut socket = endpoint.connect().with_context(|| format!("member {nth}"))?;
            chat.enter_one(room, &mut socket, nth).with_context(|| format!("member {nth} enters"))?;
            socket.set_nonblocking(true)?;
            chat.poller.add(&socket, nth)?;
            let is_speaker = nth == speaker && !room.hears_itself();
            chat.listeners.push(Listener { socket, got: 0, is_speaker });
            if nth % ENTRANCES == 0 {
                chat.listen(&mut gossip, 0)?;
            }
        }
        chat.settle(room, gossip)?;
        let prefix = chat.first_words(room)?;
        let messages = DIFFERENT * burst;
        let prefix_of = |nth| if room.names_each() || nth % burst == 0 { prefix.as_str() } else { "" };
        chat.song = (0..messages).map(|nth| room.heard(nth, prefix_of(nth))).collect::<String>().into_bytes();
        chat.song = chat.form.of_server(&chat.song);
        chat.thanks = room.thanks(members).repeat(messages).into_bytes();
        (chat.step, chat.thanks_step) = (chat.song.len() / DIFFERENT, chat.thanks.len() / DIFFERENT);
        let said = |at: usize| (at * burst..(at + 1) * burst).map(|nth| room.said(nth)).collect::<String>();
        chat.said = (0..DIFFERENT).map(|at| chat.form.of_client(said(at).as_bytes())).collect();
        Ok(chat)
    }

    fn enter_one(&mut self, room: Room, socket: &mut Stream, nth: usize) -> Result<()> {
        let is_speaker = nth == self.speaker && !room.hears_itself();
        for (word, answer) in room.entrance(nth, is_speaker) {
            socket.write_all(&self.form.of_client(word.as_bytes()))?;
            let mut heard = Vec::new();
            let (answer, last) = match self.form {
                Form::Lines => (answer, "\n"),
                Form::Frames => (answer.trim_end(), answer.trim_end()),
            };
            let holds = |heard: &[u8]| heard.windows(answer.len()).any(|part| part == answer.as_bytes());
            while !(holds(&heard) && heard.ends_with(last.as_bytes())) {
                let got = socket.read(&mut self.buffer)?;
                ensure!(got > 0, "the server closed the connection");
                heard.extend_from_slice(&self.buffer[..got]);
            }
        }
        Ok(())
    }

    /// Reads all input until nothing arrives for this time.
    fn listen(&mut self, gossip: &mut [Vec<u8>], silence_ms: u16) -> Result<()> {
        loop {
            let ready = self.poller.look(silence_ms)?;
            for at in 0..ready {
                let nth = self.poller.token(at);
                let got = match self.listeners[nth].socket.read(&mut self.buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    got => got?,
                };
                ensure!(got > 0, "the server closed a member's connection");
                gossip[nth].extend_from_slice(&self.buffer[..got]);
            }
            if ready == 0 {
                return Ok(());
            }
        }
    }

    /// Waits until all members have been told of all later ones.
    fn settle(&mut self, room: Room, mut gossip: Vec<Vec<u8>>) -> Result<()> {
        let count = gossip.len();
        let Some(expected) = (0..count).map(|nth| room.newcomers(nth, count)).collect::<Option<Vec<_>>>()
        else {
            return self.listen(&mut gossip, SILENCE_MS);
        };
        let expected: Vec<_> = expected.iter().map(|lines| self.form.of_server(lines)).collect();
        let deadline = Instant::now() + TIMEOUT;
        while gossip.iter().zip(&expected).any(|(heard, expected)| heard.len() < expected.len()) {
            ensure!(Instant::now() < deadline, "not everybody heard who came within {TIMEOUT:?}");
            self.listen(&mut gossip, 1)?;
        }
        gossip.iter().zip(&expected).try_for_each(|(heard, expected)| compare(heard, expected))
    }

    /// Sends one message, to learn the server's prefix.
    fn first_words(&mut self, room: Room) -> Result<String> {
        self.listeners[self.speaker].socket.write_all(&self.form.of_client(room.said(0).as_bytes()))?;
        let mut heard = vec![Vec::new(); self.listeners.len()];
        let listening = if self.speaker == 0 { 0..self.members } else { 0..self.speaker };
        let frame = self.form.of_server(room.heard(0, &room.prefix(b"", self.speaker)?).as_bytes());
        let form = self.form;
        let is_whole = |heard: &[u8]| match form {
            Form::Lines => heard.ends_with(b"\n"),
            Form::Frames => heard.len() >= frame.len(),
        };
        let deadline = Instant::now() + TIMEOUT;
        while !listening.clone().all(|nth| is_whole(&heard[nth])) {
            ensure!(Instant::now() < deadline, "not everybody heard the first message within {TIMEOUT:?}");
            self.listen(&mut heard, 1)?;
        }
        // The speaker may receive a copy as well.
        self.listen(&mut heard, SILENCE_MS)?;
        let prefix = room.prefix(&heard[listening.start], self.speaker)?;
        let expected = room.heard(0, &prefix);
        for nth in listening {
            compare(&heard[nth], &self.form.of_server(expected.as_bytes()))?;
        }
        Ok(prefix)
    }

    fn say(&mut self) -> Result<()> {
        let said = &self.said[self.count % DIFFERENT];
        ensure!(
            self.listeners[self.speaker].socket.write(said)? == said.len(),
            "a message was not taken whole"
        );
        self.count += 1;
        Ok(())
    }

    /// Reads and compares a member's available input. Returns its byte count before and after.
    fn hear(&mut self, nth: usize) -> Result<(usize, usize)> {
        let listener = &mut self.listeners[nth];
        let song = if listener.is_speaker { &self.thanks } else { &self.song };
        let before = listener.got;
        let got = match listener.socket.read(&mut self.buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok((before, before)),
            got => got.context("a member listens")?,
        };
        ensure!(got > 0, "the server closed a member's connection");
        let mut heard = &self.buffer[..got];
        while !heard.is_empty() {
            ensure!(!song.is_empty(), "the speaker hears something: {}", heard.escape_ascii());
            let at = listener.got % song.len();
            let part = heard.len().min(song.len() - at);
            compare(&heard[..part], &song[at..at + part])?;
            listener.got += part;
            heard = &heard[part..];
        }
        Ok((before, listener.got))
    }

    /// The byte count of a member that has received everything.
    fn goal(&self, nth: usize) -> usize {
        self.count * if self.listeners[nth].is_speaker { self.thanks_step } else { self.step }
    }

    fn run_closed(&mut self, time: Duration) -> Result<Work> {
        let end = Instant::now() + time;
        let mut said = 0;
        loop {
            self.say()?;
            said += self.burst;
            let mut behind =
                self.listeners.iter().enumerate().filter(|(nth, it)| it.got < self.goal(*nth)).count();
            while behind > 0 {
                for at in 0..self.poller.wait()? {
                    let nth = self.poller.token(at);
                    let (before, got) = self.hear(nth)?;
                    ensure!(got <= self.goal(nth), "more was heard than said");
                    behind -= usize::from(got == self.goal(nth) && got > before);
                }
            }
            if Instant::now() >= end {
                return Ok(Work { units: (said * self.members) as u64, latency: None });
            }
        }
    }

    /// Sends one message at each tick, however late the previous ones are. A delivery's time counts from its tick.
    fn run_open(&mut self, time: Duration, pace: u64) -> Result<Work> {
        let tick = Duration::from_nanos(1_000_000_000 / pace);
        let start = Instant::now();
        let first = self.count;
        let total = (time.as_nanos() / tick.as_nanos()) as usize;
        let mut latencies = Vec::with_capacity(total * self.members);
        let (mut said, mut heard) = (0, 0);
        let deadline = start + time + TIMEOUT;
        while heard < total * self.members {
            let now = Instant::now();
            ensure!(now < deadline, "not everybody heard everything within {TIMEOUT:?}");
            while said < total && start + tick * said as u32 <= now {
                self.say()?;
                said += 1;
            }
            // Polls without a timeout, because it has a processor of its own.
            for at in 0..self.poller.look(0)? {
                let nth = self.poller.token(at);
                let (before, after) = self.hear(nth)?;
                if self.listeners[nth].is_speaker {
                    continue;
                }
                let now = Instant::now();
                for message in before / self.step..after / self.step {
                    let due = start + tick * (message - first) as u32;
                    latencies.push(nanoseconds(now.saturating_duration_since(due)));
                    heard += 1;
                }
            }
        }
        let units = heard as u64;
        // Replies to the speaker for the last message may still be on their way.
        while self.listeners.iter().enumerate().any(|(nth, it)| it.got < self.goal(nth)) {
            for at in 0..self.poller.wait()? {
                let nth = self.poller.token(at);
                self.hear(nth)?;
            }
        }
        Ok(Work { units, latency: Latency::of(latencies) })
    }
}

impl Load for Chat {
    fn run(&mut self, time: Duration) -> Result<Work> {
        match self.pace {
            Some(pace) => self.run_open(time, pace),
            None => self.run_closed(time),
        }
    }
}
