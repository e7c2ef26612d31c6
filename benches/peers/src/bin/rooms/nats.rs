//! A minimal client of NATS, and the bare publish and pull with it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{LINE, ROUND, connect};

/// A minimal client of NATS.
pub struct Nats {
    reader: BufReader<TcpStream>,
    requests: u64,
    /// What the last message had.
    pub body: Vec<u8>,
}

impl Nats {
    pub fn connect(port: u16) -> Nats {
        let mut nats = Nats { reader: BufReader::new(connect(port)), requests: 0, body: Vec::new() };
        nats.line();
        nats.send("CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true,\"protocol\":1}\r\nSUB in.* 1\r\nPING\r\n");
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
        let inbox = format!("in.r{}", self.requests);
        self.send(&format!("PUB {subject} {inbox} {}\r\n{payload}\r\n", payload.len()));
        while self.message().0 != inbox {}
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Makes a consumer of what is published from now on.
pub fn consume(nats: &mut Nats, name: &str) {
    let config = format!(
        r#"{{"stream_name":"BARE","action":"create","config":{{"name":"{name}","deliver_policy":"new","ack_policy":"none","filter_subject":"bare.x","mem_storage":true,"num_replicas":1,"inactive_threshold":600000000000}}}}"#
    );
    let made = nats.request(&format!("$JS.API.CONSUMER.CREATE.BARE.{name}.bare.x"), &config);
    assert!(!made.contains("\"error\""), "{made}");
}

/// Asks for so many messages.
pub fn pull(nats: &mut Nats, name: &str, count: u64) {
    let pull = format!("{{\"batch\":{count},\"expires\":600000000000,\"idle_heartbeat\":60000000000}}");
    nats.send(&format!("PUB $JS.API.CONSUMER.MSG.NEXT.BARE.{name} in.m {}\r\n{pull}\r\n", pull.len()));
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
        consume(&mut reader, "c");
        Bare { writer, reader, number: 0 }
    }

    pub fn publish(&mut self, payload: &str) {
        self.number += 1;
        let header = format!("NATS/1.0\r\nNats-Msg-Id: bare.{}\r\n\r\n", self.number);
        let (size, total) = (header.len(), header.len() + payload.len());
        self.writer.send(&format!("HPUB bare.x in.p {size} {total}\r\n{header}{payload}\r\n"));
    }

    /// The times from publishing to delivery, one message at a time.
    pub fn round(&mut self, times: &mut Vec<Duration>) {
        pull(&mut self.reader, "c", ROUND as u64);
        let payload = "x".repeat(LINE);
        for _ in 0..ROUND {
            let begun = Instant::now();
            self.publish(&payload);
            while self.reader.message().0 != "bare.x" {}
            times.push(begun.elapsed());
            self.writer.message(); // its acknowledgement
        }
    }
}
