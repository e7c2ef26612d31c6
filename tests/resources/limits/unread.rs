//! A client that reads nothing loses its place after a while, in every service.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::is_served;
use crate::harness::interrupted::uninterrupted;
use crate::harness::{BESIDE, CHAT, Client, Daemon, TIMEOUT, USUAL, wait_until};

/// The first message on the mux, and the one that is repeated. In the last row all members receive everything, including this
/// client.
const FLOODS: &[(&str, &str)] = &[
    ("multiply\n", "1 1\n"),
    ("stats\n", "latest nobody\n"),
    ("stats\n", "latest\n"),
    ("status\n", "status\n"),
    ("watch\n", "service=nothing\n"),
    ("help\n", "help\n"),
    ("chat\n", "%\n"),
    ("chat\nflood\n", "hello\n"),
];

/// The log line about a client that was closed for this reason.
const END: &str = " closed: read nothing for too long";

fn daemon(limits: &str) -> Daemon {
    Daemon::with(&format!("[limits]\nbacklog = \"16MiB\"\n{limits}\n{USUAL}{BESIDE}"))
}

fn ended(daemon: &Daemon) -> usize {
    daemon.log().iter().filter(|line| line.ends_with(END)).count()
}

/// Sends requests without end and reads nothing, until the kernel accepts no more; returns how long it stayed connected after its
/// buffer was full.
fn flood(daemon: &Daemon, begin: &str, ask: &str) -> (Duration, Vec<u8>) {
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    stream.write_all(begin.as_bytes()).unwrap();
    let (asked, begun) = (ask.repeat(4096 / ask.len() + 1), Instant::now());
    loop {
        assert!(begun.elapsed() < TIMEOUT, "{begin:?}: it is not closed");
        match stream.write(asked.as_bytes()) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    let (spent, mut heard) = (begun.elapsed(), Vec::new());
    let _ = stream.read_to_end(&mut heard); // up to the reset
    (spent, heard)
}

#[test]
fn nonreader_is_closed_after_send_timeout_in_every_service() {
    let daemon = daemon("send_timeout = \"1s\"");
    let before = daemon.descriptors();
    std::thread::scope(|scope| {
        for (begin, ask) in FLOODS {
            let daemon = &daemon;
            scope.spawn(move || {
                let (spent, heard) = flood(daemon, begin, ask);
                assert!(spent >= Duration::from_secs(1), "{begin:?}: {spent:?}");
                assert!(heard.len() > 1000, "{begin:?}: {}", heard.len());
            });
        }
    });
    wait_until("all are told of", || (ended(&daemon) == FLOODS.len()).then_some(()));
    wait_until("their descriptors are free", || (daemon.descriptors() <= before).then_some(()));
    daemon.stop();
}

#[test]
fn listening_nonreaders_in_talk_and_chat_are_closed_too() {
    let daemon = daemon("send_timeout = \"1s\"");
    let (mut talker, mut member) = (daemon.unix(), daemon.unix());
    talker.say("talk\n");
    member.say("chat\ndeaf\n");
    daemon.wait_for_log("joined as deaf");
    let mut alice = Client::member(&daemon, "alice");
    let mut partner = daemon.unix();
    partner.say("talk\n");
    daemon.wait_for_log("talks with");
    let line = "x".repeat(1000) + "\n";
    for _ in 0..1000 {
        alice.say(&line);
        while alice.hear_line() != format!("alice: {}", line.trim_end()) {}
        partner.try_say(line.as_bytes());
        if ended(&daemon) > 0 {
            break;
        }
    }
    // The partner reads meanwhile: the daemon awaits its end for two seconds only.
    let partner = std::thread::spawn(move || partner.hear_end());
    wait_until("both are closed", || (ended(&daemon) == 2).then_some(()));
    alice.say("/who\n");
    while alice.hear_line() != "In the room: alice (1)" {}
    partner.join().unwrap();
    daemon.stop();
}

/// Sends requests until no more are accepted, then reads for 5 s, 10 kB at a time. Returns the longest time without a read.
fn read_slowly(daemon: &Daemon) -> Duration {
    let mut stream = UnixStream::connect(daemon.socket()).unwrap();
    stream.set_nonblocking(true).unwrap();
    let asked = "1 1\n".repeat(1000);
    let mut blocked = None;
    let mut last = wait_until("nothing more is taken", || match stream.write(asked.as_bytes()) {
        Ok(_) => {
            blocked = None;
            None
        }
        Err(_) => {
            let since = *blocked.get_or_insert_with(Instant::now);
            (since.elapsed() > Duration::from_millis(500)).then_some(since)
        }
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let (start, mut pause) = (Instant::now(), Duration::ZERO);
    while start.elapsed() < Duration::from_secs(5) {
        if !uninterrupted(|| stream.read(&mut [0; 10_000])).is_ok_and(|bytes| bytes > 0) {
            return pause; // closed
        }
        pause = pause.max(last.elapsed());
        last = Instant::now();
        std::thread::sleep(Duration::from_millis(100));
    }
    pause.max(last.elapsed())
}

/// The kernel reports room on a Unix socket once three quarters of its buffer, some 200 KiB, are free. This client reads all the
/// time, but more slowly than that.
#[test]
fn slow_reader_is_not_closed() {
    let daemon = daemon("send_timeout = \"1s\"");
    // On a busy machine this test itself may not run for a second, so its client did not read. Then it tries again.
    wait_until("the machine lets this test read more than once a second", || {
        let before = ended(&daemon);
        let has_read = read_slowly(&daemon) < Duration::from_millis(900);
        assert!(!has_read || ended(&daemon) == before, "closed, although it read all the time");
        has_read.then_some(())
    });
    is_served(&mut daemon.tcp(crate::harness::MULTIPLY));
    assert!(daemon.tcp(CHAT).try_say(b"x"));
    daemon.stop();
}
