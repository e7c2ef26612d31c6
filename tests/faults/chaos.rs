//! One fault after another, and several at once, in an order that the seed chooses: on every kind of endpoint, by every kind of
//! client, and by the machine's administrator.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};

use super::abuse::{ABUSES, newcomer, queue_names};
use super::fixture::{Chance, Fixture, Healthy, answered, effort, figures, number, step_back};
use crate::harness::packets::Packets;
use crate::harness::queues::Queues;
use crate::harness::{CHAT, GREETING, HELLO, MULTIPLY, STATS, TALK, wait_until};

/// Every service, on every kind of endpoint that it can have.
const EVERYTHING: &str = r#"
[limits]
message_timeout = "2s"
[multiply]
listen = ["tcp://{ip}:65432", "udp://{ip}:65432", "unixseq://{dir}/multiply.seq", "unixgram://{dir}/multiply.gram", "fifo://{dir}/multiply", "mq:///ipcd-{ip}", "shm://{dir}/multiply.shm"]
[greeting]
listen = ["tcp://{ip}:9999", "udp://{ip}:9999"]
[chat]
listen = ["tcp://{ip}:33000", "unix://{dir}/chat.sock", "unixseq://{dir}/chat.seq", "fifo://{dir}/chat", "mq:///ipcd-{ip}-room"]
history = 20
[hello]
listen = ["tcp://{ip}:8080", "udp://{ip}:8080"]
[talk]
listen = ["tcp://{ip}:5000"]
[stats]
listen = ["tcp://{ip}:33001"]
[mux]
listen = ["unix://{dir}/ipcd.sock"]
"#;

/// Threads that abuse the daemon at the same time, each in one way after another.
const ROGUES: u64 = 4;

/// A port that is in use, at the daemon's address.
const TAKEN: u16 = 7001;

/// The memory that stays after everything at once: tables that have grown, the room's history, the machines' reports, and fragments
/// of the heap between them. Measured: 7.5 MiB after 8 s and after 40 s.
const KEPT_BYTES_MAX: usize = 16 << 20;

fn descriptors_allowed(fixture: &Fixture, count: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let new = Rlimit { current: Some(count.min(maximum.unwrap_or(u64::MAX))), maximum };
    prlimit(Some(Pid::from_raw(fixture.pid()).unwrap()), Resource::Nofile, new).unwrap();
}

/// Another configuration, valid or not, in which the healthy clients keep their endpoints.
fn reload(fixture: &Fixture, chance: &mut Chance) {
    for _ in 0..1 + chance.below(3) {
        match chance.below(7) {
            0 => fixture.write_config("[multiply]\nlisten = [\n"),
            1 => fixture.write_config("[caht]\n"),
            2 => fixture.write_config(&EVERYTHING.replace("8080", "7001")),
            3 => fixture.write_config(&EVERYTHING.replace("8080", "7000")),
            4 => fixture.write_config(&EVERYTHING.split("[hello]").next().map_or(String::new(), |most| {
                format!("{most}[mux]\nlisten = [\"unix://{{dir}}/ipcd.sock\"]\n")
            })),
            5 => fixture.write_config(&format!(
                "[limits]\nmax_connections_per_address = {}\n{}",
                200 + chance.below(100),
                EVERYTHING.replacen("[limits]\n", "", 1)
            )),
            _ => fixture.write_config(EVERYTHING),
        }
        fixture.signal(Signal::HUP);
        sleep(Duration::from_millis(chance.below(20) as u64));
    }
}

/// Faults of the process itself.
fn to_the_process(fixture: &Fixture, chance: &mut Chance) -> &'static str {
    match chance.below(8) {
        0..4 => {
            reload(fixture, chance);
            "reloads"
        }
        4..6 => {
            let count = chance.pick(&[0, fixture.descriptors() as u64, 40]);
            descriptors_allowed(fixture, count);
            sleep(Duration::from_millis(chance.below(300) as u64));
            descriptors_allowed(fixture, u64::MAX);
            "descriptors withheld"
        }
        6 => {
            fixture.stand_still(Duration::from_millis(chance.below(500) as u64));
            "stood still"
        }
        _ => {
            // The next reload creates it again.
            let name = chance.pick(&["chat.sock", "chat.seq", "multiply.gram", "chat.in"]);
            let _ = std::fs::remove_file(fixture.directory.path().join(name));
            "files removed"
        }
    }
}

/// Checks that every service answers on every kind of endpoint.
fn everything_serves(fixture: &Fixture) {
    // An earlier reload may still be running, with another file. This one is recognized by an endpoint of its own.
    let last = fixture.directory.path().join("last.sock");
    let own = format!("[talk]\nlisten = [\"unix://{}\", ", last.display());
    for config in [&EVERYTHING.replace("[talk]\nlisten = [", &own), EVERYTHING] {
        fixture.write_config(config);
        fixture.signal(Signal::HUP);
        wait_until("the reload is done", || (last.exists() == (config != EVERYTHING)).then_some(()));
    }
    answered(&mut fixture.tcp(MULTIPLY));
    answered(&mut fixture.unix());
    fixture.tcp(GREETING).hear("Message received. Thank you for connecting\r\n");
    let mut hello = fixture.tcp(HELLO);
    hello.say("hi\n");
    hello.hear("Hello from server\n");
    let mut stats = fixture.tcp(STATS);
    stats.say("{\"host\": \"pc1\", \"cpu_percent\": 1}\n");
    stats.hear("Data received\n");
    let (mut one, mut other) = (fixture.tcp(TALK), fixture.tcp(TALK));
    one.say("hi\n");
    other.hear("hi\n");
    let file = |name: &str| fixture.directory.path().join(name);
    for packets in [
        Packets::udp(fixture.address(MULTIPLY)),
        Packets::seq(&file("multiply.seq")),
        Packets::gram(&file("multiply.gram"), &file("own")),
    ] {
        packets.say("5 10");
        packets.hear("Data received");
        packets.hear("50.0");
    }
    std::fs::remove_file(file("own")).unwrap();
    let mut member = fixture.tcp(CHAT);
    member.say("the last\n/me was here\n");
    while member.hear_line() != "* the last was here" {}
    // Ends a line that an abuser may have left unfinished in the FIFO.
    std::fs::write(file("chat.in"), "\nfrom the FIFO\n").unwrap();
    while member.hear_line() != "chat: from the FIFO" {}
    let [queues, room] = queue_names(fixture).map(Queues);
    queues.say("77 11");
    while queues.next() != "847.0" {} // after the replies that abusers left unread
    room.say("from the queue");
    while !member.hear_line().ends_with(": from the queue") {}
    std::mem::forget([queues, room]);
    let mut status = fixture.unix();
    status.say("status\n");
    let report: serde_json::Value = serde_json::from_str(&status.hear_line()).unwrap();
    assert!(report["services"].is_array(), "{report}");
}

#[test]
fn random_faults_never_disturb_the_healthy_client() {
    let (seed, seconds) = (number("IPCD_SEED", 1), number("IPCD_SECONDS", effort(5, 60)));
    eprintln!("IPCD_SEED={seed} IPCD_SECONDS={seconds} repeats this");
    let fixture = Fixture::with(EVERYTHING)
        .keep_at_most(KEPT_BYTES_MAX)
        .expect_in_log("reload")
        .expect_in_log("ipcd.toml:")
        .expect_in_log("in use")
        .expect_in_log("cannot accept now")
        .expect_in_log("endpoint errors")
        .expect_in_log("missing or replaced; recreating it")
        .expect_in_log("mode and group are unchanged: no such file") // a file was removed just before a reload
        .expect_in_log("no file descriptor left")
        .expect_in_log("too many open files")
        .expect_in_log("more lines suppressed");
    let _queues = queue_names(&fixture).map(Queues); // removed at the end, with everything that abusers left in them
    let _taken = TcpListener::bind((fixture.ip, TAKEN)).unwrap();
    let beside = Healthy::of(fixture.unix(), fixture.pid());
    let end = Instant::now() + Duration::from_secs(seconds);
    let [served, refused] = [const { AtomicUsize::new(0) }; 2];
    let done: Mutex<BTreeMap<&str, usize>> = Mutex::default();
    let count = |what: &'static str| *done.lock().unwrap().entry(what).or_default() += 1;
    // Threads do not wait for each other: the seed decides only the order within each.
    std::thread::scope(|scope| {
        for rogue in 0..ROGUES {
            let (fixture, count) = (&fixture, &count);
            scope.spawn(move || {
                step_back();
                let mut chance = Chance::new(100 + rogue);
                while Instant::now() < end {
                    let (name, commit) = chance.pick(ABUSES);
                    commit(fixture, &mut Chance::new(chance.next()));
                    count(name);
                }
            });
        }
        scope.spawn(|| {
            step_back();
            let mut chance = Chance::new(98);
            let is_late = || Instant::now() >= end + crate::harness::TIMEOUT;
            while Instant::now() < end || served.load(Ordering::Relaxed) == 0 && !is_late() {
                let which = if newcomer(&fixture, &mut chance) { &served } else { &refused };
                which.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut chance = Chance::new(99);
        while Instant::now() < end {
            sleep(Duration::from_millis(chance.below(100) as u64));
            count(to_the_process(&fixture, &mut Chance::new(chance.next())));
        }
    });
    everything_serves(&fixture);
    let waits = beside.waits_but_for(&fixture.stood_still());
    let (served, refused) = (served.into_inner(), refused.into_inner());
    assert!(served > 0, "no newcomer was served, {refused} were refused");
    let done: Vec<String> =
        done.into_inner().unwrap().into_iter().map(|(what, count)| format!("{what} {count}")).collect();
    eprintln!("{}", done.join(", "));
    eprintln!("H on the Unix socket {}; newcomers: {served} served, {refused} refused", figures(waits));
    fixture.end(&format!("chaos for {seconds} s with seed {seed}"));
}
