//! A NATS client of these tests, which reads the room's log without any code of ipcd.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::server::{ANSWER, PORT};
use crate::harness::{TIMEOUT, wait_until};

pub struct Nats {
    stream: BufReader<TcpStream>,
    requests: u64,
}

impl Nats {
    pub fn connect(ip: Ipv4Addr, connect: &Value) -> Nats {
        let nats = wait_until("a server that answers", || Nats::try_connect(ip, connect));
        nats.stream.get_ref().set_read_timeout(Some(TIMEOUT)).unwrap();
        nats
    }

    pub fn try_connect(ip: Ipv4Addr, connect: &Value) -> Option<Nats> {
        let stream = TcpStream::connect((ip, PORT)).ok()?;
        stream.set_read_timeout(Some(ANSWER)).ok()?;
        let mut nats = Nats { stream: BufReader::new(stream), requests: 0 };
        nats.line()?; // INFO
        let mut options = json!({"verbose": false, "pedantic": false, "protocol": 1, "headers": true, "no_responders": true});
        for (key, value) in connect.as_object().unwrap() {
            options[key] = value.clone();
        }
        nats.send(&format!("CONNECT {options}\r\nSUB inbox.* 1\r\nPING\r\n"))?;
        while nats.line()? != "PONG" {}
        Some(nats)
    }

    fn send(&mut self, text: &str) -> Option<()> {
        self.stream.get_mut().write_all(text.as_bytes()).ok()
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
        Some(line.trim_end().to_owned())
    }

    /// Sends a request and returns its answer as JSON; `None`: there was none in time.
    pub fn try_request(&mut self, subject: &str, payload: &str) -> Option<Value> {
        self.requests += 1;
        let inbox = format!("inbox.{}", self.requests);
        self.send(&format!("PUB {subject} {inbox} {}\r\n{payload}\r\n", payload.len()))?;
        loop {
            let line = self.line()?;
            let words: Vec<&str> = line.split(' ').collect();
            if line == "PING" {
                self.send("PONG\r\n")?;
            }
            if !matches!(words[0], "MSG" | "HMSG") {
                continue;
            }
            let size: usize = words.last()?.parse().ok()?;
            let mut body = vec![0; size + 2];
            self.stream.read_exact(&mut body).ok()?;
            if words[1] == inbox && words[0] == "MSG" {
                return serde_json::from_slice(&body[..size]).ok();
            }
            if words[1] == inbox {
                return None; // nobody answers this subject
            }
        }
    }

    pub fn request(&mut self, subject: &str, payload: &str) -> Value {
        wait_until(&format!("an answer to {subject}"), || self.try_request(subject, payload))
    }

    /// The room's lines in the log of a house, in the form in which members hear them.
    pub fn lines(&mut self, house: &str) -> Vec<Line> {
        let stream = format!("IPCD_{house}");
        let info = self.request(&format!("$JS.API.STREAM.INFO.{stream}"), "");
        let state = &info["state"];
        let (first, last) = (state["first_seq"].as_u64().unwrap(), state["last_seq"].as_u64().unwrap());
        let mut reading = Reading::default();
        for sequence in first..=last {
            let asked = json!({"seq": sequence}).to_string();
            let answer = self.request(&format!("$JS.API.STREAM.MSG.GET.{stream}"), &asked);
            let Some(data) = answer["message"]["data"].as_str() else { continue };
            reading.take(sequence, &BASE64_STANDARD.decode(data).unwrap());
        }
        reading.lines
    }
}

/// A line of the room, and its author or the member that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    pub name: String,
    pub kind: u8,
    /// The message in the stream, and the position of the batch in it.
    pub place: String,
}

pub const JOINED: u8 = 1;
pub const LEFT: u8 = 2;
pub const SAID: u8 = 3;
const ACTED: u8 = 4;
const ANNOUNCED: u8 = 5;
const GONE: u8 = 9;

/// What every reader of the log concludes from it.
#[derive(Default)]
struct Reading {
    lines: Vec<Line>,
    /// The last batch of each instance; `None`: the instance is gone.
    last: HashMap<[u8; 16], Option<u64>>,
    /// The members in order, each with its instance.
    members: Vec<(String, [u8; 16])>,
    place: String,
}

impl Reading {
    fn take(&mut self, sequence: u64, bytes: &[u8]) {
        let Some((head, mut items)) = bytes.split_at_checked(41) else { return };
        let instance: [u8; 16] = head[1..17].try_into().unwrap();
        let number = u64::from_le_bytes(head[17..25].try_into().unwrap());
        self.place = format!("message {sequence}, batch {number} of {:02x}{:02x}", instance[0], instance[1]);
        match self.last.entry(instance).or_insert(Some(0)) {
            Some(last) if number > *last => *last = number,
            _ => return, // heard before, or from an instance that is gone
        }
        while let Some((start, rest)) = items.split_at_checked(3) {
            let length = usize::from(u16::from_le_bytes([start[1], start[2]]));
            let (body, rest) = rest.split_at(length);
            self.item(instance, start[0], body);
            items = rest;
        }
    }

    fn item(&mut self, instance: [u8; 16], kind: u8, body: &[u8]) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let is_member = |reading: &Reading, name: &str| {
            reading.members.iter().any(|(other, at)| other == name && *at == instance)
        };
        match kind {
            JOINED => {
                let name = text(body);
                if !self.members.iter().any(|(other, _)| *other == name) {
                    self.members.push((name.clone(), instance));
                    self.push(kind, format!("{name} has joined the chat!"), name);
                }
            }
            LEFT => {
                let name = text(body);
                if is_member(self, &name) {
                    self.leave(&name);
                }
            }
            SAID | ACTED => {
                let (name, words) = body[1..].split_at(usize::from(body[0]));
                let (name, words) = (text(name), text(words));
                if is_member(self, &name) {
                    let line =
                        if kind == SAID { format!("{name}: {words}") } else { format!("* {name} {words}") };
                    self.push(kind, line, name);
                }
            }
            ANNOUNCED => self.push(kind, text(body), String::new()),
            GONE => {
                let gone: [u8; 16] = body[..16].try_into().unwrap();
                if self.last.insert(gone, None).flatten().is_some() {
                    let theirs = self.members.iter().filter(|(_, at)| *at == gone);
                    for name in theirs.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
                        self.leave(&name);
                    }
                }
            }
            _ => {}
        }
    }

    fn leave(&mut self, name: &str) {
        self.members.retain(|(other, _)| other != name);
        self.push(LEFT, format!("{name} has left the chat."), name.to_owned());
    }

    fn push(&mut self, kind: u8, text: String, name: String) {
        self.lines.push(Line { text, name, kind, place: self.place.clone() });
    }
}
