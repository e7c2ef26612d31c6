//! A client above its rate limit waits, loses nothing, and affects nobody else.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{BESIDE, CHAT, Client, Daemon, HELLO, MULTIPLY, Probe, USUAL};

fn daemon(limits: &str, chat: &str) -> Daemon {
    let chat = format!("[chat]\n{chat}\n");
    Daemon::with(&format!("[limits]\n{limits}\n{}{BESIDE}", USUAL.replace("[chat]\n", &chat)))
}

#[test]
fn flooding_member_is_paced_and_others_are_not() {
    // Its own timeouts do not run out while it has to wait.
    let limits = "message_timeout = \"3s\"\nidle_timeout = \"3s\"\nfirst_message_timeout = \"3s\"";
    let daemon = daemon(limits, "messages_per_second = 10");
    let mut bob = Client::member(&daemon, "bob");
    let mut flood = Client::member(&daemon, "flood");
    bob.hear("flood has joined the chat!\n");
    let mut other = Client::member(&daemon, "other");
    bob.hear("other has joined the chat!\n");
    let start = Instant::now();
    flood.say((0..50).map(|at| format!("{at}\n")).collect::<String>() + "a message that has only begun");
    let (mut next, mut other_heard) = (0, 0);
    let (mut asked, mut longest) = (Instant::now(), Duration::ZERO);
    other.say("hi\n");
    while next < 50 {
        let line = bob.hear_line();
        if line == "other: hi" {
            longest = longest.max(std::mem::replace(&mut asked, Instant::now()).elapsed());
            other_heard += 1;
            if other_heard < 8 {
                other.say("hi\n");
            }
            continue;
        }
        assert_eq!(line, format!("flood: {next}"), "nothing is lost, and the order is kept");
        next += 1;
    }
    let spent = start.elapsed();
    // Its name was the first of ten messages.
    assert!(spent >= Duration::from_millis(4000), "{spent:?}");
    // During the flood, another member's messages were delivered again and again, unless the machine was too busy for that.
    assert!(other_heard == 8 || longest > Duration::from_millis(400), "{other_heard}, {longest:?}");
    flood.say(" and ends\n");
    bob.hear("flood: a message that has only begun and ends\n");
    daemon.stop();
}

/// Reconnecting does not help either: a client from the same address continues with what is left of the burst.
#[test]
fn rejoining_gives_no_new_burst() {
    let daemon = daemon("", "messages_per_second = 10");
    let mut bob = Client::member(&daemon, "bob");
    let start = Instant::now();
    let mut said = 0;
    while said <= 8 || start.elapsed() < Duration::from_secs(2) {
        let mut flood = daemon.tcp(CHAT);
        flood.say("flood\n0\n1\n2\n3\n4\n5\n6\n7\n/quit\n");
        let heard = String::from_utf8(flood.hear_rest()).unwrap();
        said += heard.matches("flood: ").count();
    }
    let most = 10.0 + 10.0 * start.elapsed().as_secs_f64();
    println!("{said} messages of one who comes again and again, in {:?}", start.elapsed());
    assert!(said > 8 && said as f64 <= most, "{said} of {most}");
    // Another client from there waits for at most a tenth of a second, and not for its turn among many.
    let began = Instant::now();
    let mut ann = Client::member(&daemon, "ann");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    ann.say("hi\n");
    while bob.hear_line() != "ann: hi" {}
    daemon.stop();
}

#[test]
fn pace_applies_to_listening_services_and_own_table_overrides() {
    let daemon = daemon("messages_per_second = 4", "messages_per_second = 0");
    let requests = [
        ("multiply\n", "1 1\n", "Data received\n1.0\n"),
        ("stats\n", "{}\n", "Data received\n"),
        ("", "nothing at all\n", "Data received\nError: "),
        ("watch\n", "service=hello\n", "Watching: "),
    ];
    std::thread::scope(|scope| {
        for (begin, ask, answer) in requests {
            let daemon = &daemon;
            scope.spawn(move || {
                let mut client = daemon.unix();
                let start = Instant::now();
                client.say(format!("{begin}{}", ask.repeat(15)));
                client.half_close();
                let heard = String::from_utf8(client.hear_rest()).unwrap();
                assert_eq!(heard.matches(answer).count(), 15, "{heard}");
                let spent = start.elapsed();
                // More than its burst and the message with which it selected the service.
                assert!(spent >= Duration::from_millis(950), "{begin:?}: {spent:?}");
            });
        }
        scope.spawn(|| {
            let (mut one, mut other) = (daemon.tcp(crate::harness::TALK), daemon.tcp(crate::harness::TALK));
            let start = Instant::now();
            one.say("hi\n".repeat(15));
            other.hear("hi\n".repeat(15));
            assert!(start.elapsed() >= Duration::from_millis(1200), "{:?}", start.elapsed());
        });
        scope.spawn(|| {
            let mut alice = Client::member(&daemon, "alice");
            // At the rate limit of the others, this would take longer than a test's deadline.
            alice.say("hi\n".repeat(1000));
            alice.hear("alice: hi\n".repeat(1000));
        });
    });
    daemon.tcp(HELLO).say("hi\n");
    daemon.stop();
}

#[test]
fn raw_messages_stay_separate_while_paced() {
    let daemon = daemon("", "framing = \"raw\"\nmessages_per_second = 5");
    let mut bob = daemon.tcp(CHAT);
    bob.say("bob");
    daemon.wait_for_log("joined as bob");
    let mut probe = Probe::new(&daemon);
    for at in 0..20 {
        bob.say(format!("({at})"));
        probe.wait(); // each in its own burst, as in a loop with a pause
    }
    let mut heard = String::new();
    while !heard.ends_with("(19)") {
        heard += &String::from_utf8(bob.recv()).unwrap();
    }
    let said: String = (0..20).map(|at| format!("bob: ({at})")).collect();
    assert!(heard.ends_with(&said), "{heard}");
    daemon.stop();
}

#[test]
fn paced_client_costs_no_processor_time_and_a_reload_frees_it() {
    let daemon = daemon("", "messages_per_second = 1");
    let start = Instant::now();
    let mut alice = Client::member(&daemon, "alice");
    alice.say("hi\n".repeat(100_000));
    alice.hear("alice: hi\n".repeat(9));
    let ticks = daemon.cpu_ticks();
    alice.hear("alice: hi\n".repeat(2));
    // Her name and nine more messages are the burst.
    assert!(start.elapsed() >= Duration::from_millis(1900), "{:?}", start.elapsed());
    let spent = daemon.cpu_ticks() - ticks;
    assert!(spent < 30, "{spent} ticks of 10 ms in two seconds of waiting");
    daemon.write_config(&USUAL.replace("[chat]\n", "[chat]\nbacklog = \"16MiB\"\n"));
    daemon.signal(Signal::HUP);
    alice.hear("alice: hi\n".repeat(100_000 - 11));
    daemon.stop();
}

#[test]
fn stop_lifts_the_pace() {
    let mut daemon = daemon("messages_per_second = 1", "");
    let mut client = daemon.tcp(MULTIPLY);
    client.say("1 1\n".repeat(300));
    client.hear("Data received\n1.0\n".repeat(10));
    daemon.signal(Signal::TERM);
    client.hear("Data received\n1.0\n".repeat(290));
    client.hear_end();
    assert!(daemon.wait().success());
}

#[test]
fn fifo_lines_are_paced() {
    let daemon = Daemon::with(
        "[chat]\nlisten = [\"tcp://{ip}:33000\", \"fifo://{dir}/board\"]\nmessages_per_second = 10\n[mux]\nlisten = [\"unix://{dir}/ipcd.sock\"]\n",
    );
    let mut alice = Client::member(&daemon, "alice");
    let start = Instant::now();
    let mut input = File::options().write(true).open(daemon.directory.path().join("board.in")).unwrap();
    let output = File::open(daemon.directory.path().join("board.out")).unwrap();
    input.write_all("hi\n".repeat(25).as_bytes()).unwrap();
    alice.hear("board: hi\n".repeat(25));
    assert!(start.elapsed() >= Duration::from_millis(1400), "{:?}", start.elapsed());
    let mut lines = BufReader::new(output).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "alice has joined the chat!");
    assert_eq!(lines.next().unwrap().unwrap(), "board: hi");
    daemon.stop();
}
