//! Holds the example dialogues of ipcd-protocol(7) with a real daemon.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use ipcd::engine::service::Service;
use rustix::process::Signal;

use super::PROTOCOL;
use super::page::blocks;
use crate::harness::{Client, Daemon};

/// With this gap, two messages are two recv() calls on a busy machine too.
const RAW_GAP: Duration = Duration::from_millis(700);

/// An example of ipcd-protocol(7).
struct Dialogue {
    service: Service,
    /// Whether each received line is one recv().
    by_recv: bool,
    over: Vec<Over>,
    lines: Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Over {
    Tcp,
    Unix,
}

impl Dialogue {
    fn all() -> Vec<Dialogue> {
        let read = |(words, lines): (Vec<String>, Vec<String>)| {
            let (service, rest) = words.split_first().expect("a service");
            let mut dialogue = Dialogue {
                service: Service::named(service).expect(service),
                by_recv: false,
                over: vec![Over::Tcp, Over::Unix],
                lines,
            };
            for word in rest {
                match word.as_str() {
                    "recv" => dialogue.by_recv = true,
                    "tcp" => dialogue.over = vec![Over::Tcp],
                    "unix" => dialogue.over = vec![Over::Unix],
                    _ => panic!("{word:?} means nothing here"),
                }
            }
            dialogue
        };
        blocks(PROTOCOL, "dialogue").into_iter().map(read).collect()
    }

    /// Every service on TCP and on a Unix socket, with the configuration that the dialogue mentions.
    fn configuration(&self) -> String {
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for service in Service::ALL {
            let (port, name) = (port(service), service.name());
            // Watch is only for users that the kernel identifies.
            let network = match service {
                Service::Watch => String::new(),
                Service::Page => format!("\"http://{{ip}}:{port}\", "),
                _ => format!("\"tcp://{{ip}}:{port}\", "),
            };
            let scheme = if service == Service::Page { "http+unix" } else { "unix" };
            let listen = format!("listen = [{network}\"{scheme}://{{dir}}/{name}.sock\"]");
            tables.insert(name.to_owned(), vec![listen]);
        }
        if self.by_recv {
            let key = format!("raw_gap = \"{}ms\"", RAW_GAP.as_millis());
            tables.entry("limits".to_owned()).or_default().push(key);
        }
        for line in &self.lines {
            if let Some((table, key)) = line.strip_prefix("# [").and_then(|line| line.split_once("] ")) {
                // No example waits for this gap to end.
                let key = if key.starts_with("raw_gap") { "raw_gap = \"10s\"" } else { key };
                tables.entry(table.to_owned()).or_default().push(key.to_owned());
            }
        }
        tables.iter().map(|(table, keys)| format!("[{table}]\n{}\n", keys.join("\n"))).collect()
    }

    fn hold(&self, over: Over) {
        let daemon = Daemon::with(&self.configuration());
        let mut clients: BTreeMap<&str, Client> = BTreeMap::new();
        for line in &self.lines {
            if line == "# SIGTERM" {
                daemon.signal(Signal::TERM);
                continue;
            }
            if line.starts_with("# [") {
                continue;
            }
            let at = line.find(['<', '>']).unwrap_or_else(|| panic!("{line:?} is no line of a dialogue"));
            let (name, what) = (line[..at].trim(), line[at + 1..].trim());
            let client = clients.entry(name).or_insert_with(|| self.connect(&daemon, over));
            match (&line[at..=at], what) {
                (">", "end of file") => client.half_close(),
                (">", bytes) => client.say(python(bytes)),
                ("<", "end of file") => client.hear_end(),
                ("<", "reset") => client.hear_reset(),
                ("<", bytes) if self.by_recv => {
                    client.recv_message(std::str::from_utf8(&python(bytes)).unwrap(), RAW_GAP);
                }
                (_, bytes) => client.hear(python(bytes)),
            }
        }
    }

    fn connect(&self, daemon: &Daemon, over: Over) -> Client {
        match over {
            Over::Tcp => Client::tcp(SocketAddr::from((daemon.ip, port(self.service)))),
            Over::Unix => {
                Client::unix(&daemon.directory.path().join(format!("{}.sock", self.service.name())))
            }
        }
    }
}

fn port(service: Service) -> u16 {
    7000 + service as u16
}

/// The bytes that `b"..."` means in Python.
fn python(literal: &str) -> Vec<u8> {
    let inner = literal.strip_prefix("b\"").and_then(|rest| rest.strip_suffix('"'));
    let inner = inner.unwrap_or_else(|| panic!("{literal} is no byte string"));
    let mut bytes = Vec::new();
    let mut rest = inner.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'\\') => b'\\',
            Some(b'"') => b'"',
            Some(b'x') => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).unwrap_or_else(|_| panic!("{literal}: \\x{digits}"))
            }
            other => panic!("{literal}: an escape of {other:?}"),
        });
    }
    bytes
}

#[test]
fn protocol_examples_match_a_running_daemon() {
    let dialogues = Dialogue::all();
    assert!(dialogues.len() > 20, "{}", dialogues.len());
    for service in Service::ALL {
        assert!(dialogues.iter().any(|dialogue| dialogue.service == service), "no example of {service}");
    }
    // Most dialogues wait for some time to pass, so they run together.
    std::thread::scope(|scope| {
        for dialogue in &dialogues {
            for over in &dialogue.over {
                let (dialogue, over): (&Dialogue, Over) = (dialogue, *over);
                let name = format!("{}: {}", dialogue.service, dialogue.lines.join(" / "));
                std::thread::Builder::new()
                    .name(name)
                    .spawn_scoped(scope, move || dialogue.hold(over))
                    .unwrap();
            }
        }
    });
}
