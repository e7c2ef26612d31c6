//! Shared memory: a Unix socket passes two rings, in which each message is one and so is each reply.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use crate::harness::interrupted::uninterrupted;
use crate::harness::manager::Manager;
use crate::harness::shared::Shared;
use crate::harness::{Client, Daemon, TestDir, wait_until};
use ipcd::engine::limits::PLACES_KEPT;
use ipcd::host::raw::memory::SharedWords;

const CONFIG: &str = r#"
[multiply]
listen = ["tcp://{ip}:65432", "shm://{dir}/multiply.shm"]
[hello]
listen = ["shm://{dir}/hello.shm"]
[chat]
listen = ["tcp://{ip}:33000", "shm://{dir}/chat.shm"]
[mux]
listen = ["unix://{dir}/ipcd.sock"]
"#;

fn path(daemon: &Daemon, service: &str) -> PathBuf {
    daemon.directory.path().join(format!("{service}.shm"))
}

fn connect(daemon: &Daemon, service: &str) -> Shared {
    Shared::connect(&path(daemon, service))
}

#[test]
fn each_message_is_a_request_and_each_reply_a_message() {
    let daemon = Daemon::with(CONFIG);
    let client = connect(&daemon, "multiply");
    for (request, reply) in [
        ("5 10", "50.0"),
        ("5 10\n", "50.0"),
        ("5\n10\0", "50.0"),
        ("5", "Error: expected two numbers, for example: 5 10"),
    ] {
        client.say(request);
        client.hear("Data received");
        client.hear(reply);
    }
    ["", "\n", " \0"].iter().for_each(|nothing| client.say(nothing));
    client.say("9".repeat(4097));
    client.hear("Error: message longer than 4096 bytes");
    for _ in 0..10_000 {
        client.say("2 3"); // more than the ring holds; the daemon keeps the replies until they are read
    }
    for _ in 0..10_000 {
        client.hear("Data received");
        client.hear("6.0");
    }
    client.half_close();
    client.hear_end();
    daemon.stop();
}

#[test]
fn hello_and_the_room_speak_in_messages() {
    let daemon = Daemon::with(CONFIG);
    let hello = connect(&daemon, "hello");
    hello.say("Hello from client");
    hello.hear("Hello from server");
    hello.hear_end();
    let bob = connect(&daemon, "chat");
    bob.hear("Greetings from the cave! Now type your name and press enter!");
    bob.say("bob");
    bob.hear("Welcome bob! If you ever want to quit, type {quit} to exit.");
    let mut alice = Client::member(&daemon, "alice");
    bob.hear("alice has joined the chat!");
    for number in 0..500 {
        alice.say(format!("{number} {}\n", "x".repeat(900)));
        alice.hear(format!("alice: {number} {}\n", "x".repeat(900)));
    }
    (0..500).for_each(|number| bob.hear(format!("alice: {number} {}", "x".repeat(900))));
    drop(bob);
    alice.hear("bob has left the chat.\n");
    daemon.stop();
}

#[test]
fn client_that_breaks_its_memory_gets_an_error_and_others_go_on() {
    let daemon = Daemon::with(CONFIG);
    let (other, client) = (connect(&daemon, "multiply"), connect(&daemon, "multiply"));
    let rings = &client.rings;
    let [memory, ..] = rings.descriptors();
    let words = SharedWords::map(memory, 1024).unwrap();
    words[0].store(70_000, Ordering::Release); // the total number of written words
    rustix::io::write(rings.descriptors()[2], &1_u64.to_ne_bytes()).unwrap();
    client.hear(
        "Error: a position in the shared memory is outside the ring; add as many words as the message has",
    );
    client.hear_end();
    let line = daemon.wait_for_log("outside the ring");
    assert!(line.contains("multiply.shm"), "{line}");
    other.say("5 10");
    other.hear("Data received");
    other.hear("50.0");
    daemon.stop();
}

#[test]
fn client_that_does_not_read_is_not_read_from_and_delays_nobody() {
    let daemon = Daemon::with(CONFIG);
    let (other, client) = (connect(&daemon, "multiply"), connect(&daemon, "multiply"));
    let mut asked = 0;
    let mut is_stuck = false;
    // Until the daemon has not read for a few turns, because its replies fill the other ring and its queue.
    while asked < 100_000 && !is_stuck {
        while client.try_say("5 10") {
            asked += 1;
        }
        for _ in 0..20 {
            other.say("6 7");
            other.hear("Data received");
            other.hear("42.0");
        }
        is_stuck = !client.try_say("5 10");
        asked += usize::from(!is_stuck);
    }
    assert!((2000..100_000).contains(&asked), "{asked}");
    for _ in 0..asked {
        client.hear("Data received");
        client.hear("50.0");
    }
    client.say("1 1");
    client.hear("Data received");
    client.hear("1.0");
    daemon.stop();
}

#[test]
fn restart_keeps_the_memory_and_what_is_in_it() {
    let test_dir = TestDir::new();
    test_dir.write_config(CONFIG);
    let manager = Manager::new(&test_dir);
    let mut before = test_dir.start_with(&manager, Vec::new());
    let client = connect(&before, "multiply");
    let mut stream = before.tcp(crate::harness::MULTIPLY);
    for _ in 0..3 {
        client.say("5 10");
    }
    client.hear("Data received");
    let mut control = before.unix();
    control.say("control\nhandover\n");
    control.hear("OK\n");
    assert!(before.wait().success());
    client.say("6 7");
    let test_dir = TestDir { directory: tempfile::tempdir().unwrap(), ip: before.ip };
    test_dir.write_config(CONFIG);
    let after = test_dir.start_with(&manager, manager.take_stored());
    client.hear("50.0");
    for result in ["50.0", "50.0", "42.0"] {
        client.hear("Data received");
        client.hear(result);
    }
    client.say("7 8");
    client.hear("Data received");
    client.hear("56.0");
    stream.say("5 10\n");
    stream.hear("Data received\n50.0\n");
    after.stop();
}

#[test]
fn killed_clients_leave_neither_memory_nor_descriptors_behind() {
    let daemon = Daemon::with(CONFIG);
    let before = daemon.descriptors();
    for round in 0..20 {
        let clients: Vec<Shared> = (0..10).map(|_| connect(&daemon, "multiply")).collect();
        for client in clients.iter().skip(round % 10) {
            client.say("5 10");
        }
    }
    wait_until("all are closed", || (daemon.descriptors() == before).then_some(()));
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", daemon.pid())).unwrap();
    assert!(!maps.contains("memfd:ipcd"), "{maps}");
    daemon.stop();
}

#[test]
fn person_on_the_socket_sees_what_it_is_and_daemon_sleeps() {
    let daemon = Daemon::with(CONFIG);
    let mut socket = UnixStream::connect(path(&daemon, "multiply")).unwrap();
    socket.write_all(b"5 10\n").unwrap();
    let mut line = [0; 100];
    let count = uninterrupted(|| socket.read(&mut line)).unwrap();
    assert_eq!(&line[..count], b"ipcd-rings 1 65536 32764\n");
    let client = connect(&daemon, "multiply");
    for _ in 0..3 {
        client.say("5 10");
        client.hear("Data received");
        client.hear("50.0");
    }
    wait_until("it sleeps", || {
        let before = daemon.cpu_ticks();
        std::thread::sleep(std::time::Duration::from_millis(300));
        (daemon.cpu_ticks() == before).then_some(())
    });
    daemon.stop();
}

#[test]
fn excess_connections_get_their_error_in_the_memory() {
    let daemon = Daemon::with(&CONFIG.replace("[multiply]\n", "[multiply]\nmax_connections = 1\n"));
    // One place, and those that are kept for the daemon's own user.
    let _first: Vec<Shared> = (0..1 + PLACES_KEPT).map(|_| connect(&daemon, "multiply")).collect();
    let second = connect(&daemon, "multiply");
    second.hear("Error: too many connections, try again later");
    second.hear_end();
    daemon.stop();
}
