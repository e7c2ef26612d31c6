//! Members that read slowly or not at all do not affect the others.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::{CAVE, raw_member, tcp, welcome};
use crate::harness::interrupted::uninterrupted;
use crate::harness::{CHAT, Client, Daemon, USUAL, is_sanitized, show, wait_until};

const HEARING: usize = 899;
const DEAF: usize = 100;
const WORDS: usize = 2000;

/// The speaker is at most this far ahead of the slowest reader: a quarter of the backlog, so that no reader is too slow, however
/// little processor time the readers get.
const AHEAD: usize = 32;

/// A member that does not read, and for which the kernel keeps little.
fn deaf_member(daemon: &Daemon, name: &str) -> Client {
    let mut client = Client::of(deaf_socket(daemon));
    client.say(format!("{name}\n"));
    client.hear(format!("{CAVE}\n{}\n", welcome(name)));
    client
}

fn deaf_socket(daemon: &Daemon) -> std::net::TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&daemon.address(CHAT).into()).unwrap();
    socket.into()
}

/// Reads up to a line, or the bytes after the previous line.
#[track_caller]
fn hear_until(client: &mut Client, line: &str) {
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    while !heard.ends_with(line.as_bytes()) {
        let count = client.read(&mut buffer).unwrap();
        assert!(count > 0, "{}", show(&heard[heard.len().saturating_sub(100)..]));
        heard.extend_from_slice(&buffer[..count]);
    }
}

/// Reads from all in turn, until each has received all messages in order, and that the member that does not read has left. A member
/// that has received everything so far is not waited for; `heard` is the progress of all.
fn hear_all(clients: &mut [Client], spoken: &AtomicUsize, heard: &AtomicUsize, all_left: &AtomicBool) {
    let mut states: Vec<(Vec<u8>, usize, usize, bool)> = clients.iter().map(|_| Default::default()).collect();
    let mut buffer = vec![0; 1 << 18];
    while states.iter().any(|(.., done)| !done) {
        let slowest = states.iter().map(|(_, next, ..)| *next).min().unwrap();
        heard.store(slowest, Ordering::Relaxed);
        if slowest >= spoken.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        for (client, (rest, next, left, done)) in clients.iter_mut().zip(&mut states) {
            if *done || *next >= spoken.load(Ordering::Relaxed) {
                continue;
            }
            let count = client.read(&mut buffer).unwrap();
            assert!(count > 0, "a member that reads was dropped after {next} messages");
            rest.extend_from_slice(&buffer[..count]);
            let end = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |lf| lf + 1);
            let lines: Vec<u8> = rest.drain(..end).collect();
            for line in std::str::from_utf8(&lines).unwrap().lines() {
                if let Some(said) = line.strip_prefix("speaker: ") {
                    *done = said == "end";
                    assert!(*done || said.split_once(' ').unwrap().0.parse() == Ok(*next), "out of order");
                    assert!(*done || said.len() == next.to_string().len() + 1 + WORDS);
                    *next += 1;
                } else {
                    *left += usize::from(line.starts_with("deaf") && line.ends_with(" has left the chat."));
                    all_left.store(*left == DEAF, Ordering::Relaxed);
                }
            }
            assert!(!*done || *left == DEAF, "only {left} left");
        }
    }
}

#[test]
fn hundred_nonreaders_of_1000_cost_the_others_no_line() {
    let daemon = Daemon::with(&USUAL.replace("[chat]", "[chat]\nbacklog = \"256KiB\""));
    let deaf: Vec<Client> = (0..DEAF).map(|number| deaf_member(&daemon, &format!("deaf{number}"))).collect();
    let mut hearing: Vec<Client> = (0..HEARING)
        .map(|number| {
            let mut client = daemon.tcp(CHAT);
            client.say(format!("m{number}\n"));
            client
        })
        .collect();
    let mut speaker = Client::member(&daemon, "speaker");
    for client in &mut hearing {
        hear_until(client, "speaker has joined the chat!\n");
    }
    let before = daemon.own_bytes();

    let (all_left, grown) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (spoken, heard) = (AtomicUsize::new(0), [const { AtomicUsize::new(0) }; 4]);
    std::thread::scope(|scope| {
        let spoken = &spoken;
        for (clients, heard) in hearing.chunks_mut(HEARING.div_ceil(3)).zip(&heard) {
            scope.spawn(move || hear_all(clients, spoken, heard, &AtomicBool::new(false)));
        }
        let ears = tcp(&speaker).try_clone().unwrap();
        scope.spawn(|| hear_all(&mut [Client::of(ears)], spoken, &heard[3], &all_left));
        // The kernel buffers an unknown number of bytes for the member that does not read.
        for number in 0..20_000 {
            if all_left.load(Ordering::Relaxed) {
                break;
            }
            wait_until("those who read keep up", || {
                heard.iter().all(|heard| number < heard.load(Ordering::Relaxed) + AHEAD).then_some(())
            });
            speaker.say(format!("{number} {}\n", "z".repeat(WORDS)));
            spoken.store(number + 1, Ordering::Relaxed);
            if number % 64 == 0 {
                grown.fetch_max(daemon.own_bytes().saturating_sub(before), Ordering::Relaxed);
            }
        }
        speaker.say("end\n");
        spoken.fetch_add(1, Ordering::Relaxed);
    });
    // All share one log. For each dropped member, only the rest of a line and the last message are kept.
    let grown = grown.into_inner();
    assert!(grown < 8 << 20 || is_sanitized(), "{grown} bytes more for a backlog of 256 KiB");
    drop(deaf);
}

#[test]
fn slow_member_is_closed_after_whole_lines() {
    // Both have time to read what is left, however late this test comes to it.
    let limits = "[limits]\nlinger_timeout = \"10min\"\n";
    let daemon = Daemon::with(&format!("{limits}{}", USUAL.replace("[chat]", "[chat]\nbacklog = \"64KiB\"")));
    let mut deaf = deaf_member(&daemon, "deaf");
    let mut raw = raw_member(Client::of(deaf_socket(&daemon)), "raw");
    let mut speaker = Client::member(&daemon, "speaker");
    let mut left = 0;
    while left < 2 {
        speaker.say(format!("{}\n", "z".repeat(WORDS)));
        loop {
            match speaker.hear_line().as_str() {
                "deaf has left the chat." | "raw has left the chat." => left += 1,
                words => {
                    assert_eq!(words.len(), "speaker: ".len() + WORDS, "{words}");
                    break;
                }
            }
        }
    }
    let heard = String::from_utf8(deaf.hear_rest()).unwrap();
    let lines: Vec<&str> = heard.lines().collect();
    let [.., words, last] = &lines[..] else { panic!("{heard}") };
    assert_eq!(*last, "Error: too slow");
    assert_eq!(words.len(), "speaker: ".len() + WORDS, "the line begun is finished");
    // A raw member has 100 ms for that, which may be over. Then the reset comes.
    let error = loop {
        match uninterrupted(|| raw.read(&mut [0; 65536])) {
            Ok(count) => assert!(count > 0, "end of file, which a classroom window cannot bear"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}
