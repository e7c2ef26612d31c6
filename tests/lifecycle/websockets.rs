//! WebSockets over a restart under a service manager.

use super::restart::{hand_over, next};
use crate::harness::manager::Manager;
use crate::harness::{Client, Daemon, TestDir, USUAL};

const PAGE: &str = "[page]\nlisten = [\"http://{ip}:33080\"]\n";
const OPENING: &str = "HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const OPENED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A masked frame; the mask is 0.
fn frame(first: u8, text: &str) -> Vec<u8> {
    [&[first, 0x80 | text.len() as u8, 0, 0, 0, 0], text.as_bytes()].concat()
}

fn heard(text: &str) -> Vec<u8> {
    [&[0x81, text.len() as u8], text.as_bytes()].concat()
}

fn open(daemon: &Daemon, service: &str) -> Client {
    let mut client = daemon.tcp(33080);
    client.say(format!("GET /{service} {OPENING}"));
    client.hear(OPENED);
    client
}

#[test]
fn websocket_that_broke_a_rule_gets_all_its_answers_after_a_restart() {
    const ALL: usize = 40;
    let test_dir = TestDir::new();
    test_dir.write_config(&format!("[limits]\nmessages_per_second = 20\n{USUAL}{PAGE}"));
    let manager = Manager::new(&test_dir);
    let command = manager.command(&test_dir, Vec::new());
    let mut before = test_dir.start(command);
    let mut client = open(&before, "multiply");
    // The last frame is not masked.
    client.say([frame(0x81, "1 1").repeat(ALL), heard("x")].concat());
    let answer = [heard("Data received"), heard("1.0")].concat();
    client.hear(&answer);
    hand_over(&mut before);
    client.say(frame(0x81, "2 2")); // behind the end
    let after = next(&before, &manager);
    for _ in 1..ALL {
        client.hear(&answer);
    }
    client.hear(heard("Error: a client's frame is masked, and this one is not"));
    client.hear(b"\x88\x02\x03\xea");
    client.hear_end();
    drop(client);
    after.stop();
}

#[test]
fn websocket_survives_a_restart() {
    let test_dir = TestDir::new();
    test_dir.write_config(&format!("{USUAL}{PAGE}"));
    let manager = Manager::new(&test_dir);
    let command = manager.command(&test_dir, Vec::new());
    let mut before = test_dir.start(command);
    let open = |service: &str| open(&before, service);
    let mut chat = open("chat");
    chat.hear(heard("Greetings from the cave! Now type your name and press enter!"));
    chat.say(frame(0x81, "alice"));
    chat.hear(heard("Welcome alice! If you ever want to quit, type {quit} to exit."));
    let mut whole = open("multiply");
    // In the middle of a head, of a payload, and of a message in several frames.
    let (mut in_head, mut in_payload, mut in_message) =
        (open("multiply"), open("multiply"), open("multiply"));
    for (client, begun) in [
        (&mut in_head, frame(0x81, "5 10")[..3].to_vec()),
        (&mut in_payload, frame(0x81, "5 10")[..8].to_vec()),
        (&mut in_message, frame(0x01, "5 ")),
    ] {
        client.say([&frame(0x81, "1 1")[..], &begun].concat());
        client.hear([heard("Data received"), heard("1.0")].concat());
    }
    let mut advised = before.tcp(33080);
    let hints = "\r\nSec-WebSocket-Protocol: ipcd.hints\r\n\r\n";
    advised.say(format!("GET /multiply {}", OPENING.replace("\r\n\r\n", hints)));
    advised.hear(OPENED.replace("\r\n\r\n", hints));
    let mut request = before.tcp(33080);
    request.say("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea");
    request.recv();

    hand_over(&mut before);
    let after = next(&before, &manager);

    for (client, rest) in [
        (&mut whole, frame(0x81, "5 10")),
        (&mut in_head, frame(0x81, "5 10")[3..].to_vec()),
        (&mut in_payload, frame(0x81, "5 10")[8..].to_vec()),
        (&mut in_message, frame(0x80, "10")),
    ] {
        client.say(rest);
        client.hear([heard("Data received"), heard("50.0")].concat());
    }
    request.say("lthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert!(request.hear_rest().ends_with(b"ok\n"));
    advised.say(frame(0x81, "7"));
    advised.hear([heard("Data received"), heard("Error: expected two numbers, for example: 5 10")].concat());
    let hint = "'7' is one number: write both on one line, for example 5 10";
    advised.hear([&[0x82, hint.len() as u8], hint.as_bytes()].concat());
    let mut bob = Client::member(&after, "bob");
    chat.hear(heard("bob has joined the chat!"));
    chat.say(frame(0x81, "still here"));
    bob.hear("alice: still here\n");
    chat.hear(heard("alice: still here"));
    drop((bob, whole, in_head, in_payload, in_message));
    after.stop();
}
