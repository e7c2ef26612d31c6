//! While nobody asks for anything, nothing wakes the daemon: it has no timer that only looks around.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::harness::{Client, Daemon, MULTIPLY, wait_until};

/// How long nothing must happen: many times longer than the daemon's short deadlines (`raw_gap`, the rest of a message), and
/// far shorter than those of idle clients, which wake it rightly.
const SILENCE: Duration = Duration::from_secs(3);

/// How often the daemon's threads have gone to sleep: each time follows something that woke them. `None`: one is awake. On a busy
/// machine it may wait for a processor that long before it can do anything.
fn sleeps(daemon: &Daemon) -> Option<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap() {
        let status = fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let value = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        if !value("State:").starts_with('S') {
            return None;
        }
        sum += value("voluntary_ctxt_switches:").parse::<u64>().unwrap();
    }
    Some(sum)
}

/// Waits until what has happened so far has no consequences any more, and counts.
fn at_rest(daemon: &Daemon) -> u64 {
    let (mut last, mut since) = (None, Instant::now());
    wait_until("the daemon sleeps for half a second", || {
        let now = sleeps(daemon);
        if now.is_none() || now != last {
            (last, since) = (now, Instant::now());
        }
        last.filter(|_| since.elapsed() >= Duration::from_millis(500))
    })
}

/// How often it wakes during the silence.
fn wake_ups(daemon: &Daemon) -> u64 {
    let before = at_rest(daemon);
    sleep(SILENCE);
    at_rest(daemon) - before
}

#[test]
fn daemon_without_clients_is_never_woken() {
    let daemon = Daemon::usual();
    daemon.wait_for_log("is ready");
    assert_eq!(wake_ups(&daemon), 0);
}

#[test]
fn daemon_with_silent_clients_and_members_is_never_woken() {
    let daemon = Daemon::usual();
    let members: Vec<Client> = (0..50).map(|nth| Client::member(&daemon, &format!("m{nth}"))).collect();
    let mut clients: Vec<Client> = (0..50).map(|_| daemon.tcp(MULTIPLY)).collect();
    for client in &mut clients {
        client.say("5 10\n");
        client.hear("Data received\n50.0\n");
    }
    assert_eq!(wake_ups(&daemon), 0);
    // The measure sees a client that does ask.
    let before = at_rest(&daemon);
    clients[0].say("5 10\n");
    clients[0].hear("Data received\n50.0\n");
    assert!(at_rest(&daemon) > before);
    drop(members);
}
