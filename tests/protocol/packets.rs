//! Sequenced-packet sockets: each packet is one message, whatever it contains, and so is each reply.

use std::path::PathBuf;

use crate::harness::manager::Manager;
use crate::harness::packets::Packets;
use crate::harness::{Client, Daemon, TestDir};
use ipcd::engine::message::Transport;
use ipcd::engine::service::Service;
use rustix::process::Signal;

/// The services, each also on a sequenced-packet socket.
const CONFIG: &str = r#"
[multiply]
listen = ["tcp://{ip}:65432", "unixseq://{dir}/multiply.seq"]
[greeting]
listen = ["unixseq://{dir}/greeting.seq"]
[chat]
listen = ["tcp://{ip}:33000", "unixseq://{dir}/chat.seq"]
[hello]
listen = ["unixseq://{dir}/hello.seq"]
[talk]
listen = ["tcp://{ip}:5000", "unixseq://{dir}/talk.seq"]
[mux]
listen = ["unix://{dir}/ipcd.sock", "unixseq://{dir}/mux.seq"]
"#;

fn path(daemon: &Daemon, service: &str) -> PathBuf {
    daemon.directory.path().join(format!("{service}.seq"))
}

fn connect(daemon: &Daemon, service: &str) -> Packets {
    Packets::seq(&path(daemon, service))
}

#[test]
fn each_packet_is_a_request_and_each_reply_a_packet() {
    let daemon = Daemon::with(CONFIG);
    let client = connect(&daemon, "multiply");
    for (request, reply) in [
        ("5 10", "50.0"),
        ("5 10\n", "50.0"),
        ("5 10\r\n", "50.0"),
        ("5\n10", "50.0"), // an LF inside is white space
        ("5", "Error: expected two numbers, for example: 5 10"),
        ("1 / 0", "Error: division by zero"),
    ] {
        client.say(request);
        client.hear("Data received");
        client.hear(reply);
    }
    for _ in 0..100 {
        client.say("2 3");
    }
    for _ in 0..100 {
        client.hear("Data received");
        client.hear("6.0");
    }
    client.half_close();
    client.hear_end();
    daemon.stop();
}

#[test]
fn empty_packet_is_an_empty_message_not_the_end() {
    let daemon = Daemon::with(CONFIG);
    let client = connect(&daemon, "multiply");
    for empty in ["", "\n", "\r\n", " ", "\n\n"] {
        client.say(empty);
        client.say("");
        client.say("5 10");
        client.hear("Data received");
        client.hear("50.0");
    }
    client.say("6 7");
    client.say("");
    client.half_close();
    client.hear("Data received");
    client.hear("42.0");
    client.hear_end();
    daemon.stop();
}

#[test]
fn overlong_packet_gets_an_error_and_the_next_its_answer() {
    let daemon = Daemon::with(CONFIG);
    let client = connect(&daemon, "multiply");
    for length in [4097, 20_000, 150_000] {
        client.say(format!("5 10{}", " ".repeat(4092)));
        client.hear("Data received");
        client.hear("50.0");
        client.say("x".repeat(length));
        client.hear("Error: message longer than 4096 bytes");
    }
    daemon.stop();
}

#[test]
fn every_service_speaks_in_packets() {
    let daemon = Daemon::with(CONFIG);
    let greeted = connect(&daemon, "greeting");
    greeted.hear("Message received. Thank you for connecting");
    greeted.hear_end();

    let hello = connect(&daemon, "hello");
    hello.say("Hello from client");
    hello.hear("Hello from server");
    hello.hear_end();

    let chosen = connect(&daemon, "mux");
    chosen.say("help");
    for service in Service::offered().filter(|service| service.fits(Transport::UNIXSEQ)) {
        chosen.hear(service.name());
    }
    chosen.say("multiply");
    chosen.say("6 7");
    chosen.hear("Data received");
    chosen.hear("42.0");
    let default = connect(&daemon, "mux");
    default.say("5 10");
    default.hear("Data received");
    default.hear("50.0");

    let foreign = connect(&daemon, "multiply");
    foreign.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    foreign.hear("Error: this port speaks multiply, not HTTP");
    foreign.hear_end();

    let one = connect(&daemon, "talk");
    one.say("kept\nfor you");
    one.say("and this");
    let mut other = daemon.tcp(crate::harness::TALK);
    other.hear("keptfor you\nand this\n");
    other.say("thanks\nbye\n");
    one.hear("thanks");
    one.hear("bye");
    one.hear_end();
    daemon.stop();
}

#[test]
fn members_on_streams_and_packets_share_the_room() {
    let daemon = Daemon::with(CONFIG);
    let mut alice = Client::member(&daemon, "alice");
    let bob = connect(&daemon, "chat");
    bob.hear("Greetings from the cave! Now type your name and press enter!");
    bob.say("bob");
    bob.hear("Welcome bob! If you ever want to quit, type {quit} to exit.");
    alice.hear("bob has joined the chat!\n");
    alice.say("one\ntwo\nthree\n");
    for said in ["one", "two", "three"] {
        bob.hear(format!("alice: {said}"));
    }
    bob.say("hi");
    bob.say("/who");
    bob.say("ho");
    bob.hear("bob: hi");
    bob.hear("In the room: alice, bob (2)");
    bob.hear("bob: ho");
    bob.say("{quit}");
    bob.hear("{quit}");
    bob.hear_end();
    alice.hear("alice: one\nalice: two\nalice: three\nbob: hi\nbob: ho\nbob has left the chat.\n");
    daemon.stop();
}

#[test]
fn late_reader_gets_everything() {
    let daemon = Daemon::with(CONFIG);
    let mut alice = Client::member(&daemon, "alice");
    let bob = connect(&daemon, "chat");
    bob.hear("Greetings from the cave! Now type your name and press enter!");
    bob.say("bob");
    bob.hear("Welcome bob! If you ever want to quit, type {quit} to exit.");
    alice.hear("bob has joined the chat!\n");
    for number in 0..2000 {
        alice.say(format!("{number} {}\n", "x".repeat(200)));
        alice.hear(format!("alice: {number} {}\n", "x".repeat(200)));
    }
    for number in 0..2000 {
        bob.hear(format!("alice: {number} {}", "x".repeat(200)));
    }
    daemon.signal(Signal::TERM);
    bob.hear("Server is shutting down.");
    bob.hear_end();
}

#[test]
fn restart_keeps_the_connection_and_its_packet_boundaries() {
    let test_dir = TestDir::new();
    test_dir.write_config(CONFIG);
    let manager = Manager::new(&test_dir);
    let mut before = test_dir.start_with(&manager, Vec::new());
    let client = connect(&before, "multiply");
    client.say("5 10");
    client.hear("Data received");
    client.hear("50.0");
    let mut control = before.unix();
    control.say("control\nhandover\n");
    control.hear("OK\n");
    assert!(before.wait().success());
    client.say("6 7");
    client.say("7 8");
    let test_dir = TestDir { directory: tempfile::tempdir().unwrap(), ip: before.ip };
    test_dir.write_config(CONFIG);
    let after = test_dir.start_with(&manager, manager.take_stored());
    for result in ["42.0", "56.0"] {
        client.hear("Data received");
        client.hear(result);
    }
    after.stop();
}

#[test]
fn live_socket_of_another_type_is_kept_and_a_stale_one_replaced() {
    let daemon = Daemon::with(CONFIG);
    let test_dir = TestDir::new();
    let live = path(&daemon, "multiply");
    test_dir.write_config(&format!("[multiply]\nlisten = [\"unix://{}\"]\n", live.display()));
    let error = crate::harness::around::failure(&mut test_dir.command(), 69);
    assert!(error.contains("address already in use (by "), "{error}");
    let client = connect(&daemon, "multiply");
    client.say("1 1");
    client.hear("Data received");
    daemon.stop();

    let test_dir = TestDir::new();
    let dead = test_dir.directory.path().join("multiply.seq");
    crate::harness::around::stale_socket(&dead);
    test_dir.write_config("[multiply]\nlisten = [\"unixseq://{dir}/multiply.seq\"]\n");
    let command = test_dir.command();
    let daemon = test_dir.start(command);
    let client = connect(&daemon, "multiply");
    client.say("1 1");
    client.hear("Data received");
    client.hear("1.0");
    daemon.stop();
}
