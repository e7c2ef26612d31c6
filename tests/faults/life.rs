//! The life of the process under load: stopped, killed, started twice, reloaded many times, restarted, frozen.

use std::fs::File;
use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::fixture::{Chance, Fixture, Healthy, answered, effort, step_back};
use crate::harness::around::{Helper, failure, stale_socket};
use crate::harness::late::in_time;
use crate::harness::manager::Manager;
use crate::harness::queues::Queues;
use crate::harness::{Client, Daemon, MULTIPLY, TestDir, USUAL, wait_until};
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn stop_under_load_answers_every_received_request() {
    let count: usize = effort(1_000, 10_000);
    let mut daemon =
        Daemon::with(&format!("[limits]\nmax_connections = 10100\nshutdown_grace = \"50s\"\n{USUAL}"));
    let healthy = Healthy::on(daemon.tcp(MULTIPLY));
    let mut chance = Chance::new(7);
    let mut busy: Vec<(Client, String)> = Vec::new();
    for _ in 0..count {
        let mut client = daemon.tcp(MULTIPLY);
        answered(&mut client);
        busy.push((client, String::new()));
    }
    let waits = healthy.end();
    let worst = *waits.last().unwrap();
    // Each has several requests on the way when the signal comes.
    for (client, replies) in &mut busy {
        let mut requests = String::new();
        for _ in 0..1 + chance.below(20) {
            let (a, b) = (chance.below(1000), chance.below(1000));
            requests += &format!("{a} {b}\n");
            *replies += &format!("Data received\n{}.0\n", a * b);
        }
        client.say(requests);
    }
    let asked = Instant::now();
    daemon.signal(Signal::TERM);
    std::thread::scope(|scope| {
        for part in busy.chunks_mut(count.div_ceil(4)) {
            scope.spawn(move || {
                for (client, replies) in part {
                    client.hear(&*replies);
                    client.hear_end();
                    client.half_close();
                }
            });
        }
    });
    drop(busy);
    assert!(daemon.wait().success());
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(50), "the grace is 50 s: {took:?}");
    daemon.wait_for_log("stopped");
    eprintln!(
        "SIGTERM with {count} busy connections: all answered, ended after {took:.1?}; H before it {worst:.0?} at worst"
    );
}

#[test]
fn storm_of_good_and_bad_reloads_costs_no_session() {
    let rounds = effort(300, 10_000);
    let fixture =
        Fixture::with(USUAL).expect_in_log("reload").expect_in_log("ipcd.toml:").expect_in_log("in use");
    let taken = TcpListener::bind((fixture.ip, 7001)).unwrap();
    let several = USUAL.replace(
        "[greeting]",
        "[hello]\nlisten = [\"tcp://{ip}:7000\", \"tcp://{ip}:7001\", \"tcp://{ip}:7002\"]\n[greeting]",
    );
    let mut alice = Client::member(&fixture, "alice");
    let over = AtomicBool::new(false);
    let requests = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (fixture, over, requests) = (&fixture, &over, &requests);
            scope.spawn(move || {
                step_back();
                let mut lasting = if worker % 2 == 0 { fixture.tcp(MULTIPLY) } else { fixture.unix() };
                while !over.load(Ordering::Relaxed) {
                    answered(&mut lasting);
                    // The endpoints that stay refuse nobody.
                    answered(&mut if worker % 2 == 0 { fixture.unix() } else { fixture.tcp(MULTIPLY) });
                    requests.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
        for round in 0..rounds {
            match round % 5 {
                0 => fixture.write_config("[multiply]\nlisten = [\n"),
                1 => fixture.write_config(&USUAL.replace(":9999", ":6000")),
                2 => fixture.write_config("[caht]\n"),
                3 => fixture.write_config(&several),
                _ => fixture.write_config(&format!("[limits]\nmax_message = {}\n{USUAL}", 100 + round)),
            }
            let before = requests.load(Ordering::Relaxed);
            fixture.signal(Signal::HUP);
            if round % 3 == 0 {
                // Some come in a row; after others there is work in between.
                wait_until("requests go on", || (requests.load(Ordering::Relaxed) > before).then_some(()));
            }
            alice.say(format!("{round}\n"));
            alice.hear(format!("alice: {round}\n"));
            if round % 5 == 3 {
                let mut control = fixture.unix();
                control.say("control\nreload\n");
                assert!(control.hear_line().contains("7001: address already in use"));
                let opened = [7000, 7002].map(|port| TcpStream::connect(fixture.address(port)).is_ok());
                assert_eq!(opened, [false; 2], "all of several ports, or none");
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    for text in ["reloaded: ", "reload failed", "address already in use"] {
        fixture.wait_for_log(text);
    }
    let since = fixture.log().len();
    fixture.write_config(USUAL);
    fixture.signal(Signal::HUP);
    fixture.wait_for_log_since(since, "reloaded");
    drop((alice, taken));
    let requests = requests.into_inner();
    fixture.end(&format!("{rounds} reloads, {requests} requests beside them"));
}

/// SIGKILL at any time, also during a start, leaves nothing that prevents the next start.
#[test]
fn start_after_a_kill_serves() {
    let rounds = effort(30, 1_000);
    let beside = Fixture::with(USUAL);
    let mut chance = Chance::new(13);
    let mut test_dir = TestDir::new();
    let with_fifo = format!(
        "{USUAL}[hello]\nlisten = [\"unixseq://{{dir}}/hello.seq\", \"unixgram://{{dir}}/hello.gram\"]\n"
    );
    let queues = Queues::new("killed");
    let pairs = format!("[multiply]\nlisten = [\"fifo://{{dir}}/multiply\", \"mq://{}\", ", queues.0);
    test_dir.write_config(&with_fifo.replace("[multiply]\nlisten = [", &pairs));
    for _ in 0..rounds {
        let mut early = Helper(test_dir.command().stderr(Stdio::null()).spawn().unwrap());
        // This does not wait for anything: the time of the kill varies, from before the first endpoint to after the last.
        std::thread::sleep(Duration::from_micros(chance.below(12_000) as u64));
        early.0.kill().unwrap();
        early.0.wait().unwrap();
        let command = test_dir.command();
        let (directory, ip) = (test_dir.directory, test_dir.ip);
        let mut daemon = TestDir { directory, ip }.start(command);
        answered(&mut daemon.unix());
        answered(&mut daemon.tcp(MULTIPLY));
        queues.say("5 10");
        queues.hear(&["Data received", "50.0"]);
        daemon.signal(Signal::KILL);
        daemon.wait();
        test_dir =
            TestDir { directory: std::mem::replace(&mut daemon.directory, tempfile::tempdir().unwrap()), ip };
    }
    // Whenever it was killed, the next one knows which queues it owns.
    let command = test_dir.command();
    test_dir.start(command).stop();
    assert_eq!(queues.names(), [""; 0]);
    beside.end(&format!("{} kills, {rounds} starts after them", 2 * rounds));
}

/// Starts a daemon that is killed when it makes this call for the `when`th time. Returns whether it was; if not, it has stopped by itself.
fn is_killed(test_dir: &TestDir, call: &str, when: usize) -> bool {
    let (ipcd, log) = (test_dir.command(), test_dir.directory.path().join("log"));
    // The daemon is our child, not strace's.
    let mut command = Command::new("strace");
    command.args(["-D", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    command.args(["-e", &format!("inject={call}:signal=KILL:when={when}")]);
    command.arg(ipcd.get_program()).args(ipcd.get_args()).stdin(Stdio::null()).stdout(Stdio::null());
    for name in ["RUST_LOG", "JOURNAL_STREAM", "NOTIFY_SOCKET"] {
        command.env_remove(name);
    }
    let mut daemon =
        Helper(command.stderr(File::create(&log).unwrap()).spawn().expect("strace is installed"));
    let mut is_asked = false;
    let status = wait_until("its end", || {
        if !is_asked && std::fs::read_to_string(&log).unwrap().contains("is ready") {
            is_asked = true;
            kill_process(Pid::from_child(&daemon.0), Signal::TERM).unwrap();
        }
        daemon.0.try_wait().unwrap()
    });
    assert!(status.success() || status.signal() == Some(Signal::KILL.as_raw()), "{call} {when}: {status}");
    !status.success()
}

/// Every kind of endpoint that leaves something in a file system or a namespace.
const EVERYTHING: &str = r#"
[multiply]
max_message = 200
listen = ["fifo://{dir}/f", "unixseq://{dir}/q", "unixgram://{dir}/d", "shm://{dir}/r", "mq://{queues}"]
[chat]
listen = ["shm:///{buffer}?semaphores"]
[mux]
listen = ["unix://{dir}/ipcd.sock"]
"#;

/// The calls that change what outlives a process. Before each of them it is as the ones before have left it.
const CALLS: [&str; 10] =
    ["mq_open", "mq_unlink", "mknodat", "bind", "listen", "unlink", "fchmod", "flock", "fallocate", "write"];

#[test]
#[ignore = "needs strace"]
fn daemon_killed_at_any_call_leaves_nothing_that_the_next_does_not_know() {
    let queues = Queues::new("killed-at");
    let buffer = format!("ipcd-killed-at-{}", std::process::id());
    let mut test_dir = TestDir::new();
    test_dir.write_config(&EVERYTHING.replace("{queues}", &queues.0).replace("{buffer}", &buffer));
    let ip = test_dir.ip;
    let started = |test_dir: TestDir| {
        let command = test_dir.command();
        test_dir.start(command)
    };
    let ended = |mut daemon: Daemon, signal| {
        daemon.signal(signal);
        assert_eq!(daemon.wait().success(), signal == Signal::TERM);
        let directory = std::mem::replace(&mut daemon.directory, tempfile::tempdir().unwrap());
        TestDir { directory, ip }
    };
    let left = |test_dir: &TestDir| {
        let directories = [(test_dir.directory.path(), ""), (Path::new("/dev/shm"), &*buffer)];
        let names = directories.map(|(directory, part)| {
            let entries = std::fs::read_dir(directory).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.filter(|name| name.contains(part) && name != "log").collect();
            names.sort();
            names
        });
        (names, queues.names())
    };
    test_dir = ended(started(test_dir), Signal::TERM);
    let usual = left(&test_dir);
    let mut kills = Vec::new();
    for call in CALLS {
        // Some create everything, others find what a killed one has left.
        for finds_more in [false, true] {
            let mut when = 0;
            loop {
                if finds_more {
                    test_dir = ended(started(test_dir), Signal::KILL);
                }
                if !is_killed(&test_dir, call, when + 1) {
                    break;
                }
                when += 1;
                let daemon = started(test_dir);
                answered(&mut daemon.unix());
                queues.say("5 10");
                queues.hear(&["Data received", "50.0"]);
                test_dir = ended(daemon, Signal::TERM);
                assert_eq!(left(&test_dir), usual, "killed at {call} {when}, {finds_more}");
            }
            kills.push((call, when));
        }
    }
    eprintln!("killed at {kills:?}; a usual stop leaves {usual:?}");
    assert!(kills.chunks(2).all(|both| both[0].1 + both[1].1 > 0), "{kills:?}");
}

#[test]
fn exactly_one_of_two_simultaneous_starts_wins() {
    let rounds = effort(40, 1_000);
    let beside = Fixture::with(USUAL);
    let test_dir = TestDir::new();
    test_dir.write_config("[mux]\nlisten = [\"unix://{dir}/ipcd.sock\"]\n");
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        if round % 2 == 1 {
            stale_socket(&test_dir.socket()); // both find it
        }
        let mut both = [0, 1].map(|_| Helper(test_dir.command().stderr(Stdio::piped()).spawn().unwrap()));
        let loser = wait_until("one gives up", || {
            both.iter_mut().position(|one| one.0.try_wait().unwrap().is_some())
        });
        assert_eq!(both[loser].0.wait().unwrap().code(), Some(69));
        let mut said = String::new();
        both[loser].0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(said.contains("address already in use") && said.matches('\n').count() == 1, "{said}");
        let winner = &mut both[1 - loser].0;
        wait_until("the winner listens", || std::os::unix::net::UnixStream::connect(test_dir.socket()).ok());
        let healthy = Healthy::on(Client::unix(&test_dir.socket()));
        let late = failure(&mut test_dir.command(), 69);
        assert!(late.contains("address already in use"), "{late}");
        slowest = slowest.max(healthy.end().pop().unwrap());
        rustix::process::kill_process(rustix::process::Pid::from_child(winner), Signal::TERM).unwrap();
        assert!(wait_until("the winner ends", || winner.try_wait().unwrap()).success());
        assert_eq!(test_dir.names(), ["ipcd.toml"]);
    }
    beside.end(&format!(
        "{rounds} times two starts at once, and a third beside H on the winner, {slowest:.0?} at worst"
    ));
}

/// The manager keeps the listening sockets and, during the restart, the connections.
#[test]
fn restarts_under_a_manager_refuse_and_reset_nobody() {
    let rounds = effort(10, 1_000);
    let test_dir = TestDir::new();
    test_dir.write_config(USUAL);
    let ip = test_dir.ip;
    let kept: Vec<OwnedFd> = [MULTIPLY, 9999, 33000]
        .map(|port| TcpListener::bind((ip, port)).unwrap().into())
        .into_iter()
        .chain([UnixListener::bind(test_dir.socket()).unwrap().into()])
        .collect();
    let inherited = || kept.iter().map(|fd| ("ipcd.socket".to_owned(), fd.try_clone().unwrap()));
    let manager = Manager::new(&test_dir);
    let mut daemon = test_dir.start_with(&manager, inherited().collect());
    let healthy = Healthy::on(daemon.tcp(MULTIPLY));
    let mut alice = Client::member(&daemon, "alice");
    let (over, newcomers, longest) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let address = daemon.address(MULTIPLY);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (over, newcomers, longest) = (&over, &newcomers, &longest);
            scope.spawn(move || {
                step_back();
                while !over.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let mut client = Client::tcp(address);
                    answered(&mut client);
                    client.half_close();
                    client.hear_end();
                    newcomers.fetch_add(1, Ordering::Relaxed);
                    longest.fetch_max(begun.elapsed().as_micros() as usize, Ordering::Relaxed);
                }
            });
        }
        for round in 0..rounds {
            let mut control = daemon.unix();
            control.say("control\nhandover\n");
            control.hear("OK\n");
            assert!(daemon.wait().success());
            let log = daemon.log();
            let bad = log.iter().find(|line| line.starts_with("error") || line.contains("panicked"));
            assert_eq!(bad, None);
            let directory = std::mem::replace(&mut daemon.directory, tempfile::tempdir().unwrap());
            let test_dir = TestDir { directory, ip };
            let descriptors = inherited().chain(manager.take_stored()).collect();
            daemon = test_dir.start_with(&manager, descriptors);
            alice.say(format!("{round}\n"));
            alice.hear(format!("alice: {round}\n"));
        }
        over.store(true, Ordering::Relaxed);
    });
    let waits = healthy.end();
    drop(alice);
    daemon.stop();
    eprintln!(
        "{rounds} restarts: 0 refused, 0 reset; H {} requests, worst pause {:.0?}; {} newcomers, worst pause {:.0?}",
        waits.len(),
        waits.last().unwrap(),
        newcomers.into_inner(),
        Duration::from_micros(longest.into_inner() as u64),
    );
}

/// Stops a daemon for longer than every timeout, and returns the longest wait after that. `None`: this test itself took so long that
/// the timeouts have passed without it.
fn waits_after_a_pause(clients: usize, timeout: Duration, pause: Duration) -> Option<Duration> {
    let seconds = timeout.as_secs();
    let daemon = Daemon::with(&format!(
        "[limits]\nmessage_timeout = \"{seconds}s\"\nidle_timeout = \"{seconds}s\"\n{USUAL}"
    ));
    let begun = Instant::now();
    let mut begun_by: Vec<Client> = (0..clients).map(|_| daemon.tcp(MULTIPLY)).collect();
    // All at once, because on a busy machine each takes its time.
    begun_by.iter_mut().for_each(|client| _ = client.try_say(b"5 10\n5 "));
    begun_by.iter_mut().for_each(|client| client.hear("Data received\n50.0\n"));
    let mut alice = Client::member(&daemon, "alice");
    daemon.freeze();
    let before = begun.elapsed();
    // This does not wait for anything: more time than every timeout must pass.
    std::thread::sleep(pause);
    let thawed = Instant::now();
    daemon.thaw();
    answered(&mut daemon.tcp(MULTIPLY)); // it is served before the others continue
    begun_by.iter_mut().for_each(|client| _ = client.try_say(b"10\n"));
    let said = alice.try_say(b"still here\n");
    answered(&mut daemon.tcp(MULTIPLY)); // the daemon has read all that
    // The daemon counts a tenth of a second of the pause.
    if !said || before + thawed.elapsed() + Duration::from_millis(200) >= timeout {
        return None;
    }
    let healthy = Healthy::on(daemon.tcp(MULTIPLY));
    begun_by.iter_mut().for_each(|client| client.hear("Data received\n50.0\n"));
    alice.hear("alice: still here\n");
    let waits = healthy.end();
    drop((begun_by, alice));
    let log = daemon.stop();
    assert!(!log.iter().any(|line| line.contains("not finished") || line.contains("idle for")), "{log:#?}");
    waits.last().copied()
}

#[test]
fn suspended_daemon_times_nobody_out() {
    // A busy machine takes a while to serve them all before and after.
    let (clients, timeout, pause) = effort((50, 3, 4_500), (200, 15, 30_000));
    let (timeout, pause) = (Duration::from_secs(timeout), Duration::from_millis(pause));
    let worst = in_time(|| waits_after_a_pause(clients, timeout, pause));
    eprintln!(
        "stood still for {pause:?}: nobody timed out of {}; H {worst:.0?} at worst after it",
        clients + 1
    );
}

#[test]
#[ignore = "needs libfaketime"]
fn wall_clock_jump_ends_no_session() {
    let library = std::fs::read_dir("/usr/lib")
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketime.so.1")))
        .find(|path| path.exists())
        .expect("libfaketime is installed (Debian: libfaketime)");
    let test_dir = TestDir::new();
    test_dir.write_config(&format!("[limits]\nmessage_timeout = \"20s\"\n{USUAL}"));
    let clock = test_dir.directory.path().join("clock");
    let set = |offset: &str| std::fs::write(&clock, offset).unwrap();
    set("+0");
    let mut command = test_dir.command();
    command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", &clock);
    // The daemon uses the monotonic clock; only the wall clock changes, as an administrator or NTP sets it.
    command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let clock = clock.clone();
    let fixture = Fixture::on(test_dir.start(command));
    let mut begun: Vec<Client> = (0..100).map(|_| fixture.tcp(MULTIPLY)).collect();
    let mut alice = Client::member(&fixture, "alice");
    for client in &mut begun {
        answered(client);
        client.say("5 ");
    }
    for offset in ["+3y", "-20y", "+30y", "-1d", "+0"] {
        std::fs::write(&clock, offset).unwrap();
        for _ in 0..20 {
            alice.say("tick\n");
            alice.hear("alice: tick\n");
            answered(&mut fixture.tcp(MULTIPLY));
        }
    }
    for client in &mut begun {
        client.say("10\n");
        client.hear("Data received\n50.0\n");
    }
    drop((begun, alice));
    fixture.end("the wall clock moved by 3, 20 and 30 years");
}
