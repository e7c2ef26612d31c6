//! How ipcd stops: no received request is lost, and no client can prevent its end.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::harness::interrupted::uninterrupted;
use crate::harness::{CHAT, Client, Daemon, GREETING, MULTIPLY, Stream, TIMEOUT, USUAL};
use rustix::process::Signal;

const GREETING_WORDS: &str = "Message received. Thank you for connecting\r\n";
const ASKED_FOR_A_NAME: &str = "Greetings from the cave! Now type your name and press enter!\n";

/// A client with a session that has begun: it has received one reply.
fn begun(daemon: &Daemon) -> Client {
    let mut client = daemon.tcp(MULTIPLY);
    answered(&mut client);
    client
}

fn answered(client: &mut Client) {
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
}

/// Waits for the daemon's end, and returns how long it took.
fn ended_after(daemon: &mut Daemon, begun: Instant) -> Duration {
    let status = daemon.wait();
    let took = begun.elapsed();
    assert_eq!(status.code(), Some(0), "{}", daemon.log().join("\n"));
    daemon.wait_for_log("stop");
    took
}

#[test]
fn stop_ends_idle_clients_and_notifies_members() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut daemon = Daemon::usual();
        let mut idle: Vec<Client> = (0..50).map(|_| begun(&daemon)).collect();
        idle.push(daemon.tcp(MULTIPLY));
        idle.push(daemon.unix());
        let mut greeted = daemon.tcp(GREETING);
        greeted.hear(GREETING_WORDS);
        let mut alice = Client::member(&daemon, "alice");
        let mut raw = daemon.tcp(CHAT);
        raw.hear(ASKED_FOR_A_NAME);
        raw.say("bob");
        raw.hear("Welcome bob! If you ever want to quit, type {quit} to exit.");
        alice.hear("bob has joined the chat!\n");
        let mut nameless = daemon.tcp(CHAT);
        nameless.hear(ASKED_FOR_A_NAME);

        daemon.signal(signal);
        idle.iter_mut().for_each(Client::hear_end);
        greeted.hear_end();
        alice.hear("Server is shutting down.\n");
        alice.hear_end();
        raw.hear("Server is shutting down.");
        raw.hear_reset();
        nameless.hear("Server is shutting down.\n");
        nameless.hear_reset();
        drop((idle, greeted, alice, raw, nameless));
        ended_after(&mut daemon, Instant::now());
        daemon.wait_for_log("stopped");
    }
}

#[test]
fn stop_answers_requests_in_kernel_buffers_and_the_accept_queue() {
    let mut daemon = Daemon::usual();
    let mut old: Vec<Client> = (0..100).map(|_| begun(&daemon)).collect();
    let mut old_raw = daemon.tcp(MULTIPLY);
    old_raw.say("5 10");
    old_raw.hear("Data received50.0");
    let mut alice = Client::member(&daemon, "alice");

    daemon.freeze();
    for (n, client) in old.iter_mut().enumerate() {
        client.say(format!("{n} 2\n{n} 3\n"));
    }
    old_raw.say("6 10");
    alice.say("last words\n");
    let mut new: Vec<Client> = (0..100).map(|_| daemon.tcp(MULTIPLY)).collect();
    for (n, client) in new.iter_mut().enumerate() {
        client.say(format!("{n} 4\n"));
    }
    let mut new_unix: Vec<Client> = (0..50).map(|_| daemon.unix()).collect();
    for (n, client) in new_unix.iter_mut().enumerate() {
        client.say(format!("{n} 5"));
        client.half_close();
    }
    let mut new_raw: Vec<Client> = (0..20).map(|_| daemon.tcp(MULTIPLY)).collect();
    for client in &mut new_raw {
        client.say("7 10");
    }
    let mut only_connected: Vec<Client> = (0..50).map(|_| daemon.tcp(MULTIPLY)).collect();
    let mut greeted: Vec<Client> = (0..20).map(|_| daemon.tcp(GREETING)).collect();
    daemon.signal(Signal::TERM);
    daemon.signal(Signal::CONT);

    for (n, client) in old.iter_mut().enumerate() {
        client.hear(format!("Data received\n{}.0\nData received\n{}.0\n", n * 2, n * 3));
        client.hear_end();
    }
    old_raw.hear("Data received60.0");
    old_raw.hear_end();
    alice.hear("alice: last words\nServer is shutting down.\n");
    alice.hear_end();
    for (n, client) in new.iter_mut().enumerate() {
        client.hear(format!("Data received\n{}.0\n", n * 4));
        client.hear_end();
    }
    for (n, client) in new_unix.iter_mut().enumerate() {
        client.hear(format!("Data received\n{}.0\n", n * 5));
        client.hear_end();
    }
    for client in &mut new_raw {
        client.hear("Data received70.0");
        client.hear_end();
    }
    only_connected.iter_mut().for_each(Client::hear_end);
    for client in &mut greeted {
        client.hear(GREETING_WORDS);
        client.hear_end();
    }
    drop((old, old_raw, alice, new, new_unix, new_raw, only_connected, greeted));
    ended_after(&mut daemon, Instant::now());
}

#[test]
fn stop_serves_a_full_accept_queue_to_the_last() {
    let mut daemon = Daemon::with(&format!("[limits]\nlisten_backlog = 7\n{USUAL}"));
    daemon.freeze();
    let mut queued: Vec<Client> = (0..8).map(|_| daemon.tcp(MULTIPLY)).collect(); // the kernel keeps one more
    queued.iter_mut().for_each(|client| client.say("5 10\n"));
    daemon.signal(Signal::TERM);
    daemon.signal(Signal::CONT);
    for client in &mut queued {
        client.hear("Data received\n50.0\n");
        client.hear_end();
    }
    drop(queued);
    ended_after(&mut daemon, Instant::now());
}

#[test]
fn nonclosing_and_nonreading_clients_delay_stop_by_the_grace_only() {
    let mut daemon = Daemon::with(&format!("[limits]\nshutdown_grace = \"1s\"\n{USUAL}"));
    let _never_closes = begun(&daemon);
    let mut deaf = daemon.tcp(MULTIPLY);
    let Stream::Tcp(stream) = &mut deaf.stream else { unreachable!() };
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let requests = "5 10\n".repeat(10_000);
    while stream.write_all(requests.as_bytes()).is_ok() {}
    let mut talks_on = daemon.tcp(MULTIPLY);
    let talker = std::thread::spawn(move || {
        let Stream::Tcp(stream) = &mut talks_on.stream else { unreachable!() };
        while stream.write_all(b"5 10\n").is_ok()
            && uninterrupted(|| stream.read(&mut [0; 4096])).is_ok_and(|n| n > 0)
        {}
    });
    let asked = Instant::now();
    daemon.signal(Signal::TERM);
    let took = ended_after(&mut daemon, asked);
    assert!(took >= Duration::from_millis(900), "{took:?}");
    talker.join().unwrap();
}

#[test]
fn second_signal_stops_at_once() {
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::TERM)] {
        let mut daemon = Daemon::with(&format!("[limits]\nshutdown_grace = \"10min\"\n{USUAL}"));
        let mut deaf = daemon.tcp(MULTIPLY);
        let Stream::Tcp(stream) = &mut deaf.stream else { unreachable!() };
        stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        let requests = "5 10\n".repeat(10_000);
        while stream.write_all(requests.as_bytes()).is_ok() {}
        daemon.signal(first);
        daemon.wait_for_log("stopping: 1 connections are open");
        let asked = Instant::now();
        daemon.signal(second);
        assert!(ended_after(&mut daemon, asked) < TIMEOUT);
        daemon.wait_for_log("second stop signal");
        assert!(!daemon.socket().exists());
    }
}

#[test]
fn idle_daemon_stops_at_once_and_leaves_no_file() {
    let mut daemon = Daemon::with(&format!("[limits]\nshutdown_grace = \"10min\"\n{USUAL}"));
    let asked = Instant::now();
    daemon.signal(Signal::TERM);
    assert!(ended_after(&mut daemon, asked) < TIMEOUT);
    let left: Vec<_> =
        std::fs::read_dir(daemon.directory.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["ipcd.toml"]);
}

#[test]
fn sigpipe_is_ignored_and_sigusr1_logs_a_summary() {
    let daemon = Daemon::usual();
    daemon.signal(Signal::PIPE);
    for _ in 0..20 {
        let mut client = daemon.tcp(MULTIPLY);
        client.say("5 10\n".repeat(2000));
        drop(client); // closes with unread replies, which is a reset
    }
    let mut client = begun(&daemon);
    let _member = Client::member(&daemon, "alice");
    daemon.signal(Signal::USR1);
    let line = daemon.wait_for_log("status: up ");
    assert!(line.contains(" in the room, ") && line.contains("1 in the room"), "{line}");
    // Both came from this address.
    let bytes = line.split_once(" bytes in queues and tables (").and_then(|(_, rest)| rest.split_once(' '));
    let (bytes, rest) = bytes.unwrap_or_else(|| panic!("{line}"));
    assert!(bytes.parse::<u64>().unwrap() > 0 && rest.starts_with("of them for 1 clients)"), "{line}");
    // Services that nobody has used have no line.
    daemon.wait_for_log("status: chat: 1 connections now, 1 in all, 0 refused");
    let log = daemon.log();
    let services: Vec<_> =
        log.iter().filter_map(|line| line.split_once("status: ")?.1.split_once(": ")).collect();
    let names: Vec<_> = services.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["multiply", "chat"], "{services:?}");
    answered(&mut client);
    daemon.stop();
}

#[test]
fn stop_finishes_a_partly_written_reply() {
    // On a busy machine it takes a while to read megabytes.
    let mut daemon = Daemon::with(&format!("[limits]\nshutdown_grace = \"1min\"\n{USUAL}"));
    let mut stream = TcpStream::connect(daemon.address(MULTIPLY)).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    // Fills the kernel's buffers while nobody reads: the daemon has stopped reading, and has bytes to send.
    let mut sent = 0;
    let requests = "5 10\n".repeat(1000);
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut partial = 0;
    while partial == 0 {
        match stream.write(&requests.as_bytes()[sent % 5..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => partial = 1,
            Err(error) => panic!("{error}"),
        }
    }
    daemon.signal(Signal::TERM);
    daemon.wait_for_log("stopping");
    stream.shutdown(Shutdown::Write).unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    // A request that is cut at the end of the kernel's buffer is still a request, with another result or an error.
    let whole = sent / 5;
    assert!(
        heard.starts_with("Data received\n50.0\n".repeat(whole).as_bytes()),
        "{} of {whole}",
        heard.len() / 19
    );
    ended_after(&mut daemon, Instant::now());
}
