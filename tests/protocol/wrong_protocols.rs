//! Clients of other protocols: each gets one sentence that names the service, and nothing of its input is executed.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::late::{SECOND, in_time};
use crate::harness::{BESIDE, CHAT, Client, Daemon, HELLO, MULTIPLY, STATS, TALK, USUAL, not_http};

const CAVE: &str = "Greetings from the cave! Now type your name and press enter!\n";

fn daemon() -> Daemon {
    Daemon::with(&format!("{USUAL}{BESIDE}"))
}

/// Every service that reads input, its port, and its first output.
const SERVICES: [(u16, &str, &str); 5] = [
    (MULTIPLY, "multiply", ""),
    (CHAT, "chat", CAVE),
    (HELLO, "hello", ""),
    (TALK, "talk", ""),
    (STATS, "stats", ""),
];

/// The first bytes of a client of each protocol.
const FIRST_WORDS: &[(&str, &[u8])] = &[
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ("SSH", b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u7\r\n"),
    ("RDP", b"\x03\x00\x00\x2b\x26\xe0\x00\x00\x00\x00\x00Cookie: mstshash=ann\r\n\x01\x00\x08\x00\x03\x00\x00\x00"),
    ("SMB", b"\x00\x00\x00\x45\xffSMBr\x00\x00\x00\x00\x18\x01\x28"),
    ("SOCKS", b"\x05\x02\x00\x01"),
    ("PROXY", b"PROXY TCP4 127.0.0.1 127.0.0.1 40000 33000\r\n"),
    ("PROXY", b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"),
    ("MQTT", b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test"),
    ("PostgreSQL", b"\x00\x00\x00\x08\x04\xd2\x16\x2f"),
    ("PostgreSQL", b"\x00\x00\x00\x1a\x00\x03\x00\x00user\x00ann\x00database\x00x\x00\x00"),
    ("Redis", b"*1\r\n$4\r\nPING\r\n"),
];

#[test]
fn each_protocol_is_named_and_its_client_closed() {
    let daemon = daemon();
    for (port, service, before) in SERVICES {
        // Two clients that wait in talk at the same time would be partners, and end together.
        let at_once = if service == "talk" { 1 } else { FIRST_WORDS.len() };
        for batch in FIRST_WORDS.chunks(at_once) {
            let mut clients: Vec<Client> = batch.iter().map(|_| daemon.tcp(port)).collect();
            for (client, (_, words)) in clients.iter_mut().zip(batch) {
                client.say(words);
            }
            for (mut client, (protocol, _)) in clients.into_iter().zip(batch) {
                client.hear(format!("{before}Error: this port speaks {service}, not {protocol}\n"));
                client.hear_end();
                daemon.wait_for_log(&format!("closed: spoke {protocol}"));
            }
        }
    }
    daemon.stop();
}

#[test]
fn request_in_pieces_gets_one_answer_and_reaches_no_member() {
    let requests =
        [&["GE", "T / HT", "TP/1.1\r\nHost: x\r\n\r\n"][..], &["brew ", "/", "pot HTTP/1.1", "\r\n\r\n"]];
    for pieces in requests {
        let (daemon, mut ann, clients) = in_time(|| {
            let daemon = daemon();
            let ann = Client::member(&daemon, "ann");
            let (mut clients, begun) = (SERVICES.map(|(port, ..)| daemon.tcp(port)), Instant::now());
            for piece in pieces {
                for client in &mut clients {
                    client.try_say(piece.as_bytes()); // the daemon may have answered and closed already
                }
                sleep(Duration::from_millis(50)); // the test is about the pause: longer than any `raw_gap`
            }
            // A second of silence would make a message of what has come.
            (begun.elapsed() < SECOND).then_some((daemon, ann, clients))
        });
        for (mut client, (_, service, before)) in clients.into_iter().zip(SERVICES) {
            client.hear(format!("{before}{}", not_http(service)));
            client.hear_end();
        }
        ann.say("quiet here\n");
        ann.hear("ann: quiet here\n");
        daemon.stop();
    }
}

/// The answers to a WebSocket client and a client of HTTP/2.
#[test]
fn upgrade_and_http_2_preface_are_answered_as_http() {
    let daemon = daemon();
    for request in [
        "GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    ] {
        let mut client = daemon.tcp(MULTIPLY);
        client.say(request);
        client.hear(not_http("multiply"));
        client.hear_end();
    }
    daemon.stop();
}
