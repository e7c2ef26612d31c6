//! A room and the server that keeps its log, which does what the test says.

use serde_json::json;

use super::super::super::{Consequence, MemberId, Offer, Room};
use crate::engine::message::{ConnectionId, Timestamp};
use crate::engine::name::Name;
use crate::engine::uplink::{
    Credentials, Encrypt, House as HouseName, InstanceId, LinkId, Reason, RoomToken, SavedUplink, Server,
    Settings, StreamSettings, Uplink,
};

pub const JOINED: u8 = 1;
pub const LEFT: u8 = 2;
pub const SAID: u8 = 3;

pub struct House {
    pub room: Room,
    pub now: Timestamp,
    link: Option<LinkId>,
    /// Messages of the log, and when they were stored, in nanoseconds.
    pub log: Vec<(u64, Vec<u8>)>,
    /// The server takes what is published.
    pub is_storing: bool,
    /// What a refused batch gets.
    pub refusal: Option<&'static str>,
    consumer: String,
    next: usize,
    delivered: u64,
    pub consequences: Vec<Consequence>,
    numbers: u64,
}

pub fn settings() -> Settings {
    Settings {
        servers: vec![Server::new("n", 4222, Encrypt::IfAsked)],
        credentials: Credentials::None,
        house: HouseName::new("h").unwrap(),
        room: RoomToken::new("a").unwrap(),
        stream: StreamSettings::default(),
        client: "test".into(),
    }
}

pub fn peer(index: u32) -> ConnectionId {
    ConnectionId { index, generation: 1 }
}

pub fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// An item of a batch: its kind, and its parts; a name that others follow has its length before it.
pub fn item(kind: u8, name: &str, text: &str) -> Vec<u8> {
    let mut body = if kind == SAID { vec![name.len() as u8] } else { Vec::new() };
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(text.as_bytes());
    let mut bytes = vec![kind];
    bytes.extend_from_slice(&(body.len() as u16).to_le_bytes());
    bytes.extend(body);
    bytes
}

impl House {
    /// A room that is shared from now on, and not connected.
    pub fn new() -> House {
        let mut house = House {
            room: Room::default(),
            now: Timestamp::at(0),
            link: None,
            log: Vec::new(),
            is_storing: true,
            refusal: None,
            consumer: String::new(),
            next: 0,
            delivered: 0,
            consequences: Vec::new(),
            numbers: 0,
        };
        house.room.share(Uplink::new(settings(), InstanceId([1; 16]), 1, house.now), house.now, None);
        house
    }

    /// One that is whole.
    pub fn whole() -> House {
        let mut house = House::new();
        house.connect();
        house.turn();
        house
    }

    /// The next process, which knows what the one before it saved; its room is empty.
    pub fn restart(&mut self) {
        let saved: SavedUplink = self.uplink().save();
        let uplink = Uplink::restore(settings(), saved, 2, self.now).unwrap();
        self.room = Room::default();
        self.room.share(uplink, self.now, Some((true, false)));
        self.link = None;
    }

    pub fn uplink(&mut self) -> &mut Uplink {
        self.room.uplink_mut(self.now).unwrap()
    }

    pub fn connect(&mut self) {
        let (link, _) = loop {
            let now = self.now;
            match self.uplink().dial(now) {
                Some(dial) => break dial,
                // It pauses between two attempts.
                None => self.now = self.now + std::time::Duration::from_millis(100),
            }
        };
        let now = self.now;
        self.uplink().connected(link, now);
        self.link = Some(link);
        self.say("INFO {\"headers\":true,\"max_payload\":1048576}\r\n");
    }

    pub fn disconnect(&mut self) {
        let (link, now) = (self.link.take().unwrap(), self.now);
        self.uplink().disconnected(link, Reason::Closed, now);
        self.listen();
    }

    pub fn say(&mut self, text: &str) {
        let (link, now) = (self.link.unwrap(), self.now);
        self.uplink().received(link, text.as_bytes(), now);
        self.listen();
    }

    /// Time passes.
    pub fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.now = self.now + std::time::Duration::from_millis(500);
            let now = self.now;
            self.uplink().tick(now);
            self.turn();
        }
    }

    /// Takes what has come of it.
    pub fn listen(&mut self) {
        while let Some(consequence) = self.room.poll_shared() {
            if !matches!(consequence, Consequence::Nothing | Consequence::Log(_)) {
                self.consequences.push(consequence);
            }
        }
    }

    /// The server reads, answers and delivers until there is nothing to do.
    pub fn turn(&mut self) {
        self.listen();
        while let Some(link) = self.link {
            let output = self.uplink().output(link).to_vec();
            self.uplink().sent(link, output.len());
            if output.is_empty() {
                break;
            }
            let mut rest = &output[..];
            while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
                let line = String::from_utf8(rest[..end].to_vec()).unwrap();
                let words: Vec<&str> = line.split(' ').collect();
                let size = |at: usize| words[words.len() - at].parse::<usize>().unwrap();
                let length = if line.contains("PUB ") { size(1) + 2 } else { 0 };
                let header = if words[0] == "HPUB" { size(2) } else { 0 };
                let body = &rest[end + 2..end + 2 + length];
                rest = &rest[end + 2 + length..];
                let payload = &body[header.min(body.len())..body.len().saturating_sub(2)];
                self.command(&words, payload);
            }
        }
    }

    fn command(&mut self, words: &[&str], payload: &[u8]) {
        match words {
            ["PING"] => self.say("PONG\r\n"),
            ["PUB" | "HPUB", subject, reply, ..] if subject.starts_with("$JS") => {
                self.api(subject, reply, payload);
            }
            ["HPUB", _, reply, ..] if self.is_storing => {
                if let Some(refusal) = self.refusal {
                    return self.answer(reply, refusal);
                }
                self.store(payload.to_vec());
                let count = self.log.len();
                self.answer(reply, &format!("{{\"seq\":{count}}}"));
                self.deliver();
            }
            _ => {}
        }
    }

    fn api(&mut self, subject: &str, reply: &str, payload: &[u8]) {
        let count = self.log.len();
        if subject.contains("STREAM.INFO") {
            let info = json!({"created": "then", "config": {"subjects": ["ipcd.h.room.*"], "retention": "limits"},
                "state": {"first_seq": 1, "last_seq": count}});
            self.answer(reply, &crate::engine::json::to_string(&info));
        } else if subject.contains("CONSUMER.CREATE") {
            let wanted: serde_json::Value = serde_json::from_slice(payload).unwrap();
            self.next = wanted["config"]["opt_start_seq"].as_u64().unwrap() as usize;
            self.consumer = wanted["config"]["name"].as_str().unwrap().to_owned();
            self.delivered = 0;
            self.answer(reply, &format!("{{\"num_pending\":{}}}", count + 1 - self.next));
        } else if subject.contains("MSG.NEXT") {
            self.deliver();
        }
    }

    fn answer(&mut self, reply: &str, json: &str) {
        self.say(&format!("MSG {reply} 1 {}\r\n{json}\r\n", json.len()));
    }

    pub fn deliver(&mut self) {
        while self.next <= self.log.len() && self.link.is_some() {
            let (time, payload) = self.log[self.next - 1].clone();
            self.delivered += 1;
            let (sequence, delivered) = (self.next, self.delivered);
            let pending = self.log.len() - sequence;
            let line = format!(
                "MSG ipcd.h.room.61 1 $JS.ACK.S.{}.1.{sequence}.{delivered}.{time}.{pending} {}\r\n",
                self.consumer,
                payload.len()
            );
            self.next += 1;
            let bytes = [line.as_bytes(), &payload, b"\r\n"].concat();
            let (link, now) = (self.link.unwrap(), self.now);
            self.uplink().received(link, &bytes, now);
            self.listen();
        }
    }

    pub fn store(&mut self, batch: Vec<u8>) {
        self.log.push((self.now.micros() * 1000 + 1, batch));
    }

    /// Another instance says something.
    pub fn others(&mut self, items: &[Vec<u8>]) {
        self.numbers += 1;
        let mut batch = vec![1];
        batch.extend([9; 16]);
        for number in [self.numbers, self.numbers - 1, 0] {
            batch.extend_from_slice(&number.to_le_bytes());
        }
        batch.extend(items.concat());
        self.store(batch);
        self.deliver();
        self.turn();
    }

    /// The items of all batches in the log, as text, without signs of life.
    pub fn entries(&self) -> Vec<(u8, String)> {
        let mut entries = Vec::new();
        for (_, batch) in &self.log {
            let mut rest = &batch[41..];
            while let [kind, low, high, behind @ ..] = rest {
                let (body, behind) = behind.split_at(usize::from(u16::from_le_bytes([*low, *high])));
                if *kind <= 5 {
                    let body = if *kind == SAID { &body[1..] } else { body };
                    entries.push((*kind, String::from_utf8_lossy(body).into_owned()));
                }
                rest = behind;
            }
        }
        entries
    }

    /// Somebody comes and is in the room.
    pub fn join(&mut self, index: u32, shown: &str) -> MemberId {
        assert!(self.room.enter(peer(index), name(shown), "", None).is_none(), "it has to wait");
        self.turn();
        match self.consequences.pop() {
            Some(Consequence::Joined(of, member_id, _)) if of == peer(index) => member_id,
            other => panic!("{shown} is not in the room: {other:?}"),
        }
    }

    /// What a member is offered, and takes.
    pub fn heard(&mut self, member_id: MemberId) -> String {
        let mut heard = Vec::new();
        loop {
            let count = match self.room.offer(member_id) {
                Offer::Nothing => return String::from_utf8(heard).unwrap(),
                Offer::DirectMessage(text) => {
                    heard.extend_from_slice(text);
                    text.len()
                }
                Offer::Log { from, to, .. } => {
                    self.room.timeline.log.pieces(from, to, |piece| heard.extend_from_slice(piece));
                    (to - from) as usize
                }
            };
            self.room.sent(member_id, count);
        }
    }
}
