//! A cluster of NATS servers, modelled as it was seen to behave: what it refuses, delays, repeats, forgets, and acknowledges with a
//! sequence of 0. There is one log for all its nodes, and connections to each of them. Time is in microseconds.

mod jetstream;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::super::random::Random;

pub const SECOND: u64 = 1_000_000;

/// How servers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V2_9,
    V2_10,
    V2_15,
}

/// What happens to a published message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storing {
    Works,
    /// There is no leader: status 503.
    Refuses,
    /// There is no quorum: no answer. The message may be stored when the quorum is back.
    Silent,
}

#[derive(Clone, Debug)]
pub struct Stored {
    pub sequence: u64,
    pub time: u64,
    pub subject: String,
    pub payload: Vec<u8>,
    id: String,
}

#[derive(Debug, Default)]
pub struct Stream {
    pub log: VecDeque<Stored>,
    pub last: u64,
    pub created: String,
    ids: BTreeMap<String, u64>,
}

impl Stream {
    fn first(&self) -> u64 {
        self.log.front().map_or(self.last + 1, |message| message.sequence)
    }
}

#[derive(Debug)]
pub struct Node {
    pub is_up: bool,
    pub is_frozen: bool,
    pub is_lame: bool,
}

#[derive(Debug)]
struct Client {
    node: usize,
    held: Vec<u8>,
    subs: Vec<(String, u64)>,
    is_introduced: bool,
    /// Bytes to send to it.
    out: Vec<u8>,
}

#[derive(Debug)]
struct Pull {
    reply: String,
    left: u64,
    bytes: u64,
    expires: u64,
    heartbeat: u64,
    next_heartbeat: u64,
}

#[derive(Debug)]
struct Consumer {
    client: usize,
    filter: String,
    next: u64,
    delivered: u64,
    pulls: VecDeque<Pull>,
}

/// A published message that is not committed.
#[derive(Debug)]
struct Late {
    client: usize,
    reply: String,
    message: Stored,
    at: Option<u64>,
}

pub struct Server {
    pub version: Version,
    pub nodes: Vec<Node>,
    pub stream: Option<Stream>,
    pub storing: Storing,
    /// How many of a thousand messages are refused for good.
    pub final_refusals: usize,
    /// How many percent of messages are committed late, and of deliveries are lost.
    pub late: usize,
    pub lost: usize,
    clients: BTreeMap<usize, Client>,
    consumers: BTreeMap<String, Consumer>,
    late_ones: Vec<Late>,
    /// Until then the stream's state in answers may be outdated.
    pub behind_until: u64,
    made: u64,
    pub seen: BTreeSet<&'static str>,
}

impl Server {
    pub fn new(version: Version, nodes: usize) -> Server {
        Server {
            version,
            nodes: (0..nodes).map(|_| Node { is_up: true, is_frozen: false, is_lame: false }).collect(),
            stream: None,
            storing: Storing::Works,
            final_refusals: 0,
            late: 0,
            lost: 0,
            clients: BTreeMap::new(),
            consumers: BTreeMap::new(),
            late_ones: Vec::new(),
            behind_until: 0,
            made: 0,
            seen: BTreeSet::new(),
        }
    }

    fn info(&self, node: usize, is_second: bool) -> String {
        let urls: Vec<String> = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.is_up)
            .map(|(at, _)| format!("n{at}:4222"))
            .collect();
        let mut info = json!({"server_id": "N", "server_name": format!("n{node}"), "version": format!("{:?}", self.version),
            "headers": true, "max_payload": 1_048_576, "proto": 1, "jetstream": true, "extra": [1, {"x": null}]});
        if self.nodes.len() > 1 {
            info["connect_urls"] = urls.into();
        }
        if self.nodes[node].is_lame {
            info["ldm"] = true.into();
        }
        if is_second {
            info["connect_info"] = true.into();
        }
        format!("INFO {info} \r\n")
    }

    /// Connects a client; `false`: refused.
    pub fn connect(&mut self, id: usize, node: usize) -> bool {
        let state = &self.nodes[node];
        if !state.is_up || state.is_lame {
            return false;
        }
        let out = self.info(node, false).into_bytes();
        self.clients
            .insert(id, Client { node, held: Vec::new(), subs: Vec::new(), is_introduced: false, out });
        true
    }

    pub fn disconnect(&mut self, id: usize) {
        self.clients.remove(&id);
    }

    /// The output for a client, if its node runs.
    pub fn output(&mut self, id: usize) -> Vec<u8> {
        match self.clients.get_mut(&id) {
            Some(client) if !self.nodes[client.node].is_frozen => std::mem::take(&mut client.out),
            _ => Vec::new(),
        }
    }

    /// The clients of a node.
    pub fn clients_of(&self, node: usize) -> Vec<usize> {
        self.clients.iter().filter(|(_, client)| client.node == node).map(|(id, _)| *id).collect()
    }

    pub fn bytes(&mut self, id: usize, bytes: &[u8], now: u64, random: &mut Random) {
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.held.extend_from_slice(bytes);
        self.work(id, now, random);
    }

    /// Reads what its clients have sent while it was frozen.
    pub fn thaw(&mut self, node: usize, now: u64, random: &mut Random) {
        self.nodes[node].is_frozen = false;
        for id in self.clients_of(node) {
            self.work(id, now, random);
        }
    }

    fn work(&mut self, id: usize, now: u64, random: &mut Random) {
        loop {
            let Some(client) = self.clients.get_mut(&id) else { return };
            if self.nodes[client.node].is_frozen {
                return;
            }
            let Some(end) = client.held.iter().position(|byte| *byte == b'\n') else { return };
            let line = String::from_utf8(client.held[..end - 1].to_vec()).expect("our commands are text");
            assert!(line.len() <= 4096, "control line of {} bytes", line.len());
            let words: Vec<&str> = line.split(' ').collect();
            let length = match words[0] {
                "PUB" | "HPUB" => words.last().unwrap().parse::<usize>().unwrap() + 2,
                _ => 0,
            };
            if client.held.len() < end + 1 + length {
                return;
            }
            let body = client.held[end + 1..end + 1 + length].to_vec();
            client.held.drain(..end + 1 + length);
            self.command(id, &words, &body, now, random);
        }
    }

    fn command(&mut self, id: usize, words: &[&str], body: &[u8], now: u64, random: &mut Random) {
        let node = self.clients[&id].node;
        let second = (self.version == Version::V2_15).then(|| self.info(node, true));
        let client = self.clients.get_mut(&id).unwrap();
        match words {
            ["CONNECT", json @ ..] => {
                let json: Value = serde_json::from_str(&json.join(" ")).expect("JSON");
                for name in ["verbose", "pedantic", "headers", "no_responders", "echo"] {
                    assert!(json[name].is_boolean(), "{name} is left out: {json}");
                }
                client.is_introduced = true;
                client.out.extend(second.unwrap_or_default().into_bytes());
            }
            _ if !client.is_introduced => panic!("{words:?} before CONNECT"),
            ["PING"] => client.out.extend_from_slice(b"PONG\r\n"),
            ["PONG"] => {}
            ["SUB", subject, number] => client.subs.push(((*subject).to_owned(), number.parse().unwrap())),
            ["UNSUB", number] => {
                let number: u64 = number.parse().unwrap();
                client.subs.retain(|(_, other)| *other != number);
            }
            ["PUB", subject, _] => self.publish(id, subject, "", "", &body[..body.len() - 2], now, random),
            ["PUB", subject, reply, _] => {
                self.publish(id, subject, reply, "", &body[..body.len() - 2], now, random)
            }
            ["HPUB", subject, reply @ .., header, _] if reply.len() < 2 => {
                let reply = reply.first().unwrap_or(&"");
                let (header, payload) = body[..body.len() - 2].split_at(header.parse().unwrap());
                let header = String::from_utf8(header.to_vec()).unwrap();
                let id_of = header.split("Nats-Msg-Id: ").nth(1).and_then(|rest| rest.split("\r\n").next());
                self.publish(id, subject, reply, id_of.unwrap(), payload, now, random);
            }
            _ => panic!("unknown command: {words:?}"),
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn publish(
        &mut self,
        client: usize,
        subject: &str,
        reply: &str,
        id: &str,
        payload: &[u8],
        now: u64,
        random: &mut Random,
    ) {
        if let Some(request) = subject.strip_prefix("$JS.API.") {
            return self.api(client, request, reply, payload, now, random);
        }
        if subject.contains(".room.") {
            return self.store(client, (subject, reply, id), payload, now, random);
        }
        let heard = self.send(None, subject, "", b"", payload);
        if heard == 0 && !reply.is_empty() {
            self.send(Some(client), reply, "", b"NATS/1.0 503\r\n\r\n", b"");
        }
    }

    /// Sends to all subscribers or to one of them; returns their number.
    fn send(
        &mut self,
        only: Option<usize>,
        subject: &str,
        reply: &str,
        header: &[u8],
        payload: &[u8],
    ) -> usize {
        let mut heard = 0;
        for (id, client) in &mut self.clients {
            if only.is_some_and(|only| only != *id) {
                continue;
            }
            for (_, number) in client.subs.iter().filter(|(pattern, _)| fits(pattern, subject)) {
                write(&mut client.out, subject, *number, reply, header, payload);
                heard += 1;
            }
        }
        heard
    }

    fn json(&mut self, client: usize, reply: &str, value: &Value) {
        self.send(Some(client), reply, "", b"", value.to_string().as_bytes());
    }

    fn error(&mut self, client: usize, reply: &str, code: u64, number: u64, text: &str) {
        self.json(client, reply, &json!({"error": {"code": code, "err_code": number, "description": text}}));
    }

    /// Heartbeats, expired pulls, and late commits.
    pub fn tick(&mut self, now: u64, random: &mut Random) {
        let due: Vec<Late> = if self.storing == Storing::Works {
            let (due, later) = std::mem::take(&mut self.late_ones)
                .into_iter()
                .partition(|late| late.at.is_none_or(|at| at <= now));
            self.late_ones = later;
            due
        } else {
            Vec::new()
        };
        for late in due {
            self.commit(late.client, &late.reply, late.message, now, random);
        }
        let mut told = Vec::new();
        for consumer in self.consumers.values_mut() {
            let delivered = consumer.delivered;
            let last = consumer.next - 1;
            consumer.pulls.retain_mut(|pull| {
                if pull.expires <= now {
                    let header = format!("NATS/1.0 408 Request Timeout\r\nNats-Pending-Messages: {}\r\nNats-Pending-Bytes: 1\r\n\r\n", pull.left);
                    told.push((consumer.client, pull.reply.clone(), header));
                    return false;
                }
                if pull.next_heartbeat <= now {
                    pull.next_heartbeat = now + pull.heartbeat;
                    let header = format!("NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: {delivered}\r\nNats-Last-Stream: {last}\r\n\r\n");
                    told.push((consumer.client, pull.reply.clone(), header));
                }
                true
            });
        }
        for (client, reply, header) in told {
            self.send(Some(client), &reply, "", header.as_bytes(), b"");
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn deadline(&self) -> u64 {
        let works = self.storing == Storing::Works;
        let late = self.late_ones.iter().filter(|_| works).map(|late| late.at.unwrap_or(0));
        let pulls = self.consumers.values().flat_map(|consumer| &consumer.pulls);
        late.chain(pulls.map(|pull| pull.expires.min(pull.next_heartbeat))).min().unwrap_or(u64::MAX)
    }

    /// Elects a new leader: what was not committed may be forgotten.
    pub fn elect(&mut self, now: u64, random: &mut Random) {
        self.late_ones.retain(|_| random.percent(50));
        self.behind_until = now + SECOND;
        self.storing = Storing::Works;
    }

    /// Restarts all processes: consumers, which are in memory, are gone, and the known ids are those of stored messages.
    pub fn restart(&mut self, lost: usize) {
        self.consumers.clear();
        self.late_ones.clear();
        if let Some(stream) = &mut self.stream {
            for _ in 0..lost.min(stream.log.len()) {
                stream.log.pop_back();
            }
            if lost > 0 {
                stream.last = stream.log.back().map_or(0, |message| message.sequence);
            }
            stream.ids = stream.log.iter().map(|message| (message.id.clone(), message.sequence)).collect();
        }
    }

    pub fn forget_consumers(&mut self) {
        self.consumers.clear();
    }

    /// Ends the time in which a repeated message is recognized.
    pub fn forget_ids(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.ids.clear();
        }
    }

    pub fn trim(&mut self, count: usize) {
        if let Some(stream) = &mut self.stream {
            stream.log.drain(..count.min(stream.log.len()));
        }
    }

    pub fn delete_stream(&mut self) {
        self.stream = None;
        self.consumers.clear();
        self.late_ones.clear();
    }

    /// A node announces that it will close.
    pub fn go_lame(&mut self, node: usize) {
        self.nodes[node].is_lame = true;
        let info = self.info(node, false);
        for id in self.clients_of(node) {
            self.clients.get_mut(&id).unwrap().out.extend(info.clone().into_bytes());
        }
    }

    /// Removes the consumers of a client that is gone, as after `inactive_threshold`.
    pub fn expire_consumers(&mut self) {
        let clients = &self.clients;
        self.consumers.retain(|_, consumer| clients.contains_key(&consumer.client));
    }
}

fn write(out: &mut Vec<u8>, subject: &str, number: u64, reply: &str, header: &[u8], payload: &[u8]) {
    let reply = if reply.is_empty() { String::new() } else { format!("{reply} ") };
    let total = header.len() + payload.len();
    if header.is_empty() {
        out.extend(format!("MSG {subject} {number} {reply}{total}\r\n").into_bytes());
    } else {
        out.extend(format!("HMSG {subject} {number} {reply}{} {total}\r\n", header.len()).into_bytes());
    }
    out.extend_from_slice(header);
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

fn fits(pattern: &str, subject: &str) -> bool {
    let mut parts = subject.split('.');
    for wanted in pattern.split('.') {
        match (wanted, parts.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (wanted, Some(part)) if wanted == part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}
