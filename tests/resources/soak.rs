//! A thousand clients of every kind at once; every byte that they receive is compared. IPCD_SOAK_SECONDS sets the time.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread::{Builder, Scope, sleep};
use std::time::{Duration, Instant};

use crate::harness::process::by_the_thousand;
use crate::harness::{CHAT, Client, Daemon, GREETING, MULTIPLY, TIMEOUT, USUAL, is_sanitized, wait_until};
use rustix::process::Signal;

const GREETING_WORDS: &str = "Message received. Thank you for connecting\r\n";
const ASKED_FOR_A_NAME: &str = "Greetings from the cave! Now type your name and press enter!\n";

/// Members of the room that stay from the first message to the last.
const MEMBERS: usize = 30;

/// More connections than this are open at the same time.
const MOST: usize = 900;

/// Resident memory that the allocator may keep after a thousand clients are gone. Measured: less than 1 MiB.
const MEMORY_KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The state that all clients share.
struct Soak {
    daemon: Daemon,
    over: AtomicBool,
    requests: AtomicU64,
}

/// One client's random numbers, the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

impl Soak {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// A pause of random length, so that a thousand clients are not one burst.
    fn pause(&self, chance: &mut Chance, milliseconds: u64) {
        sleep(Duration::from_millis(chance.below(2 * milliseconds)));
    }

    fn count(&self, requests: u64) {
        self.requests.fetch_add(requests, Ordering::Relaxed);
    }
}

/// A request and its result.
fn product(chance: &mut Chance) -> (String, String) {
    let (a, b) = (chance.below(100_000), chance.below(100_000));
    (format!("{a} {b}"), format!("{}.0", a * b))
}

/// Requests in lines, and the expected replies.
fn products(chance: &mut Chance, count: usize) -> (String, String) {
    let (mut requests, mut replies) = (String::new(), String::new());
    for _ in 0..count {
        let (request, result) = product(chance);
        requests += &format!("{request}\n");
        replies += &format!("Data received\n{result}\n");
    }
    (requests, replies)
}

fn connecting(soak: &Soak, chance: &mut Chance) {
    let mut client = soak.daemon.tcp(MULTIPLY);
    let (request, reply) = products(chance, 1);
    client.say(request);
    client.hear(reply);
    client.half_close();
    client.hear_end();
    soak.count(1);
    soak.pause(chance, 300);
}

fn by_line(soak: &Soak, chance: &mut Chance) {
    let mut client = soak.daemon.tcp(MULTIPLY);
    while !soak.is_over() {
        let (request, reply) = products(chance, 1);
        client.say(request);
        client.hear(reply);
        soak.count(1);
        soak.pause(chance, 100);
    }
}

fn raw(soak: &Soak, chance: &mut Chance) {
    let mut client = soak.daemon.tcp(MULTIPLY);
    while !soak.is_over() {
        let (request, result) = product(chance);
        client.say(request);
        client.hear(format!("Data received{result}"));
        soak.count(1);
        soak.pause(chance, 100);
    }
}

fn pipelining(soak: &Soak, chance: &mut Chance) {
    let mut client = soak.daemon.tcp(MULTIPLY);
    while !soak.is_over() {
        let (requests, replies) = products(chance, 100);
        client.say(requests);
        client.hear(replies);
        soak.count(100);
        soak.pause(chance, 300);
    }
}

/// Sends much more than its queue holds before it reads the first reply.
fn stalling(soak: &Soak, chance: &mut Chance) {
    let mut client = soak.daemon.tcp(MULTIPLY);
    let (request, reply) = products(chance, 1);
    const COUNT: usize = 15_000;
    client.say(request.repeat(COUNT));
    soak.pause(chance, 1000);
    client.hear(reply.repeat(COUNT));
    soak.count(COUNT as u64);
    soak.pause(chance, 1000);
}

fn dribbling(soak: &Soak, chance: &mut Chance) {
    let mut client = soak.daemon.tcp(MULTIPLY);
    // It must be known as a line client first: otherwise bytes that come 20 ms apart, and are a whole request, would mean a raw
    // client.
    let (request, reply) = products(chance, 1);
    client.say(request);
    client.hear(reply);
    while !soak.is_over() {
        let (request, reply) = products(chance, 1);
        for byte in request.as_bytes() {
            client.say([*byte]);
            soak.pause(chance, 20);
        }
        client.hear(reply);
        soak.count(1);
    }
}

fn greeted(soak: &Soak, chance: &mut Chance) {
    let mut client = soak.daemon.tcp(GREETING);
    if chance.below(2) == 0 {
        client.say("Hi");
    }
    client.hear(GREETING_WORDS);
    client.hear_end();
    soak.pause(chance, 300);
}

fn through_the_mux(soak: &Soak, chance: &mut Chance) {
    let mut client = soak.daemon.unix();
    match chance.below(4) {
        0 => {
            client.say("greeting\n");
            client.hear(GREETING_WORDS);
            client.hear_end();
        }
        1 => {
            client.say("chat\n{quit}\n");
            client.hear(format!("{ASKED_FOR_A_NAME}{{quit}}\n"));
            client.hear_end();
        }
        choice => {
            let (requests, replies) = products(chance, 3);
            client.say(if choice == 2 { "multiply\n" } else { "" }.to_owned() + &requests);
            client.hear(replies);
            client.half_close();
            client.hear_end();
            soak.count(3);
        }
    }
    soak.pause(chance, 200);
}

fn resetting(soak: &Soak, chance: &mut Chance) {
    let port = [MULTIPLY, GREETING, CHAT][chance.below(3) as usize];
    let stream = TcpStream::connect(soak.daemon.address(port)).unwrap();
    let words = ["", "5 10\n", "5 1", "5 10\n5 10\n5 10\nx\n"][chance.below(4) as usize];
    if port != CHAT {
        let _ = (&stream).write(words.as_bytes());
    }
    soak.pause(chance, 30);
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
    soak.pause(chance, 200);
}

/// Joins the room, receives at least its own messages, and leaves in one of the usual ways.
fn visiting(soak: &Soak, chance: &mut Chance, number: usize) {
    let mut client = Client::member(&soak.daemon, &format!("visitor-{number}"));
    if chance.below(2) == 0 {
        client.say("/quit\n");
        assert!(client.hear_rest().ends_with(b"{quit}\n"));
    }
    drop(client);
    soak.pause(chance, 2000);
    wait_until("the name is free again", || {
        let mut client = Client::member(&soak.daemon, &format!("looker-{number}"));
        client.say("/who\n/quit\n");
        let heard = String::from_utf8(client.hear_rest()).unwrap();
        let line = heard.lines().find(|line| line.starts_with("In the room: ")).unwrap();
        (!line.contains(&format!("visitor-{number},"))).then_some(())
    });
}

/// Sends numbered messages; returns everything that was said in the room while it was in it, without joins and leaves.
fn member(soak: &Soak, chance: &mut Chance, number: usize, all_in: &Barrier) -> Vec<String> {
    let mut client = Client::member(&soak.daemon, &format!("member-{number}"));
    all_in.wait();
    let (mut said, mut ended, mut heard) = (0, 0, Vec::new());
    let mut next = [0; MEMBERS];
    let mut waits = None; // the wait for its own message
    while ended < MEMBERS {
        if waits.is_none() && said >= 0 {
            let text = if soak.is_over() { "end".to_owned() } else { said.to_string() };
            client.say(format!("{text}\n"));
            said = if soak.is_over() && text == "end" { -1 } else { said + 1 };
            waits = Some(text);
        }
        let line = client.hear_line();
        let Some((name, text)) = line.split_once(": ") else { continue };
        let speaker: usize = name.strip_prefix("member-").unwrap().parse().unwrap();
        if text == "end" {
            ended += 1;
        } else {
            assert_eq!(text, next[speaker].to_string(), "{line}");
            next[speaker] += 1;
        }
        if speaker == number && waits.as_deref() == Some(text) {
            waits = None;
            soak.pause(chance, 500);
        }
        heard.push(line);
    }
    soak.count(next.iter().sum());
    heard
}

/// Sends a hundred requests a second, whatever the others do; returns the longest wait for a reply.
fn healthy(soak: &Soak) -> Duration {
    let mut client = soak.daemon.tcp(MULTIPLY);
    let (mut chance, mut worst) = (Chance(4711), Duration::ZERO);
    let begun = Instant::now();
    for turn in 1.. {
        if soak.is_over() {
            break;
        }
        let (request, reply) = products(&mut chance, 1);
        let asked = Instant::now();
        client.say(request);
        client.hear(reply);
        worst = worst.max(asked.elapsed());
        sleep((begun + Duration::from_millis(10) * turn).saturating_duration_since(Instant::now()));
    }
    worst
}

/// `count` clients that repeat the same.
fn crowd<'scope>(
    scope: &'scope Scope<'scope, '_>,
    soak: &'scope Soak,
    count: usize,
    act: impl Fn(&Soak, &mut Chance, usize) + Copy + Send + 'scope,
) {
    for number in 0..count {
        let client = move || {
            let mut chance = Chance(0x9e37_79b9_7f4a_7c15 ^ (number as u64 + 1) << 20);
            soak.pause(&mut chance, 500);
            while !soak.is_over() {
                act(soak, &mut chance, number);
            }
        };
        Builder::new().stack_size(512 * 1024).spawn_scoped(scope, client).unwrap();
    }
}

#[test]
fn thousand_mixed_clients_hear_what_they_should_and_leave_nothing() {
    let seconds = std::env::var("IPCD_SOAK_SECONDS").ok().map_or(10, |text| text.parse().unwrap());
    let _one = by_the_thousand();
    // On a busy machine it takes a while to answer everything at the end.
    let daemon = Daemon::with(&format!("[limits]\nshutdown_grace = \"50s\"\n{USUAL}"));
    let soak = Soak { daemon, over: AtomicBool::new(false), requests: AtomicU64::new(0) };
    let (descriptors, memory) = (soak.daemon.descriptors(), soak.daemon.own_bytes());

    let all_in = Barrier::new(MEMBERS);
    let transcripts = Mutex::new(Vec::new());
    let mut most = 0;
    let worst = std::thread::scope(|scope| {
        for number in 0..MEMBERS {
            let (soak, all_in, transcripts) = (&soak, &all_in, &transcripts);
            scope.spawn(move || {
                let mut chance = Chance(number as u64 + 1);
                let heard = member(soak, &mut chance, number, all_in);
                transcripts.lock().unwrap().push(heard);
            });
        }
        let healthy = scope.spawn(|| healthy(&soak));
        crowd(scope, &soak, 480, |soak, chance, _| by_line(soak, chance));
        crowd(scope, &soak, 150, |soak, chance, _| raw(soak, chance));
        crowd(scope, &soak, 120, |soak, chance, _| dribbling(soak, chance));
        crowd(scope, &soak, 120, |soak, chance, _| through_the_mux(soak, chance));
        crowd(scope, &soak, 100, |soak, chance, _| connecting(soak, chance));
        crowd(scope, &soak, 80, |soak, chance, _| greeted(soak, chance));
        crowd(scope, &soak, 60, |soak, chance, _| resetting(soak, chance));
        crowd(scope, &soak, 50, |soak, chance, _| pipelining(soak, chance));
        crowd(scope, &soak, 20, |soak, chance, _| stalling(soak, chance));
        crowd(scope, &soak, 10, visiting);
        let end = Instant::now() + Duration::from_secs(seconds);
        // A busy machine takes longer until all are connected.
        let is_going_on = |most| Instant::now() < end || most <= MOST && Instant::now() < end + TIMEOUT;
        while is_going_on(most) && !healthy.is_finished() {
            sleep(Duration::from_millis(200));
            most = most.max(soak.daemon.descriptors() - descriptors);
        }
        soak.over.store(true, Ordering::Relaxed);
        healthy.join().unwrap()
    });

    let transcripts = transcripts.into_inner().unwrap();
    assert_eq!(transcripts.len(), MEMBERS);
    assert!(transcripts.iter().all(|it| *it == transcripts[0]), "everybody heard the same in the same order");
    assert!(most > MOST, "at most {most} connections at once");

    let daemon = soak.daemon;
    wait_until("every descriptor is back", || (daemon.descriptors() == descriptors).then_some(()));
    let kept = daemon.own_bytes().saturating_sub(memory);
    eprintln!(
        "{} requests, {} messages in the room, up to {most} connections; the healthy client waited {worst:?} at most; {} KiB more than before",
        soak.requests.into_inner(),
        transcripts[0].len(),
        kept / 1024,
    );
    assert!(kept < MEMORY_KEPT_BYTES_MAX || is_sanitized(), "{kept} bytes more than before");
    nothing_is_lost_in_the_end(daemon);
}

/// SIGTERM while requests of a hundred clients are on the way.
fn nothing_is_lost_in_the_end(mut daemon: Daemon) {
    let (sent, mut alice) = (Barrier::new(101), Client::member(&daemon, "alice"));
    std::thread::scope(|scope| {
        for number in 0..100 {
            let (daemon, sent) = (&daemon, &sent);
            scope.spawn(move || {
                let mut chance = Chance(number + 1);
                let mut client = if number % 3 == 0 { daemon.unix() } else { daemon.tcp(MULTIPLY) };
                let count = 1 + chance.below(2000) as usize;
                let (requests, replies) = products(&mut chance, count);
                client.say(requests);
                sent.wait();
                client.hear(replies);
                client.hear_end();
            });
        }
        sent.wait();
        daemon.signal(Signal::TERM);
        alice.hear("Server is shutting down.\n");
        alice.hear_end();
    });
    drop(alice);
    assert!(daemon.wait().success());
    daemon.wait_for_log("stopped");
    let log = daemon.log();
    let is_expected = |line: &str| line.starts_with("info: ") || line.contains("group ipcd does not exist");
    let unexpected: Vec<_> = log.iter().filter(|line| !is_expected(line)).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
}
