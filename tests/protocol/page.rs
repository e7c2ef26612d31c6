//! Browsers, and programs that claim to be one: HTTP and WebSockets with a real daemon.

mod frames;
mod tokens;

#[cfg(feature = "page")]
use std::io::Read as _;
use std::time::Instant;

#[cfg(feature = "page")]
use flate2::read::GzDecoder;

use crate::harness::late::{SECOND, in_time};
use crate::harness::{BESIDE, CHAT, Client, Daemon, USUAL, show};

const PAGE: &str = "[page]\nlisten = [\"http://{ip}:33080\", \"http+unix://{dir}/page.sock\"]\n";
const PORT: u16 = 33080;
const CAVE: &str = "Greetings from the cave! Now type your name and press enter!";

/// The token, requested in the same way as by `ipcctl page --teacher`.
pub fn token(daemon: &Daemon) -> String {
    let mut control = daemon.unix();
    control.say("control\ntoken\n");
    control.half_close();
    let told = String::from_utf8(control.hear_rest()).unwrap();
    told.trim_end().strip_prefix("OK: ").unwrap_or_else(|| panic!("{told}")).to_owned()
}

/// A request that opens the WebSocket of a service.
pub fn upgrade(service: &str, fields: &str) -> String {
    format!(
        "GET /{service} HTTP/1.1\r\nHost: localhost:33080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
    )
}

/// The answer that opens it.
pub const OPENED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A frame in the form in which a server sends it.
pub fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length @ ..126) => frame.push(length as u8),
        Ok(length) => {
            frame.push(126);
            frame.extend(length.to_be_bytes());
        }
        Err(_) => {
            frame.push(127);
            frame.extend((payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// A frame in the form in which a client sends it: masked.
pub fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = server_frame(first, payload);
    frame[1] |= 0x80;
    let head = frame.len() - payload.len();
    frame.truncate(head);
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

fn daemon() -> Daemon {
    Daemon::with(&format!("{USUAL}{BESIDE}{PAGE}"))
}

/// An open WebSocket.
fn opened(daemon: &Daemon, service: &str) -> Client {
    let mut client = daemon.tcp(PORT);
    client.say(upgrade(service, ""));
    client.hear(OPENED);
    client
}

fn say(client: &mut Client, text: &str) {
    client.say(client_frame(0x81, text.as_bytes()));
}

#[track_caller]
fn hear(client: &mut Client, text: &str) {
    client.hear(server_frame(0x81, text.as_bytes()));
}

/// The next line, on a socket.
#[track_caller]
fn hear_line(client: &mut Client) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        assert_eq!(client.read(&mut byte).unwrap(), 1, "{}", show(&line));
        line.extend(byte);
    }
    String::from_utf8(line).unwrap()
}

#[track_caller]
fn hear_close(client: &mut Client, code: u16) {
    client.hear(server_frame(0x88, &code.to_be_bytes()));
    client.hear_end();
}

#[test]
fn websocket_socket_and_netcat_are_in_one_room() {
    let daemon = daemon();
    let mut alice = opened(&daemon, "chat");
    hear(&mut alice, CAVE);
    say(&mut alice, "alice");
    hear(&mut alice, "Welcome alice! If you ever want to quit, type {quit} to exit.");
    let mut bob = daemon.tcp(CHAT);
    bob.say("bob\n");
    bob.hear(format!("{CAVE}\nWelcome bob! If you ever want to quit, type {{quit}} to exit.\n"));
    hear(&mut alice, "bob has joined the chat!");
    let mut carol = Client::unix(&daemon.directory.path().join("page.sock"));
    carol.say(upgrade("chat", ""));
    carol.hear(OPENED);
    hear(&mut carol, CAVE);
    say(&mut carol, "carol");
    hear(&mut carol, "Welcome carol! If you ever want to quit, type {quit} to exit.");
    for line in ["bob: from nc", "alice: from a browser", "carol: 🙂 through a proxy"] {
        let (name, said) = line.split_once(": ").unwrap();
        match name {
            "bob" => bob.say(format!("{said}\n")),
            "alice" => say(&mut alice, said),
            _ => say(&mut carol, said),
        }
        if name == "bob" {
            hear(&mut alice, "carol has joined the chat!");
            bob.hear("carol has joined the chat!\n");
        }
        hear(&mut alice, line);
        hear(&mut carol, line);
        bob.hear(format!("{line}\n"));
    }
    say(&mut alice, "/msg bob psst");
    bob.hear("alice (to you): psst\n");
    hear(&mut alice, "you (to bob): psst");
    say(&mut alice, "{quit}");
    hear(&mut alice, "{quit}");
    hear_close(&mut alice, 1000);
    bob.hear("alice has left the chat.\n");
    drop(carol);
    bob.hear("carol has left the chat.\n");
    drop(bob);
    daemon.stop();
}

#[test]
fn every_service_is_a_websocket_of_its_own() {
    let daemon = daemon();
    let mut multiply = opened(&daemon, "multiply");
    say(&mut multiply, "5 10");
    hear(&mut multiply, "Data received");
    hear(&mut multiply, "50.0");
    multiply.say(client_frame(0x89, b"are you there"));
    multiply.hear(server_frame(0x8a, b"are you there"));
    multiply.say(client_frame(0x88, &4000_u16.to_be_bytes()));
    hear_close(&mut multiply, 4000);
    let mut greeting = opened(&daemon, "greeting");
    hear(&mut greeting, "Message received. Thank you for connecting");
    hear_close(&mut greeting, 1000);
    let mut hello = opened(&daemon, "hello");
    say(&mut hello, "Hello from client");
    hear(&mut hello, "Hello from server");
    hear_close(&mut hello, 1000);
    let (mut one, mut other) = (opened(&daemon, "talk"), opened(&daemon, "talk"));
    say(&mut one, "hi");
    hear(&mut other, "hi");
    say(&mut other, "bye");
    hear(&mut one, "bye");
    hear_close(&mut one, 1000);
    // Bytes directly after the request, before it is answered, are not lost.
    let mut hasty = daemon.tcp(PORT);
    hasty.say([upgrade("multiply", "").as_bytes(), &client_frame(0x81, b"3 4")].concat());
    hasty.hear(OPENED);
    hear(&mut hasty, "Data received");
    hear(&mut hasty, "12.0");
    daemon.wait_for_log("multiply");
    daemon.stop();
    hear_close(&mut hasty, 1001);
}

#[test]
fn requests_are_answered_in_order_and_the_connection_stays() {
    let daemon = daemon();
    let request =
        |path: &str, fields: &str| format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n");
    let mut client = daemon.tcp(PORT);
    let healthz = request("/healthz", "");
    client.say(format!("{healthz}{}\r\n{healthz}", request("/nothing", "")));
    client.say(request("/healthz", "Connection: close\r\n"));
    let heard = String::from_utf8(client.hear_rest()).unwrap();
    let lines: Vec<&str> = heard.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(lines, ["200", "404", "200", "200"], "{heard}");
    // Every path is found at every cut.
    for cut in 1..healthz.len() {
        let mut client = daemon.tcp(PORT);
        client.say(&healthz[..cut]);
        client.say(&healthz[cut..]);
        client.half_close();
        let heard = String::from_utf8(client.hear_rest()).unwrap();
        assert!(
            heard.starts_with("HTTP/1.1 200 ") && heard.ends_with("\r\n\r\nok\n"),
            "cut at {cut}: {heard}"
        );
    }
    daemon.stop();
}

#[cfg(feature = "page")]
#[test]
fn page_is_sent_compressed_and_only_if_it_is_new() {
    let daemon = daemon();
    let ask = |fields: &str| {
        let mut client = daemon.tcp(PORT);
        let close = "Connection: close\r\n";
        client.say(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{close}{fields}\r\n"));
        let heard = client.hear_rest();
        let end = heard.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        (String::from_utf8(heard[..end].to_vec()).unwrap(), heard[end..].to_vec())
    };
    let (head, plain) = ask("");
    assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("Content-Encoding"), "{head}");
    assert!(String::from_utf8(plain.clone()).unwrap().starts_with("<!doctype html>"), "the page as it is");
    let (head, packed) = ask("Accept-Encoding: gzip, deflate, br\r\n");
    assert!(head.contains("\r\nContent-Encoding: gzip\r\n"), "{head}");
    let mut unpacked = Vec::new();
    GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == plain && packed.len() < plain.len());
    let tag = head.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap();
    let (head, body) = ask(&format!("Accept-Encoding: gzip\r\nIf-None-Match: {tag}\r\n"));
    assert!(head.starts_with("HTTP/1.1 304 ") && body.is_empty(), "{head}");
    daemon.stop();
}

#[test]
fn requests_that_two_readers_could_understand_differently_are_refused() {
    let daemon = daemon();
    let smuggled = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (fields, status) in [
        ("Content-Length: 5\r\nContent-Length: 6\r\n", "400"),
        ("Content-Length: 44\r\n", "413"),
        ("Transfer-Encoding: chunked\r\n", "400"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", "400"),
        ("A: b\r\n folded\r\n", "400"),
        ("Host : x\r\n", "400"),
        ("Host: x\r\n", "400"),
        ("A: b\rc\r\n", "400"),
    ] {
        let mut client = daemon.tcp(PORT);
        client.say(format!("POST / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n{smuggled}"));
        let heard = String::from_utf8(client.hear_rest()).unwrap();
        assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{fields:?}: {heard}");
        assert_eq!(
            heard.matches("HTTP/1.1 ").count(),
            1,
            "{fields:?}: what stands behind is no request: {heard}"
        );
    }
    for (first, status) in [
        ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", "505"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"),
        ("\x16\x03\x01\x02\x01\x01\x01\x01\n\n", "400"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "400"),
        ("nonsense\r\n\r\n", "400"),
    ] {
        let mut client = daemon.tcp(PORT);
        client.say(first);
        let heard = String::from_utf8(client.hear_rest()).unwrap();
        assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{first:?}: {heard}");
    }
    daemon.wait_for_log("closed: sent a request that cannot be served");
    daemon.stop();
}

#[test]
fn slow_and_long_heads_end_in_time() {
    let daemon = Daemon::with(&format!("{USUAL}{PAGE}message_timeout = \"300ms\"\n"));
    let mut slow = daemon.tcp(PORT);
    let mut long = daemon.tcp(PORT);
    let mut fields = daemon.tcp(PORT);
    let (mut slow_head, mut long_head) = (daemon.tcp(PORT), daemon.tcp(PORT));
    slow_head.say("HEAD / HTTP/1.1\r\nHost: loc");
    long_head.say(format!("HEAD /{} HTTP/1.1\r\n", "x".repeat(17_000)));
    slow.say("GET / HTTP/1.1\r\nHost: loc");
    long.say(format!("GET /{} HTTP/1.1\r\n", "x".repeat(17_000)));
    fields.say(format!("GET / HTTP/1.1\r\n{}", "A: b\r\n".repeat(3000)));
    // Neither affects anyone else.
    let mut healthy = opened(&daemon, "multiply");
    say(&mut healthy, "5 10");
    hear(&mut healthy, "Data received");
    hear(&mut healthy, "50.0");
    for (client, status, words) in [
        (&mut slow, "408", "message not finished after 0.3 s"),
        (&mut long, "431", "message longer than 16384 bytes"),
        (&mut fields, "431", "message longer than 16384 bytes"),
    ] {
        let heard = String::from_utf8(client.hear_rest()).unwrap();
        assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")) && heard.contains(words), "{heard}");
    }
    for (client, status) in [(&mut slow_head, "408"), (&mut long_head, "431")] {
        let heard = String::from_utf8(client.hear_rest()).unwrap();
        assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")) && heard.ends_with("\r\n\r\n"), "{heard}");
    }
    drop(healthy);
    daemon.stop();
}

#[test]
fn half_open_clients_get_their_replies_and_end_in_time() {
    let limits = "message_timeout = \"300ms\"\nidle_timeout = \"300ms\"\n";
    let daemon = Daemon::with(&format!("{USUAL}{PAGE}{limits}"));
    let request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // One says nothing, one only half, and neither closes.
    daemon.tcp(PORT).hear_end();
    let mut slow = in_time(|| {
        let (mut slow, begun) = (daemon.tcp(PORT), Instant::now());
        let is_said = slow.try_say(format!("{request}{}", &request[..9]).as_bytes());
        (is_said && begun.elapsed() < SECOND * 3 / 10).then_some(slow)
    });
    let heard = String::from_utf8(slow.hear_rest()).unwrap();
    assert!(heard.starts_with("HTTP/1.1 200 ") && heard.contains("ok\nHTTP/1.1 408 "), "{heard}");
    daemon.stop();
    // These close their sending side: in the middle of a request, behind one, and behind a frame. That ends them.
    let daemon = Daemon::with(&format!("{USUAL}{PAGE}"));
    let (mut in_request, mut behind_it) = (daemon.tcp(PORT), daemon.tcp(PORT));
    in_request.say(&request[..9]);
    behind_it.say(request);
    let mut behind_frame = opened(&daemon, "multiply");
    say(&mut behind_frame, "5 10");
    for client in [&mut in_request, &mut behind_it, &mut behind_frame] {
        client.half_close();
    }
    in_request.hear_end();
    assert!(behind_it.hear_rest().ends_with(b"\r\n\r\nok\n"));
    hear(&mut behind_frame, "Data received");
    hear(&mut behind_frame, "50.0");
    hear_close(&mut behind_frame, 1000);
    daemon.stop();
}

#[test]
fn pipelined_flood_is_answered_in_order_and_delays_nobody() {
    const REQUESTS: usize = 20_000;
    let daemon = daemon();
    let mut flooding = daemon.tcp(PORT);
    let mut writer = flooding.share();
    let flood = std::thread::spawn(move || {
        for number in 0..REQUESTS {
            let close = if number + 1 == REQUESTS { "Connection: close\r\n" } else { "" };
            writer.say(format!("GET /no{number} HTTP/1.1\r\nHost: localhost\r\n{close}\r\n"));
        }
    });
    // It reads nothing, so it is soon not read from either.
    let mut healthy = opened(&daemon, "multiply");
    for _ in 0..100 {
        say(&mut healthy, "5 10");
        hear(&mut healthy, "Data received");
        hear(&mut healthy, "50.0");
    }
    let heard = String::from_utf8(flooding.hear_rest()).unwrap();
    flood.join().unwrap();
    let answers: Vec<&str> = heard.split("there is no /no").skip(1).collect();
    assert_eq!(answers.len(), REQUESTS);
    for (number, answer) in answers.iter().enumerate() {
        assert!(answer.starts_with(&format!("{number} here")), "{number}: {answer}");
    }
    drop(healthy);
    daemon.stop();
}

#[test]
fn pages_of_other_sites_get_no_websocket() {
    let daemon = daemon();
    for (host, origin, service, status) in [
        ("localhost:33080", "http://localhost:33080", "chat", "101"),
        ("localhost:33080", "http://127.0.0.1:33080", "chat", "101"),
        ("evil.example:33080", "http://evil.example:33080", "chat", "421"),
        ("localhost:33080", "http://evil.example", "multiply", "403"),
        ("localhost:33080", "null", "chat", "403"),
        ("localhost:33080", "null", "multiply", "101"),
    ] {
        let mut client = daemon.tcp(PORT);
        let origin = format!("Origin: {origin}\r\n");
        client.say(
            upgrade(service, &origin).replace("localhost:33080\r\nUpgrade", &format!("{host}\r\nUpgrade")),
        );
        client.half_close();
        let heard = String::from_utf8_lossy(&client.hear_rest()).into_owned();
        assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{host} {origin}: {heard}");
    }
    daemon.stop();
}

#[test]
fn client_that_offers_hints_gets_those_that_watchers_get() {
    let daemon = daemon();
    let mut watcher = daemon.unix();
    watcher.say("watch\nhints json\n");
    hear_line(&mut watcher);
    let mut client = daemon.tcp(PORT);
    client.say(upgrade("multiply", "Sec-WebSocket-Protocol: ipcd.hints\r\n"));
    client.hear(OPENED.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: ipcd.hints\r\n\r\n"));
    for (request, error, hint) in [
        ("5 10", None, None),
        (
            "5,10",
            Some("expected two numbers, for example: 5 10"),
            Some("'5,10' has a comma between its numbers: write 5 10, with only white space between them"),
        ),
        (
            "7",
            Some("expected two numbers, for example: 5 10"),
            Some("'7' is one number: write both on one line, for example 5 10"),
        ),
        ("5 x", Some("not a number: 'x'"), None),
    ] {
        say(&mut client, request);
        hear(&mut client, "Data received");
        hear(&mut client, &error.map_or("50.0".to_owned(), |error| format!("Error: {error}")));
        if let Some(hint) = hint {
            client.hear(server_frame(0x82, hint.as_bytes()));
            let told = hear_line(&mut watcher);
            assert!(told.contains(hint), "{told}");
        }
    }
    // Who does not ask for hints gets none.
    let mut usual = opened(&daemon, "multiply");
    for (request, reply) in [("7", "Error: expected two numbers, for example: 5 10"), ("5 10", "50.0")] {
        say(&mut usual, request);
        hear(&mut usual, "Data received");
        hear(&mut usual, reply);
    }
    daemon.stop();
}

/// An idle WebSocket is a session without buffers, and its place in the tables.
#[test]
fn idle_websocket_takes_at_most_384_bytes() {
    const MANY: usize = 3000;
    const IDLE_BYTES_MAX: usize = 384;
    let daemon = Daemon::with(&format!("{USUAL}{PAGE}"));
    let ask = || {
        let mut client = opened(&daemon, "multiply");
        say(&mut client, "5 10");
        hear(&mut client, "Data received");
        hear(&mut client, "50.0");
        client
    };
    drop(ask()); // memory that is needed only once is not a connection's
    let before = daemon.own_bytes();
    let clients: Vec<Client> = (0..MANY).map(|_| ask()).collect();
    let each = daemon.own_bytes().saturating_sub(before) / MANY;
    eprintln!("{each} bytes each");
    assert!(each <= IDLE_BYTES_MAX, "{each} bytes each");
    drop(clients);
    daemon.stop();
}

#[test]
fn connections_over_the_limit_get_an_http_error() {
    let daemon = Daemon::with(&format!("{USUAL}max_connections = 1\n{PAGE}max_connections = 2\n"));
    let _held = daemon.unix();
    let mut first = daemon.tcp(PORT);
    first.say("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    first.recv();
    let _second = daemon.tcp(PORT);
    let mut third = daemon.tcp(PORT);
    let heard = String::from_utf8(third.hear_rest()).unwrap();
    assert!(heard.starts_with("HTTP/1.1 503 ") && heard.contains("too many connections"), "{heard}");
    // A WebSocket counts among the connections of its service.
    first.say(upgrade("mux", ""));
    let heard = String::from_utf8(first.hear_rest()).unwrap();
    assert!(heard.contains("HTTP/1.1 503 "), "{heard}");
    daemon.stop();
}
