//! The limit on open files: if it is reached, at the start or while running, nobody is slowed down, and the daemon recovers by
//! itself.

use std::io::ErrorKind;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::around::Helper;
use crate::harness::healthy::Healthy;
use crate::harness::shared::Shared;
use crate::harness::{Client, Daemon, MULTIPLY, Stream, TestDir, USUAL, wait_until};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

const REFUSED: &str = "Error: too many connections, try again later\n";

/// Sets the daemon's limit on open files. The hard limit stays.
fn limit(daemon: &Daemon, files: usize) {
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    let new = Rlimit { current: Some(files as u64), maximum };
    prlimit(Some(Pid::from_raw(daemon.pid()).unwrap()), Resource::Nofile, new).unwrap();
}

#[track_caller]
fn answered(client: &mut Client) {
    client.say("5 10\n");
    client.hear("Data received\n50.0\n");
}

/// Connections that use up all descriptors.
fn filled(daemon: &Daemon, connections: usize) -> Vec<Client> {
    let mut clients: Vec<Client> = (0..connections).map(|_| daemon.tcp(MULTIPLY)).collect();
    clients.iter_mut().for_each(answered);
    while daemon.descriptors() <= highest_descriptor(daemon) {
        clients.push(daemon.tcp(MULTIPLY)); // fills a gap
        answered(clients.last_mut().unwrap());
    }
    limit(daemon, highest_descriptor(daemon) + 1);
    clients
}

fn highest_descriptor(daemon: &Daemon) -> usize {
    let all = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().flatten();
    // Without those of /proc, which it opens for a moment when it has come to rest.
    let stays = all.filter(|one| std::fs::read_link(one.path()).is_ok_and(|to| !to.starts_with("/proc")));
    stays.map(|one| one.file_name().into_string().unwrap().parse().unwrap()).max().unwrap()
}

/// A daemon that may have 128 descriptors.
fn limited(config: &str) -> Daemon {
    let test_dir = TestDir::new();
    test_dir.write_config(config);
    let mut command = Command::new("prlimit");
    command
        .args(["--nofile=128", "--"])
        .arg(env!("CARGO_BIN_EXE_ipcd"))
        .arg("--config")
        .arg(test_dir.config_file());
    test_dir.start(command)
}

#[test]
fn low_rlimit_lowers_max_connections_and_refuses_the_excess() {
    let daemon = limited(USUAL);
    let warning = daemon.wait_for_log("warning: max_connections is ");
    assert!(warning.contains("not 10000: the limit on open files is 128; raise it"), "{warning}");
    let max: usize = warning.split_whitespace().nth(3).unwrap().trim_end_matches(',').parse().unwrap();
    assert!((40..128).contains(&max), "{warning}");
    let mut inside: Vec<Client> = (0..max).map(|_| daemon.tcp(MULTIPLY)).collect();
    inside.iter_mut().for_each(answered);
    for _ in 0..100 {
        let mut outside = daemon.tcp(MULTIPLY);
        outside.hear(REFUSED);
        outside.hear_end();
    }
    inside.iter_mut().for_each(answered);
    drop(inside);
    wait_until("there is room again", || newcomer_is_served(&daemon));
    daemon.stop();
}

#[test]
fn shared_memory_leaves_the_descriptors_of_the_others() {
    let daemon =
        limited(&USUAL.replace("[multiply]\nlisten = [", "[multiply]\nlisten = [\"shm://{dir}/m.shm\", "));
    let warning = daemon.wait_for_log("warning: max_connections is ");
    let max: usize = warning.split_whitespace().nth(3).unwrap().trim_end_matches(',').parse().unwrap();
    let path = daemon.directory.path().join("m.shm");
    let mut sharing: Vec<Shared> = Vec::new();
    let refused = loop {
        let client = Shared::connect(&path);
        client.say("5 10");
        match client.next().as_deref() {
            Some(b"Data received") => client.hear("50.0"),
            other => break other.map(<[u8]>::to_vec),
        }
        sharing.push(client);
    };
    assert_eq!(refused.as_deref(), Some(REFUSED.trim_end().as_bytes()));
    assert!((1..max / 3).contains(&sharing.len()), "{} of {max}", sharing.len());
    let mut others: Vec<Client> = (0..max - sharing.len()).map(|_| daemon.tcp(MULTIPLY)).collect();
    others.iter_mut().for_each(answered);
    drop(sharing);
    wait_until("there is room again", || {
        let client = Shared::connect(&path);
        client.say("5 10");
        (client.next()? == b"Data received").then_some(())
    });
    daemon.stop();
}

#[test]
fn descriptor_shortage_refuses_newcomers_and_idles() {
    let daemon = Daemon::usual();
    let healthy = Healthy::on(daemon.tcp(MULTIPLY));
    let mut inside = filled(&daemon, 20);
    let count = daemon.descriptors();
    for _ in 0..50 {
        let mut outside = daemon.tcp(MULTIPLY);
        outside.hear(REFUSED);
        outside.hear_end();
    }
    inside.iter_mut().for_each(answered);
    assert_eq!(daemon.descriptors(), count);
    let ticks = daemon.cpu_ticks();
    // Time must pass: the daemon is observed while nothing happens.
    std::thread::sleep(Duration::from_secs(1));
    assert!(daemon.cpu_ticks() - ticks < 15, "it idles, but for a hundred requests");
    healthy.end();
    inside.truncate(10);
    wait_until("there is room again", || newcomer_is_served(&daemon));
    daemon.stop();
}

/// Whether a new client is served. One that is refused may be reset while it sends.
fn newcomer_is_served(daemon: &Daemon) -> Option<()> {
    let mut client = daemon.tcp(MULTIPLY);
    if !client.try_say(b"5 10\n") {
        return None;
    }
    let mut heard = [0; 64];
    let count = client.read(&mut heard).ok()?;
    heard[..count].starts_with(b"Data").then_some(())
}

/// Clients in the backlog that cannot even get an error, because the daemon has no descriptor below the limit.
fn queued(daemon: &Daemon) -> Vec<Client> {
    limit(daemon, 0);
    let mut waiting: Vec<Client> = (0..20).map(|_| daemon.tcp(MULTIPLY)).collect();
    waiting.extend((0..5).map(|_| daemon.unix()));
    waiting.iter_mut().for_each(|client| client.say("5 10\n"));
    daemon.wait_for_log("cannot accept now");
    let ticks = daemon.cpu_ticks();
    // Time must pass: the daemon is observed while nothing happens.
    std::thread::sleep(Duration::from_secs(1));
    assert!(daemon.cpu_ticks() - ticks < 10, "it idles");
    for client in &mut waiting {
        let heard = match &client.stream {
            Stream::Tcp(stream) => stream.set_nonblocking(true),
            Stream::Unix(stream) => stream.set_nonblocking(true),
        };
        heard.unwrap();
        assert_eq!(client.read(&mut [0; 64]).unwrap_err().kind(), ErrorKind::WouldBlock, "it waits");
        match &client.stream {
            Stream::Tcp(stream) => stream.set_nonblocking(false),
            Stream::Unix(stream) => stream.set_nonblocking(false),
        }
        .unwrap();
    }
    waiting
}

#[test]
fn raised_rlimit_resumes_accept_without_other_events() {
    let daemon = Daemon::usual();
    let mut inside = filled(&daemon, 20);
    for _ in 0..2 {
        let mut waiting = queued(&daemon);
        inside.iter_mut().for_each(answered);
        let raised = Instant::now();
        limit(&daemon, 1000);
        waiting.iter_mut().for_each(|client| client.hear("Data received\n50.0\n"));
        assert!(raised.elapsed() < Duration::from_secs(20), "{:?}", raised.elapsed());
    }
    // The reserve descriptor is back, too.
    drop(inside);
    let _full = filled(&daemon, 40);
    daemon.tcp(MULTIPLY).hear(REFUSED);
    daemon.stop();
}

#[test]
fn closed_connections_resume_accept() {
    let daemon = Daemon::usual();
    let inside = filled(&daemon, 60);
    let highest = highest_descriptor(&daemon);
    let mut waiting = queued(&daemon);
    limit(&daemon, highest + 1);
    let left = Instant::now();
    drop(inside);
    let mut served = 0;
    for client in &mut waiting {
        // Until the others have left, some clients may be refused for lack of room.
        match client.recv() {
            words if words.starts_with(b"Data received\n") => served += 1,
            words => assert!(words.starts_with(b"Error: too many"), "{}", crate::harness::show(&words)),
        }
    }
    assert!(left.elapsed() < Duration::from_secs(20), "{:?}", left.elapsed());
    wait_until("there is room for a newcomer", || newcomer_is_served(&daemon));
    eprintln!("{served} of {} served", waiting.len());
    daemon.stop();
}

#[test]
fn storm_of_aborted_connections_keeps_nobody_out() {
    let daemon = Daemon::usual();
    let trace = daemon.directory.path().join("trace");
    let mut strace = Command::new("strace");
    strace.arg("-p").arg(daemon.pid().to_string()).arg("-o").arg(&trace);
    // Every other call fails.
    strace.args(["-e", "trace=accept4", "-e", "inject=accept4:error=ECONNABORTED:when=1+2"]);
    let strace = strace.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
    let Ok(strace) = strace else {
        eprintln!("not tested: there is no strace");
        return;
    };
    let strace = Helper(strace);
    wait_until("strace is attached", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        (!status.contains("TracerPid:\t0\n")).then_some(())
    });
    for _ in 0..200 {
        answered(&mut daemon.tcp(MULTIPLY));
        answered(&mut daemon.unix());
    }
    let text = std::fs::read_to_string(&trace).unwrap();
    assert!(text.matches("ECONNABORTED").count() > 200, "the storm was there");
    daemon.signal(Signal::TERM);
    let mut daemon = daemon;
    assert!(daemon.wait().success());
    drop(strace);
    assert!(!daemon.log().iter().any(|line| line.contains("cannot accept")));
}
