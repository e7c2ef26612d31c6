//! Every limit in the manual: which clients are refused, which ones get an error about a timeout, and that the last message is
//! never lost.

mod overlong;
mod pace;
mod places;
mod unread;

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{
    BESIDE, CHAT, Client, Daemon, GREETING, HELLO, MULTIPLY, Probe, STATS, Stream, TALK, USUAL, not_http,
    show, wait_until,
};
use ipcd::engine::limits::PLACES_KEPT;

const TOO_MANY: &str = "Error: too many connections, try again later\n";
const COUNT: &str = "Error: expected two numbers, for example: 5 10";

/// Set when it is dropped, also by a failing test, so that waiting threads end.
struct Closed<'a>(&'a AtomicBool);

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn limited(limits: &str) -> Daemon {
    Daemon::with(&format!("[limits]\n{limits}\n{USUAL}"))
}

#[track_caller]
fn is_refused(mut client: Client) {
    client.hear(TOO_MANY);
    client.hear_end();
}

#[track_caller]
fn is_served(client: &mut Client) {
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
}

/// Connects as soon as the place that was left is free.
fn served_again(connect: impl Fn() -> Client) -> Client {
    wait_until("there is a place again", || {
        let mut client = connect();
        client.try_say(b"5 10\n").then(|| client.read(&mut [0; 1024]).ok())??;
        client.try_say(b"3 4\n").then_some(())?;
        let mut buffer = [0; 1024];
        let count = client.read(&mut buffer).ok()?;
        buffer[..count].ends_with(b"12.0\n").then_some(client)
    })
}

#[test]
fn total_limit_holds() {
    let daemon = limited("max_connections = 4\nlinger_timeout = \"1h\"");
    let (mut one, mut two) = (daemon.tcp(MULTIPLY), daemon.unix());
    is_served(&mut one);
    is_served(&mut two);
    let alice = Client::member(&daemon, "alice");
    let mut greeted = daemon.tcp(GREETING);
    greeted.hear("Message received. Thank you for connecting\r\n"); // this connection lingers, and counts
    for _ in 0..3 {
        is_refused(daemon.tcp(MULTIPLY));
        is_refused(daemon.tcp(CHAT));
        is_refused(daemon.tcp(GREETING));
    }
    is_served(&mut one);
    is_served(&mut two);
    drop((alice, greeted));
    is_served(&mut served_again(|| daemon.tcp(MULTIPLY)));
}

#[test]
fn service_limit_holds_through_the_mux_too() {
    // On the Unix socket this is the daemon's own user, which has more places.
    let config = USUAL.replace("[mux]\nlisten = [", "[mux]\nlisten = [\"tcp://{ip}:33100\", ");
    let daemon = Daemon::with(&config.replace("[multiply]", "[multiply]\nmax_connections = 1"));
    let mut one = daemon.tcp(MULTIPLY);
    is_served(&mut one);
    is_refused(daemon.tcp(MULTIPLY));
    for choice in ["multiply\n", "5 10\n"] {
        let mut local = daemon.tcp(33100);
        local.say(choice);
        is_refused(local);
    }
    Client::member(&daemon, "alice");
    is_served(&mut one);
    drop(one);
    is_served(&mut served_again(|| daemon.tcp(MULTIPLY)));
}

#[test]
fn address_limit_holds_and_loopback_is_one_address() {
    let daemon = limited("max_connections_per_address = 2");
    let from = |last: u8| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::new(127, 77, 77, last), 0)).into()).unwrap();
        socket.connect(&daemon.address(MULTIPLY).into()).unwrap();
        Client::of(socket.into())
    };
    let (mut one, mut two, mut other) = (from(1), from(2), daemon.unix());
    for client in [&mut one, &mut two, &mut other] {
        is_served(client);
    }
    is_refused(from(1));
    is_refused(from(3));
    is_served(&mut other);
    is_served(&mut daemon.unix()); // a user is not an address
    drop(two);
    is_served(&mut served_again(|| from(1)));
}

#[test]
fn user_limit_holds_on_the_unix_socket() {
    // The daemon's own user has some more places.
    let share = 2 + PLACES_KEPT;
    let daemon = Daemon::with(&USUAL.replace("[mux]", "[mux]\nmax_connections_per_address = 2"));
    let mut own: Vec<Client> = (0..share).map(|_| daemon.unix()).collect();
    // It sends no message yet, because a client that has selected another service counts there.
    let mut probe = Probe::new(&daemon);
    probe.wait();
    is_refused(daemon.unix());
    own.iter_mut().for_each(is_served);

    let daemon = limited("max_connections_per_address = 2");
    let mut own: Vec<Client> = (0..share).map(|_| daemon.unix()).collect();
    own.iter_mut().for_each(is_served);
    is_refused(daemon.unix());
    is_served(&mut daemon.tcp(MULTIPLY)); // an address is not a user
}

#[test]
fn idle_client_times_out_and_a_chat_member_does_not() {
    let daemon = limited("idle_timeout = \"1s\"");
    let start = Instant::now();
    let (mut tcp, mut local) = (daemon.tcp(MULTIPLY), daemon.unix());
    let mut alice = Client::member(&daemon, "alice");
    let mut busy = daemon.tcp(MULTIPLY);
    for client in [&mut tcp, &mut local] {
        client.hear("Error: idle for 1 s\n");
        client.hear_end();
    }
    assert!(start.elapsed() >= Duration::from_millis(990));
    busy.hear("Error: idle for 1 s\n");
    busy.hear_end();
    // On a busy machine this test itself may not run for a second, so it was silent. Then it tries again.
    wait_until("the machine lets this test run for a second", || {
        let (mut busy, begun) = (daemon.tcp(MULTIPLY), Instant::now());
        let mut asked = begun;
        while begun.elapsed() < Duration::from_millis(2500) {
            let before = std::mem::replace(&mut asked, Instant::now());
            let is_sent = busy.try_say(b"5 10\n");
            if before.elapsed() >= Duration::from_millis(990) {
                return None;
            }
            assert!(is_sent, "it was not silent for a second");
            busy.hear("Data received\n50.0\n");
            std::thread::sleep(Duration::from_millis(100));
        }
        busy.hear("Error: idle for 1 s\n");
        assert!(asked.elapsed() >= Duration::from_millis(990), "{:?}", asked.elapsed());
        Some(())
    });
    alice.say("hi\n");
    alice.hear("alice: hi\n");
}

#[test]
fn missing_first_message_times_out_wherever_one_is_awaited() {
    let daemon = limited(&format!(
        "first_message_timeout = \"1s\"\nidle_timeout = \"60s\"\nframing = \"line\"\n{}",
        BESIDE.replace("[talk]", "[talk]\nfirst_message_timeout = \"0s\"")
    ));
    let start = Instant::now();
    // The daemon finds them and their first messages at the same time, however long this test took for them.
    daemon.freeze();
    let mut silent = [daemon.tcp(MULTIPLY), daemon.tcp(HELLO), daemon.tcp(STATS), daemon.unix()];
    // Blank lines are not messages, and neither is the beginning of one.
    silent[0].say("\n \n");
    silent[3].say("5 ");
    let (mut alice, mut nameless) = (daemon.tcp(CHAT), daemon.tcp(CHAT));
    let (mut talker, mut greeted, mut busy) = (daemon.tcp(TALK), daemon.tcp(GREETING), daemon.unix());
    alice.say("alice\n");
    busy.say("5 10\n");
    daemon.thaw();
    alice.hear("Greetings from the cave! Now type your name and press enter!\nWelcome alice! If you ever want to quit, type {quit} to exit.\n");
    busy.hear("Data received\n50.0\n");
    for client in &mut silent {
        client.hear("Error: no message for 1 s\n");
        client.hear_end();
    }
    assert!(start.elapsed() >= Duration::from_millis(990));
    daemon.wait_for_log("closed: sent no message in time");
    // Clients that have sent a message, or have another timeout or none, stay.
    is_served(&mut busy);
    alice.say("hi\n");
    alice.hear("alice: hi\n");
    nameless.say("bob\n");
    nameless.hear("Greetings from the cave! Now type your name and press enter!\nWelcome bob!");
    greeted.hear("Message received. Thank you for connecting\r\n");
    let mut partner = daemon.tcp(TALK);
    partner.say("hi\n");
    talker.hear("hi\n");
    let mut status = daemon.unix();
    status.say("status\n");
    status.half_close();
    let report: serde_json::Value = serde_json::from_slice(&status.hear_rest()).unwrap();
    let services = report["services"].as_array().unwrap().iter();
    let silent: u64 = services.map(|service| service["errors_by_kind"]["silent"].as_u64().unwrap()).sum();
    assert_eq!(silent, 4);
}

#[test]
fn talker_is_awaited_only_until_its_first_message() {
    let daemon = limited(&format!("first_message_timeout = \"1s\"\n{BESIDE}"));
    let mut alice = daemon.tcp(TALK);
    alice.say("is anybody there?\n"); // kept for a partner
    let mut probe = Probe::new(&daemon);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1500) {
        probe.wait();
    }
    let start = Instant::now();
    let mut bob = daemon.tcp(TALK);
    bob.hear("is anybody there?\n");
    bob.hear("Error: no message for 1 s\n");
    bob.hear_end();
    assert!(start.elapsed() >= Duration::from_millis(990));
    alice.hear_end();
}

#[test]
fn message_time_runs_from_its_first_byte() {
    let daemon = limited("message_timeout = \"1s\"");
    let mut client = daemon.tcp(MULTIPLY);
    is_served(&mut client);
    let start = Instant::now();
    let is_closed = AtomicBool::new(false);
    let spent = std::thread::scope(|scope| {
        let Stream::Tcp(stream) = &client.stream else { unreachable!() };
        let (mut mouth, is_closed) = (stream.try_clone().unwrap(), &is_closed);
        // It does this while it is connected: if that extended its time, it would never be closed.
        scope.spawn(move || {
            while !is_closed.load(Ordering::Relaxed) {
                let _ = mouth.write_all(b"5");
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let closed = Closed(is_closed);
        client.hear("Error: message not finished after 1 s\n");
        client.hear_end();
        drop(closed);
        start.elapsed()
    });
    assert!(spent >= Duration::from_millis(990), "{spent:?}");
}

#[test]
fn slow_message_in_time_is_answered_and_the_next_starts_afresh() {
    let daemon = limited("message_timeout = \"1s\"");
    // On a busy machine this test itself may not run for a second, so its message is late. Then it tries again.
    wait_until("the machine lets this test run for a second", || {
        let mut client = daemon.tcp(MULTIPLY);
        let mut begun = Instant::now();
        for byte in b"5 10" {
            if !client.try_say(&[*byte]) {
                return None;
            }
            std::thread::sleep(Duration::from_millis(150));
        }
        // From here on there is always an unfinished message, but none takes a second.
        for _ in 0..5 {
            let next = Instant::now();
            if !client.try_say(b"\n5 10") || begun.elapsed() > Duration::from_millis(900) {
                return None;
            }
            client.hear("Data received\n50.0\n");
            begun = next;
            std::thread::sleep(Duration::from_millis(300));
        }
        client.hear("Error: message not finished after 1 s\n");
        client.hear_end();
        Some(())
    });
}

/// A client that sends until nothing more is accepted, and reads only then. `Err`: what went wrong, and the longest time in which it
/// may have been silent.
fn read_late(daemon: &Daemon, mut client: Client) -> Result<(), (String, Duration)> {
    let set_nonblocking = |client: &Client, on| match &client.stream {
        Stream::Tcp(stream) => stream.set_nonblocking(on).unwrap(),
        Stream::Unix(stream) => stream.set_nonblocking(on).unwrap(),
    };
    set_nonblocking(&client, true);
    let (mut sent, mut number) = (0, 0);
    let (mut blocked, mut tried, mut silent) = (Instant::now(), Instant::now(), Duration::ZERO);
    let mut pending: Vec<u8> = Vec::new();
    // Blocked for longer than both timeouts.
    while blocked.elapsed() < Duration::from_millis(1500) {
        if pending.is_empty() {
            pending = (number..number + 500).flat_map(|n| format!("1 {n}\n").into_bytes()).collect();
            number += 500;
        }
        let outcome = match &mut client.stream {
            Stream::Tcp(stream) => stream.write(&pending),
            Stream::Unix(stream) => stream.write(&pending),
        };
        silent = silent.max(std::mem::replace(&mut tried, Instant::now()).elapsed());
        match outcome {
            Ok(count) => {
                pending.drain(..count);
                sent += count;
                blocked = Instant::now();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err((format!("after {sent} bytes: {error}"), silent)),
        }
    }
    assert!(daemon.own_bytes() < 64 << 20);
    silent = silent.max(tried.elapsed());
    set_nonblocking(&client, false);
    let expected: Vec<u8> =
        (0..number).flat_map(|n| format!("Data received\n{n}.0\n").into_bytes()).collect();
    let reading = Instant::now();
    let failed = |what: String| (what, silent.max(reading.elapsed()));
    let mut mouth = client.share();
    std::thread::scope(|scope| {
        scope.spawn(move || mouth.try_say(&pending));
        let outcome = hear_exactly(&mut client, &expected);
        if outcome.is_err() {
            // The other thread may still be sending.
            let _ = match &client.stream {
                Stream::Tcp(stream) => stream.shutdown(Shutdown::Both),
                Stream::Unix(stream) => stream.shutdown(Shutdown::Both),
            };
        }
        outcome.map_err(failed)
    })?;
    client.try_say(b"5 10\n");
    hear_exactly(&mut client, b"Data received\n50.0\n").map_err(failed)
}

fn hear_exactly(client: &mut Client, expected: &[u8]) -> Result<(), String> {
    let (mut heard, mut buffer) = (0, vec![0; 1 << 16]);
    while heard < expected.len() {
        let count = client.read(&mut buffer).map_err(|error| error.to_string())?;
        if count == 0 || !expected[heard..].starts_with(&buffer[..count]) {
            return Err(format!("{} after {heard} bytes", show(&buffer[..count])));
        }
        heard += count;
    }
    Ok(())
}

#[test]
fn nonreader_is_not_read_from_and_gets_all_replies_later() {
    // In between, neither silence counts nor the time of the message that was cut.
    let daemon = limited("message_timeout = \"1s\"\nidle_timeout = \"1s\"");
    let connects: [fn(&Daemon) -> Client; 2] = [|daemon| daemon.tcp(MULTIPLY), |daemon| daemon.unix()];
    for connect in connects {
        // On a busy machine this test itself may not run for a second, so it was silent. Then it tries again.
        wait_until("the machine lets this test run for a second", || {
            let (what, silent) = match read_late(&daemon, connect(&daemon)) {
                Ok(()) => return Some(()),
                Err(failed) => failed,
            };
            let log = || daemon.log().join("\n");
            assert!(silent >= Duration::from_millis(900), "{what}, silent for {silent:?}; log:\n{}", log());
            None
        });
    }
}

#[test]
fn still_sending_client_gets_last_words_and_no_reset() {
    let daemon = limited("linger_timeout = \"1h\"");
    for _ in 0..100 {
        for (mut client, words) in [
            (daemon.tcp(MULTIPLY), not_http("multiply")),
            (daemon.unix(), not_http("mux")),
            (daemon.tcp(GREETING), "Message received. Thank you for connecting\r\n".to_owned()),
        ] {
            // Several times as much as one read.
            let request = [b"GET / HTTP/1.1\r\n", &[b'x'; 200_000][..]].concat();
            assert!(client.try_say(&request), "it was read to the end");
            assert_eq!(show(&client.hear_rest()), show(words.as_bytes()));
        }
    }
    let mut client = daemon.tcp(MULTIPLY);
    client.say("abc\n");
    client.hear(format!("Data received\n{COUNT}\n"));
}

#[test]
fn client_that_never_closes_is_closed_after_two_seconds() {
    let daemon = Daemon::usual();
    let (before, start) = (daemon.descriptors(), Instant::now());
    let mut clients = [daemon.tcp(GREETING), daemon.tcp(GREETING)];
    for client in &mut clients {
        client.hear("Message received. Thank you for connecting\r\n");
        client.hear_end();
    }
    wait_until("the last closes", || (daemon.descriptors() <= before).then_some(()));
    let spent = start.elapsed();
    assert!(spent >= Duration::from_millis(1990), "{spent:?}");
    // Nobody receives its output now.
    wait_until("a reset", || (!clients[0].try_say(b"x")).then_some(()));
}

#[test]
fn linger_timeout_follows_the_configuration() {
    let daemon = limited("linger_timeout = \"200ms\"");
    let before = daemon.descriptors();
    // On a busy machine this test itself may not run for a second. Then it tries again. The default is two seconds.
    wait_until("one is closed in less than two seconds", || {
        let mut client = daemon.tcp(GREETING);
        client.hear("Message received. Thank you for connecting\r\n");
        client.hear_end();
        let start = Instant::now();
        wait_until("the last closes", || (daemon.descriptors() <= before).then_some(()));
        (start.elapsed() < Duration::from_millis(1700)).then_some(())
    });
}

#[test]
fn lingering_refused_clients_are_limited() {
    let daemon = limited("max_connections = 1\nmax_refused_lingering = 3\nlinger_timeout = \"1h\"");
    let mut one = daemon.tcp(MULTIPLY);
    is_served(&mut one);
    let before = daemon.descriptors();
    let mut refused: Vec<Client> = (0..20).map(|_| daemon.tcp(MULTIPLY)).collect();
    for client in &mut refused {
        client.hear(TOO_MANY);
        client.hear_end();
    }
    is_served(&mut one);
    assert_eq!(daemon.descriptors(), before + 3);
    drop(refused);
    wait_until("those have gone", || (daemon.descriptors() == before).then_some(()));
}
