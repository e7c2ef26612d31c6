//! A minimal client of NATS, the bare publish and pull with it, and a relay between it and one member.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{LINE, ROUND, connect};

/// A minimal client of NATS.
pub struct Nats {
    reader: BufReader<TcpStream>,
    /// The beginning of the subjects for answers to it. No other client has it: otherwise each would hear what all others do.
    inbox: String,
    requests: u64,
    /// What the last message had.
    pub body: Vec<u8>,
}

impl Nats {
    pub fn connect(port: u16) -> Nats {
        static CLIENTS: AtomicU64 = AtomicU64::new(0);
        let inbox = format!("in{}-{}", std::process::id(), CLIENTS.fetch_add(1, Ordering::Relaxed));
        let mut nats = Nats { reader: BufReader::new(connect(port)), inbox, requests: 0, body: Vec::new() };
        nats.line();
        nats.send(&format!(
            "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"protocol\":1}}\r\nSUB {}.* 1\r\nPING\r\n",
            nats.inbox
        ));
        while nats.line() != "PONG" {}
        nats
    }

    fn send(&mut self, text: &str) {
        self.reader.get_mut().write_all(text.as_bytes()).expect("the server takes it");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let count = self.reader.read_line(&mut line).expect("the server answers");
        assert!(count > 0, "the server has closed");
        line.trim_end().to_owned()
    }

    /// The next message: its subject and its reply subject; `body` has the rest.
    pub fn message(&mut self) -> (String, String) {
        loop {
            let line = self.line();
            let words: Vec<&str> = line.split(' ').collect();
            match words[0] {
                "PING" => self.send("PONG\r\n"),
                "MSG" | "HMSG" => {
                    let size: usize = words[words.len() - 1].parse().unwrap();
                    self.body.resize(size + 2, 0);
                    self.reader.read_exact(&mut self.body).unwrap();
                    let fields = if words[0] == "MSG" { 4 } else { 5 };
                    let reply = if words.len() > fields { words[3] } else { "" };
                    return (words[1].to_owned(), reply.to_owned());
                }
                _ => {}
            }
        }
    }

    fn request(&mut self, subject: &str, payload: &str) -> String {
        self.requests += 1;
        let inbox = format!("{}.r{}", self.inbox, self.requests);
        self.send(&format!("PUB {subject} {inbox} {}\r\n{payload}\r\n", payload.len()));
        while self.message().0 != inbox {}
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Where the bare client publishes, and where relays do.
pub const BARE: &str = "bare.x";
const RELAYED: &str = "bare.relayed";

/// Makes a consumer of what is published to a subject from now on.
pub fn consume(nats: &mut Nats, name: &str, subject: &str) {
    let config = format!(
        r#"{{"stream_name":"BARE","action":"create","config":{{"name":"{name}","deliver_policy":"new","ack_policy":"none","filter_subject":"{subject}","mem_storage":true,"num_replicas":1,"inactive_threshold":600000000000}}}}"#
    );
    let made = nats.request(&format!("$JS.API.CONSUMER.CREATE.BARE.{name}.{subject}"), &config);
    assert!(!made.contains("\"error\""), "{made}");
}

/// Asks for so many messages.
pub fn pull(nats: &mut Nats, name: &str, count: u64) {
    let pull = format!("{{\"batch\":{count},\"expires\":600000000000,\"idle_heartbeat\":60000000000}}");
    let inbox = nats.inbox.clone();
    nats.send(&format!("PUB $JS.API.CONSUMER.MSG.NEXT.BARE.{name} {inbox}.m {}\r\n{pull}\r\n", pull.len()));
}

/// Publishes with an id, and asks for an acknowledgement.
fn publish(nats: &mut Nats, subject: &str, id: &str, payload: &str) {
    let header = format!("NATS/1.0\r\nNats-Msg-Id: {id}\r\n\r\n");
    let (size, total, inbox) = (header.len(), header.len() + payload.len(), nats.inbox.clone());
    nats.send(&format!("HPUB {subject} {inbox}.p {size} {total}\r\n{header}{payload}\r\n"));
}

/// The least that can stand in a daemon's place: it publishes each line of one member, and sends it each line that was published,
/// with blocking calls and without names, history, or any fault in mind.
pub fn relay(server: u16, port: u16) {
    let (mut down, mut up) = (Nats::connect(server), Nats::connect(server));
    let name = format!("relay{port}");
    consume(&mut down, &name, RELAYED);
    pull(&mut down, &name, 1_000_000);
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("a free port");
    let (mut member, _) = listener.accept().expect("a member");
    member.set_nodelay(true).unwrap();
    let mut said = BufReader::new(member.try_clone().unwrap());
    std::thread::spawn(move || {
        loop {
            let is_said = down.message().0 == RELAYED;
            let line = &down.body[..down.body.len() - 2];
            if is_said && member.write_all(line).is_err() {
                std::process::exit(0);
            }
        }
    });
    for number in 0.. {
        let mut line = String::new();
        if said.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        publish(&mut up, RELAYED, &format!("{port}.{number}"), &line);
    }
}

/// The bare publish and pull: one connection writes, the other reads.
pub struct Bare {
    pub writer: Nats,
    reader: Nats,
    number: u64,
}

impl Bare {
    pub fn new(port: u16) -> Bare {
        let (mut writer, mut reader) = (Nats::connect(port), Nats::connect(port));
        let stream = r#"{"name":"BARE","subjects":["bare.*"],"storage":"file","retention":"limits","discard":"old","max_msgs":100000,"max_bytes":67108864,"max_age":86400000000000,"duplicate_window":600000000000,"num_replicas":1}"#;
        let made = writer.request("$JS.API.STREAM.CREATE.BARE", stream);
        assert!(!made.contains("\"error\""), "{made}");
        consume(&mut reader, "c", BARE);
        Bare { writer, reader, number: 0 }
    }

    pub fn publish(&mut self, payload: &str) {
        self.number += 1;
        publish(&mut self.writer, BARE, &format!("bare.{}", self.number), payload);
    }

    /// The times from publishing to delivery, one message at a time. `reads_itself`: the writer hears its own messages too, from a
    /// consumer of its own, as each machine of a shared room does.
    pub fn round(&mut self, reads_itself: bool, times: &mut Vec<Duration>) {
        let own = format!("w{}", self.number);
        if reads_itself {
            consume(&mut self.writer, &own, BARE);
            pull(&mut self.writer, &own, ROUND as u64);
        }
        pull(&mut self.reader, "c", ROUND as u64);
        let payload = "x".repeat(LINE);
        for _ in 0..ROUND {
            let begun = Instant::now();
            self.publish(&payload);
            while self.reader.message().0 != BARE {}
            times.push(begun.elapsed());
            self.writer.message(); // its acknowledgement, or the message itself
            if reads_itself {
                self.writer.message();
            }
        }
        if reads_itself {
            self.writer.request(&format!("$JS.API.CONSUMER.DELETE.BARE.{own}"), "");
        }
    }
}
